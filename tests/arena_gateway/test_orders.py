"""Orders over HTTP: what is sent on, what comes back, and every refusal on the way."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.arena_gateway.fakes import SEED_ORDER, AuthSettings, Desk, an_order, open_desk
from trading.errors import DeadlinePassed, NotAllowed, NotFound, OrderDenied, OutcomeUnknown, StateConflict, Unavailable


async def test_the_seed_order_is_answered_as_the_first_version_did(desk: Desk) -> None:
    answer = await desk.place()
    assert answer.status == 201
    assert answer.body == {
        "ok": True,
        "order_id": "paper-oanda-1",
        "status": "PENDING",
        "mode": "paper",
        "ttl_expires_at": 1760637327.021043,
        "client_order_id": answer.body["client_order_id"],
        "event_id": "oanda@00112233445566aa:1",
    }
    assert answer.headers["Location"] == "/brokers/oanda/orders/paper-oanda-1"
    assert list(answer.body)[:5] == ["ok", "order_id", "status", "mode", "ttl_expires_at"]


async def test_an_order_travels_with_its_actor_its_deadline_and_exact_numbers(desk: Desk) -> None:
    await desk.place({**SEED_ORDER, "units": "100", "entry_price": "1.16550"})
    call = desk.oanda.calls[-1]
    assert call.op == "order.place"
    assert call.ttl_ms == 3000
    assert call.actor == {"user": "trader@test", "role": "trader", "live": False}
    minted = call.args["client_order_id"]
    assert isinstance(minted, str)
    assert re.fullmatch(r"[0-9a-f]{32}", minted)
    assert call.args == {**SEED_ORDER, "client_order_id": minted}
    assert type(call.args["units"]) is int
    assert repr(call.args["entry_price"]) == "1.1655"


async def test_the_coinbase_form_is_sent_on_as_it_is(desk: Desk) -> None:
    order = {"product_id": "BTC-USD", "side": "BUY", "size": 0.001, "entry_price": 20000, "stop_loss_price": 19000, "take_profit_price": 200000}
    answer = await desk.place(order, broker="coinbase")
    assert answer.status == 201
    assert answer.body["order_id"] == "paper-coinbase-1"
    sent = desk.adapters["coinbase"].calls[-1].args
    assert {name: value for name, value in sent.items() if name != "client_order_id"} == order


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/json", ""])
async def test_an_order_needs_no_json_content_type(desk: Desk, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=json.dumps(SEED_ORDER).encode(), headers=headers)
    assert answer.status == 201


async def test_a_repeat_is_200_with_the_first_bytes_and_another_body_422(desk: Desk) -> None:
    body = {**SEED_ORDER, "client_order_id": "twice-1"}
    first = await desk.place(body)
    again = await desk.place(body)
    assert (first.status, again.status) == (201, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.raw == first.raw
    other = await desk.place({**body, "units": 200})
    assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert other.body["client_order_id"] == "twice-1"


async def test_idempotency_key_is_the_same_as_client_order_id(desk: Desk) -> None:
    first = await desk.place(headers={"Idempotency-Key": "key-1"})
    assert first.body["client_order_id"] == "key-1"
    assert (await desk.place({**SEED_ORDER, "client_order_id": "key-1"})).status == 200
    assert (await desk.place(headers={"Idempotency-Key": '"key-1"'})).status == 200
    both = await desk.place({**SEED_ORDER, "client_order_id": "key-1"}, headers={"Idempotency-Key": "key-2"})
    assert (both.status, both.body["code"]) == (400, "IDEMPOTENCY_KEY_CONFLICT")


@pytest.mark.parametrize("bad", ["", "a" * 49, "a b", "a/b", "ä", 5, True, ["x"], "a\n"])
async def test_an_id_of_another_form_is_refused_before_anything_is_sent(desk: Desk, bad: object) -> None:
    answer = await desk.place({**SEED_ORDER, "client_order_id": bad})
    assert (answer.status, answer.body["code"]) == (400, "CLIENT_ORDER_ID_INVALID")
    assert desk.oanda.calls == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "FIELD"),
        (b"{", "JSON_MALFORMED"),
        (b"[]", "JSON_NOT_AN_OBJECT"),
        (b"\xff\xfe", "JSON_MALFORMED"),
        (b'{"units": NaN}', "NUMBER_NOT_FINITE"),
        (b'{"units": Infinity}', "NUMBER_NOT_FINITE"),
        (b'{"units": 1e999}', "NUMBER_OUT_OF_RANGE"),
        (b'{"units": 1e-999}', "NUMBER_OUT_OF_RANGE"),
        (b'{"units": ' + b"9" * 4000 + b"}", "NUMBER_OUT_OF_RANGE"),
        (b'{"units": ' + b"9" * 5000 + b"}", "JSON_MALFORMED"),
        (b'{"side":"BUY","units": true}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": "NaN"}', "NUMBER_NOT_FINITE"),
        (b'{"side":"BUY","units": "1e999"}', "NUMBER"),
        (b'{"side":"BUY","units": "hundred"}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": [1]}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": {"$gt": 1}}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": 1, "units": 2}', "DUPLICATE_KEY"),
        (b'{"side":"BUY","lots": 1}', "UNKNOWN_FIELD"),
        (b'{"side":"buy","units": 1}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": 1.2345678901234567}', "NUMBER_TOO_LONG"),
        (b"[" * 20_000, "JSON_TOO_DEEP"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "JSON_TOO_DEEP"),
        (b'{"instrument":"' + b"A" * 257 + b'"}', "STRING_TOO_LONG"),
        (b"{" + b",".join(b'"k%d":1' % n for n in range(65)) + b"}", "JSON_TOO_LARGE"),
        (b'{"instrument":[' + b"1," * 100 + b"1]}", "JSON_TOO_LARGE"),
        (b'{"instrument":"\\ud800"}', "JSON_MALFORMED"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_and_nothing_is_sent(desk: Desk, body: bytes, code: str) -> None:
    answer = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=body)
    assert answer.status in {400, 422}
    assert answer.body["code"].startswith(code) or code == "FIELD"
    assert answer.body["ok"] is False
    assert set(answer.body) == {"ok", "code", "message", "details", "request_id", "client_order_id"}
    assert answer.headers["X-Request-ID"] == answer.body["request_id"]
    assert desk.oanda.calls == []


async def test_a_body_over_64_kib_is_413(desk: Desk) -> None:
    answer = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=b"x" * (64 * 1024 + 1))
    assert (answer.status, answer.body["code"]) == (413, "BODY_TOO_LARGE")
    chunked = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=_chunks(b"x" * 1024, 100))
    assert chunked.status == 413


async def test_ten_megabytes_are_413_and_not_a_broken_connection(desk: Desk) -> None:
    answer = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=io.BytesIO(b"x" * 10_000_000))
    assert answer.status == 413


async def _chunks(piece: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield piece


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OrderDenied("use 1.16551 or 1.16552", code="PRICE_OFF_TICK", details={"below": 1.16551, "above": 1.16552}), 422),
        (NotAllowed("no grant", code="LIVE_NOT_GRANTED"), 403),
        (StateConflict("void", code="ORDER_VOID"), 409),
        (Unavailable("low", code="STORE_LOW"), 503),
        (DeadlinePassed("late"), 504),
    ],
)
async def test_a_refusal_of_the_adapter_arrives_with_its_code_its_details_and_the_minted_id(desk: Desk, error: Exception, status: int) -> None:
    desk.oanda.answers["order.place"] = error
    answer = await desk.place()
    assert answer.status == status
    assert answer.body["code"] == error.code
    assert answer.body["details"] == error.details
    assert re.fullmatch(r"[0-9a-f]{32}", answer.body["client_order_id"])
    assert ("Retry-After" in answer.headers) is (status == 503)


async def test_a_dead_adapter_is_503_at_once_and_the_other_goes_on(desk: Desk) -> None:
    desk.oanda.down = True
    answer = await desk.place()
    assert (answer.status, answer.body["code"]) == (503, "ADAPTER_DOWN")
    assert answer.headers["Retry-After"]
    order = {"product_id": "BTC-USD", "side": "BUY", "size": 1, "entry_price": 2, "stop_loss_price": 1, "take_profit_price": 3}
    assert (await desk.place(order, broker="coinbase")).status == 201
    everywhere = await desk.call("GET", "/orders")
    assert everywhere.status == 200
    assert everywhere.body["unavailable"] == ["oanda"]
    assert len(everywhere.body["orders"]) == 1


async def test_no_answer_in_time_is_202_with_where_to_look_and_is_asked_for_until_known(desk: Desk) -> None:
    desk.oanda.answers["order.place"] = OutcomeUnknown("sent, and no answer came")
    desk.oanda.answers["order.resolve"] = Unavailable("not yet", code="ADAPTER_DOWN")
    answer = await desk.place()
    assert answer.status == 202
    assert answer.body["ok"] is False
    assert (answer.body["status"], answer.body["code"], answer.body["retry_safe"]) == ("UNKNOWN", "UNKNOWN", True)
    assert answer.headers["Location"] == f"/brokers/oanda/orders?client_order_id={answer.body['client_order_id']}"
    assert len(desk.gateway.resolver) == 1
    desk.oanda.answers["order.resolve"] = {"client_order_id": answer.body["client_order_id"], "status": "PENDING", "order": None, "placement": None}
    while len(desk.gateway.resolver):
        await _turn()
    asked = [call for call in desk.oanda.calls if call.op == "order.resolve"]
    assert {call.args["client_order_id"] for call in asked} == {answer.body["client_order_id"]}
    assert {str(call.actor["user"]) for call in asked if call.actor} == {"trader@test"}


async def test_one_id_of_two_users_is_two_unknown_orders(desk: Desk) -> None:
    desk.oanda.answers["order.place"] = OutcomeUnknown("sent, and no answer came")
    desk.oanda.answers["order.resolve"] = Unavailable("not yet", code="ADAPTER_DOWN")
    for name in ("trader", "admin"):
        order = {**SEED_ORDER, "client_order_id": "same"}
        assert (await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(name), json=order)).status == 202
    assert len(desk.gateway.resolver) == 2
    desk.oanda.answers["order.resolve"] = {"client_order_id": "same", "status": "VOID", "order": None, "placement": None}
    while len(desk.gateway.resolver):
        await _turn()
    assert len({str(call.actor["user"]) for call in desk.oanda.calls if call.op == "order.resolve" and call.actor}) == 2


async def _turn() -> None:
    await asyncio.sleep(0.01)


async def test_more_than_the_burst_is_429_and_repeats_cost_nothing(tmp_path: Path) -> None:
    async with open_desk(tmp_path, auth=AuthSettings(orders_per_s_max=1, orders_burst_max=3)) as desk:
        token = await desk.token()
        for n in range(3):
            assert (await desk.place({**SEED_ORDER, "client_order_id": f"id-{n}"})).status == 201
        for _ in range(10):
            assert (await desk.place({**SEED_ORDER, "client_order_id": "id-0"})).status == 200
        refused = await desk.place({**SEED_ORDER, "client_order_id": "id-3"})
        assert (refused.status, refused.body["code"]) == (429, "RATE_LIMITED")
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.body["client_order_id"] == "id-3"
        other = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token("admin"), json=SEED_ORDER)
        assert other.status == 201, "one user's flood is not another's"
        assert token


async def test_a_change_names_only_what_changes_and_nothing_that_is_fixed(desk: Desk) -> None:
    token, path = await desk.token(), "/brokers/oanda/orders/paper-oanda-1"
    answer = await desk.call("PATCH", path, token=token, json={"stop_loss_price": "1.1610", "ttl_min": 60})
    assert answer.status == 200
    assert answer.body["order"]["order_id"] == "paper-oanda-1"
    assert desk.oanda.calls[-1].args == {"order_id": "paper-oanda-1", "stop_loss_price": 1.161, "ttl_min": 60}
    assert desk.oanda.calls[-1].ttl_ms == 3000
    for body, code in (
        ({"stop_loss_price": None}, "INVALID_FIELD"),
        ({"units": 5}, "FIELD_FIXED"),
        ({"side": "SELL"}, "FIELD_FIXED"),
        ({"stop": 1}, "UNKNOWN_FIELD"),
        ({}, "NOTHING_TO_CHANGE"),
        ({"stop_loss_price": True}, "INVALID_FIELD"),
    ):
        refused = await desk.call("PATCH", path, token=token, json=body)
        assert (refused.status, refused.body["code"]) == (400, code)
    desk.oanda.answers["order.modify"] = OutcomeUnknown("sent")
    unknown = await desk.call("PATCH", path, token=token, json={"ttl_min": 5})
    assert (unknown.status, unknown.body["status"], unknown.headers["Location"]) == (202, "UNKNOWN", path)


async def test_cancelling_one_and_all(desk: Desk) -> None:
    token = await desk.token()
    one = await desk.call("DELETE", "/brokers/oanda/orders/paper-oanda-1", token=token)
    assert (one.status, one.body["order"]["status"]) == (200, "CANCELLED")
    everything = await desk.call("DELETE", "/brokers/oanda/orders", token=token)
    assert everything.status == 207
    assert everything.body == {
        "ok": True, "results": [{"order_id": "paper-oanda-1", "ok": True, "status": "CANCELLED"}], "cancelled": 1, "failed": 0,
    }  # fmt: skip
    desk.oanda.answers["order.cancel_all"] = {"results": [{"order_id": "paper-oanda-1", "ok": False, "code": "X"}], "cancelled": 0, "failed": 1}
    failed = await desk.call("DELETE", "/brokers/oanda/orders?instrument=EUR_USD", token=token)
    assert (failed.status, failed.body["ok"]) == (207, False)
    assert desk.oanda.calls[-1].args == {"instrument": "EUR_USD"}
    desk.oanda.answers["order.cancel"] = NotAllowed("not yours", code="NOT_YOUR_ORDER")
    foreign = await desk.call("DELETE", "/brokers/oanda/orders/paper-oanda-2", token=token)
    assert (foreign.status, foreign.body["code"]) == (403, "NOT_YOUR_ORDER")
    desk.oanda.answers["order.cancel"] = NotFound("no such order")
    assert (await desk.call("DELETE", "/brokers/oanda/orders/paper-oanda-99", token=token)).status == 404


async def test_lists_pass_their_filters_on_and_refuse_others(desk: Desk) -> None:
    answer = await desk.call("GET", "/brokers/oanda/orders?status=PENDING,OPEN&instrument=EUR_USD&limit=7&after=12")
    assert answer.body == {"ok": True, "orders": [an_order("paper-oanda-1")], "next": None}
    assert desk.oanda.calls[-1].args == {"status": ["PENDING", "OPEN"], "instrument": "EUR_USD", "limit": 7, "after": "12"}
    for query in ("limit=0", "limit=201", "limit=x", "limit=1&limit=2", "colour=red", "instrument="):
        refused = await desk.call("GET", f"/brokers/oanda/orders?{query}")
        assert refused.status == 400, query
    empty = await desk.call("GET", "/brokers/oanda/orders?client_order_id=never-seen")
    assert empty.status == 200


async def test_a_page_over_all_brokers_goes_on_where_each_stopped(desk: Desk) -> None:
    desk.oanda.answers["order.list"] = {"orders": [an_order("paper-oanda-9")], "next": "9"}
    desk.adapters["coinbase"].answers["order.list"] = {"orders": [an_order("paper-coinbase-1", "coinbase")], "next": None}
    first = await desk.call("GET", "/orders?limit=1")
    assert [order["broker"] for order in first.body["orders"]] == ["oanda", "coinbase"]
    assert (first.body["next"], first.body["unavailable"]) == ("oanda:9", [])
    desk.adapters["coinbase"].calls.clear()
    await desk.call("GET", "/orders?limit=1&after=oanda:9")
    assert desk.oanda.calls[-1].args == {"limit": 1, "after": "9"}
    assert desk.adapters["coinbase"].calls == []
    assert (await desk.call("GET", "/orders?after=nowhere:1")).body["code"] == "CURSOR_INVALID"
    desk.oanda.down = True
    for path in ("/orders", "/trades"):
        away = await desk.call("GET", f"{path}?limit=1&after=oanda:9")
        assert (away.body["next"], away.body["unavailable"]) == ("oanda:9", ["oanda"]), "a broker that is away keeps its place"


async def test_an_unknown_broker_order_or_path_is_404(desk: Desk) -> None:
    token = await desk.token()
    for method, path, code in (
        ("POST", "/brokers/nowhere/orders", "BROKER_NOT_FOUND"),
        ("GET", "/brokers/nowhere/orders", "BROKER_NOT_FOUND"),
        ("GET", "/brokers/oanda/orders/..%2f..%2fetc", "ORDER_NOT_FOUND"),
        ("GET", "/brokers/oanda/nothing", "ROUTE_NOT_FOUND"),
    ):
        answer = await desk.call(method, path, token=token, **({"json": SEED_ORDER} if method == "POST" else {}))
        assert (answer.status, answer.body["code"]) == (404, code), path


async def test_a_position_closes_in_full_or_in_part(desk: Desk) -> None:
    token = await desk.token()
    whole = await desk.call("DELETE", "/brokers/oanda/positions/EUR_USD", token=token)
    assert (whole.status, whole.body["ok"]) == (200, True)
    assert desk.oanda.calls[-1].args == {"instrument": "EUR_USD"}
    await desk.call("DELETE", "/brokers/oanda/positions/EUR_USD?side=BUY&percent=50", token=token)
    assert desk.oanda.calls[-1].args == {"instrument": "EUR_USD", "side": "BUY", "percent": 50}
    repeated = await desk.call("DELETE", "/brokers/oanda/positions/EUR_USD?percent=50", token=token, headers={"Idempotency-Key": "half-1"})
    assert desk.oanda.calls[-1].args == {"instrument": "EUR_USD", "percent": 50, "client_close_id": "half-1"}
    assert "Idempotent-Replayed" not in repeated.headers
    odd = await desk.call("DELETE", "/brokers/oanda/positions/EUR_USD", token=token, headers={"Idempotency-Key": "no spaces"})
    assert (odd.status, odd.body["code"]) == (400, "CLIENT_ORDER_ID_INVALID")
    for query in ("units=1&percent=5", "unit=5", "side=LONG", "units=many"):
        refused = await desk.call("DELETE", f"/brokers/oanda/positions/EUR_USD?{query}", token=token)
        assert refused.status == 400, query


async def test_a_preview_places_nothing(desk: Desk) -> None:
    answer = await desk.call("POST", "/brokers/oanda/orders/preview", token=await desk.token(), json=SEED_ORDER)
    assert answer.status == 200
    assert answer.body["preview"]["loss_at_stop"] == 0.55
    assert [call.op for call in desk.oanda.calls] == ["order.preview"]


async def test_a_stopping_gateway_takes_no_orders(desk: Desk) -> None:
    desk.gateway.dispatcher.draining = True
    answer = await desk.place()
    assert (answer.status, answer.body["code"]) == (503, "SHUTTING_DOWN")
    assert desk.oanda.calls == []


async def test_what_was_refused_is_no_repeat_and_is_paid_for(tmp_path: Path) -> None:
    """Else one id would be a way to have any number of refusals journalled."""
    async with open_desk(tmp_path, auth=AuthSettings(orders_per_s_max=1, orders_burst_max=3)) as desk:
        desk.oanda.answers["order.place"] = OrderDenied("off tick", code="PRICE_OFF_TICK")
        statuses = [(await desk.place({**SEED_ORDER, "client_order_id": "id"})).status for _ in range(6)]
        assert statuses[:3] == [422] * 3
        assert 429 in statuses[3:]
