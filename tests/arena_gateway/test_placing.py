"""Placing over HTTP: what is sent on, what comes back, repeats, doubts, and every refusal on the way."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.arena_gateway.fakes import SEED_ORDER, AuthSettings, Desk, open_desk
from trading.errors import DeadlinePassed, NotAllowed, OrderDenied, OutcomeUnknown, StateConflict, Unavailable


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
    assert answer.body["message"].endswith("Location is where to look, and only the same request under the same id may be sent again")
    assert answer.headers["Location"] == f"/brokers/oanda/orders?client_order_id={answer.body['client_order_id']}"
    assert len(desk.gateway.resolver) == 1
    desk.oanda.answers["order.resolve"] = {"client_order_id": answer.body["client_order_id"], "status": "PENDING", "order": None, "placement": None}
    await _resolved(desk)
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
    await _resolved(desk)
    assert len({str(call.actor["user"]) for call in desk.oanda.calls if call.op == "order.resolve" and call.actor}) == 2


async def _resolved(desk: Desk) -> None:
    """The gateway has asked for everything that was unknown, and knows it."""
    async with asyncio.timeout(30):
        while len(desk.gateway.resolver):
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
