"""Orders that are there: changed, cancelled, listed, their positions closed."""

import pytest

from tests.arena_gateway.fakes import SEED_ORDER, Desk, an_order
from trading.errors import NotAllowed, NotFound, OutcomeUnknown


async def test_a_change_names_only_what_changes_and_nothing_that_is_fixed(desk: Desk) -> None:
    token, path = await desk.token(), "/brokers/oanda/orders/paper-oanda-1"
    answer = await desk.call("PATCH", path, token=token, json={"stop_loss_price": "1.1610", "ttl_min": 60})
    assert answer.status == 200
    assert answer.body["order"]["order_id"] == "paper-oanda-1"
    assert desk.oanda.calls[-1].args == {"order_id": "paper-oanda-1", "stop_loss_price": 1.161, "ttl_min": 60}
    assert desk.oanda.calls[-1].ttl_ms == 3000
    for body, code in (
        ({"stop_loss_price": None}, "NULL_NOT_ALLOWED"),
        ({"stop_loss_price": 1.161, "trailing_stop_distance": None}, "NULL_NOT_ALLOWED"),
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


@pytest.mark.parametrize("name", ["orders", "trades", "fills", "equity"])
async def test_a_position_that_next_never_was_is_refused_by_the_same_name_everywhere(desk: Desk, name: str) -> None:
    for after in ("x", "-1", "57%0A", "²", "9" * 19, "oanda:57"):
        refused = await desk.call("GET", f"/brokers/oanda/{name}?after={after}")
        assert (refused.status, refused.body["code"]) == (400, "CURSOR_INVALID"), after
    assert desk.oanda.calls == []


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
    for after in ("nowhere:1", "oanda:x", "oanda:²", "oanda:" + "9" * 19, "oanda:1%0A", "oanda:1,oanda:2"):
        assert (await desk.call("GET", f"/orders?after={after}")).body["code"] == "CURSOR_INVALID", after
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
