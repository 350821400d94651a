"""The gate and the lists: tokens, permissions, faults of HTTP, filters, cursors."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession, ServerDisconnectedError

from runtime.clock import NS_PER_S
from tests.venues.coinbase.auth import ApiKey, Gatekeeper, Unauthorized, make_key
from tests.venues.coinbase.kit import Client, sign
from tests.venues.coinbase.rest import PREFIX
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.common.clock import OPEN_MARKET_NS, DrivenClock
from tests.venues.common.faults import Fault, Kind

LIMIT = {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "59000.00"}}
URI = "GET 127.0.0.1:1/api/v3/brokerage/accounts"


@pytest.fixture(scope="module", params=["ES256", "EdDSA"])
def key(request: pytest.FixtureRequest) -> ApiKey:
    return make_key("organizations/o/apiKeys/k", algorithm=request.param)


def test_a_token_of_the_fact_sheet_is_let_in_with_either_kind_of_key(key: ApiKey) -> None:
    gate = Gatekeeper([key])
    assert gate.check(sign(key, now_ns=OPEN_MARKET_NS, uri=URI), now_ns=OPEN_MARKET_NS, uri=URI) == key.name
    gate.check(sign(key, now_ns=OPEN_MARKET_NS, uri=None), now_ns=OPEN_MARKET_NS, uri=None)


NOW_S = OPEN_MARKET_NS // NS_PER_S
WRONG: list[tuple[str, Callable[[ApiKey], str]]] = [
    ("made out to", lambda key: sign(key, now_ns=OPEN_MARKET_NS, uri=URI + "?limit=1")),
    ("made out to", lambda key: sign(key, now_ns=OPEN_MARKET_NS, uri=URI.replace("GET", "POST"))),
    ("made out to", lambda key: sign(key, now_ns=OPEN_MARKET_NS, uri=None)),
    ("valid from", lambda key: sign(key, now_ns=OPEN_MARKET_NS - 121 * NS_PER_S, uri=URI)),
    ("valid from", lambda key: sign(key, now_ns=OPEN_MARKET_NS + 90 * NS_PER_S, uri=URI)),
    ("two minutes", lambda key: sign(key, now_ns=OPEN_MARKET_NS, uri=URI, exp=NOW_S + 3600)),
    ("whole seconds", lambda key: sign(key, now_ns=OPEN_MARKET_NS, uri=URI, exp=None)),
    ("iss", lambda key: sign(key, now_ns=OPEN_MARKET_NS, uri=URI, iss="me")),
    ("iss", lambda key: sign(key, now_ns=OPEN_MARKET_NS, uri=URI, sub="another")),
    ("signature", lambda key: sign(make_key(key.name, algorithm=key.algorithm), now_ns=OPEN_MARKET_NS, uri=URI)),
    ("no key", lambda key: sign(make_key("another", algorithm=key.algorithm), now_ns=OPEN_MARKET_NS, uri=URI)),
    ("no token", lambda _key: "eyJ.x.y"),
]


@pytest.mark.parametrize(("reason", "make"), WRONG)
def test_a_token_that_is_wrong_in_one_thing_is_turned_away(key: ApiKey, reason: str, make: Callable[[ApiKey], str]) -> None:
    with pytest.raises(Unauthorized, match=reason):
        Gatekeeper([key]).check(make(key), now_ns=OPEN_MARKET_NS, uri=URI)


def test_a_nonce_is_good_once(key: ApiKey) -> None:
    gate = Gatekeeper([key])
    gate.check(sign(key, now_ns=OPEN_MARKET_NS, uri=URI, nonce="n"), now_ns=OPEN_MARKET_NS, uri=URI)
    with pytest.raises(Unauthorized, match="used before"):
        gate.check(sign(key, now_ns=OPEN_MARKET_NS, uri=URI, nonce="n"), now_ns=OPEN_MARKET_NS, uri=URI)


async def test_without_a_token_only_what_is_public_answers(venue: CoinbaseVenue) -> None:
    async with ClientSession() as session:
        statuses = {}
        for path in ("/time", "/market/products/BTC-USD", "/products/BTC-USD", "/orders/historical/batch"):
            async with session.get(f"{venue.base_url}{PREFIX}{path}", json={}) as answer:
                statuses[path] = answer.status
    assert statuses == {"/time": 200, "/market/products/BTC-USD": 200, "/products/BTC-USD": 401, "/orders/historical/batch": 401}


async def test_a_key_that_may_not_trade_is_refused_with_403(venue: CoinbaseVenue, client: Client) -> None:
    venue.set_state({"options": {"can_trade": False}})
    status, answer = await client.ask("POST", "/orders", {})
    assert (status, answer["error_details"]) == (403, "Missing required scopes")
    assert (await client.get("/key_permissions"))["can_trade"] is False


async def test_the_pace_is_limited_where_the_venue_is_told_to(venue: CoinbaseVenue, client: Client, clock: DrivenClock) -> None:
    venue.set_state({"options": {"requests_per_s": 2}})
    assert [(await client.ask("GET", "/accounts"))[0] for _ in range(3)] == [200, 200, 429]
    await clock.advance(1)
    assert (await client.ask("GET", "/accounts"))[0] == 200


async def test_an_order_that_was_accepted_is_there_whatever_happened_to_the_answer(venue: CoinbaseVenue, client: Client) -> None:
    venue.faults.add(
        Fault(kind=Kind.DROP_AFTER, method="POST", path="/orders$"),
        Fault(kind=Kind.ERROR_AFTER, method="POST", path="/orders$", status=502),
        Fault(kind=Kind.BROKEN_JSON, method="POST", path="/orders$"),
        Fault(kind=Kind.MISSING_FIELDS, method="POST", path="/orders$", fields=("success_response.order_id",)),
        Fault(kind=Kind.ERROR_BEFORE, method="POST", path="/orders$"),
        Fault(kind=Kind.RATE_LIMIT, method="POST", path="/orders$"),
    )
    body = {"product_id": "BTC-USD", "side": "BUY", "order_configuration": LIMIT}
    with pytest.raises(ServerDisconnectedError):
        await client.ask("POST", "/orders", body | {"client_order_id": "dropped"})
    assert (await client.ask("POST", "/orders", body | {"client_order_id": "html"}))[0] == 502
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        await client.ask("POST", "/orders", body | {"client_order_id": "broken"})
    assert "order_id" not in (await client.ask("POST", "/orders", body | {"client_order_id": "missing"}))[1]["success_response"]
    assert (await client.ask("POST", "/orders", body | {"client_order_id": "before"}))[0] == 503
    assert (await client.ask("POST", "/orders", body | {"client_order_id": "slowly"}))[0] == 429
    listed = (await client.get("/orders/historical/batch"))["orders"]
    assert [order["client_order_id"] for order in listed] == ["missing", "broken", "html", "dropped"]
    assert venue.hits.counts["POST /api/v3/brokerage/orders"] == 6


async def test_an_order_that_is_late_is_placed_though_its_client_has_given_up(venue: CoinbaseVenue, client: Client, clock: DrivenClock) -> None:
    venue.faults.add(Fault(kind=Kind.SLOW_BEFORE, method="POST", path="/orders$"))
    async with asyncio.timeout(30):
        waiting = asyncio.create_task(client.create("late", "BUY", LIMIT))
        while not venue.faults.struck:
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert not venue.account.orders
        while not venue.account.orders:
            await clock.advance(30)
    assert [order.client_order_id for order in venue.account.orders.values()] == ["late"]


async def test_pages_of_orders_and_fills_hold_each_row_once(venue: CoinbaseVenue, client: Client) -> None:
    for number in range(5):
        await client.create(f"o{number}", "BUY", {"market_market_ioc": {"base_size": "0.001"}})
    venue.set_state({"options": {"page_max": 2}})

    async def all_rows(path: str, name: str) -> list[Any]:
        rows, cursor = [], ""
        while True:
            answer = await client.get(path, limit="100", cursor=cursor)
            rows += answer[name]
            cursor = answer["cursor"]
            if not cursor:
                return rows

    orders = await all_rows("/orders/historical/batch", "orders")
    assert [order["client_order_id"] for order in orders] == ["o4", "o3", "o2", "o1", "o0"]
    assert len({fill["entry_id"] for fill in await all_rows("/orders/historical/fills", "fills")}) == 5


async def test_open_is_asked_for_alone_and_looks_at_no_date(client: Client, clock: DrivenClock) -> None:
    await client.create("o", "BUY", LIMIT)
    await clock.advance(60)
    status, answer = await client.ask("GET", "/orders/historical/batch", order_status="OPEN", start_date="2026-09-22T14:00:30Z")
    assert (status, len(answer["orders"])) == (200, 1)
    assert (await client.get("/orders/historical/batch", start_date="2026-09-22T14:00:30Z"))["orders"] == []
    url = "/orders/historical/batch"
    status, answer = await client.ask("GET", url, order_status="OPEN", cursor="?")
    assert status == 400


async def test_fills_are_listed_late_where_the_venue_is_slow(venue: CoinbaseVenue, client: Client, clock: DrivenClock) -> None:
    venue.set_state({"options": {"fills_lag_s": 1}})
    await client.create("o", "BUY", {"market_market_ioc": {"base_size": "0.001"}})
    assert (await client.get("/orders/historical/fills"))["fills"] == []
    await clock.advance(1)
    assert len((await client.get("/orders/historical/fills"))["fills"]) == 1


async def test_candles_and_trades_come_from_the_quotes(venue: CoinbaseVenue, client: Client, clock: DrivenClock) -> None:
    venue.quote("BTC-USD", "61000", "61010")
    await clock.advance(60)
    venue.quote("BTC-USD", "59000", "59010")
    start = OPEN_MARKET_NS // NS_PER_S
    answer = await client.get("/products/BTC-USD/candles", start=str(start), end=str(start + 3600), granularity="ONE_MINUTE")
    assert [(each["start"], each["close"]) for each in answer["candles"]] == [(str(start + 60), "59005"), (str(start), "61005")]
    assert (await client.get("/products/BTC-USD/ticker", limit="1"))["trades"][0]["price"] == "59005"


async def test_the_control_routes_steer_it(venue: CoinbaseVenue) -> None:
    async with ClientSession() as session:
        quote = {"instrument": "BTC-USD", "bid": "1000", "ask": "1001", "bid_size": "0.5"}
        assert (await session.post(f"{venue.base_url}/_sim/quote", json=quote)).status == 200
        state = {"balances": {"BTC": "2"}, "options": {"taker_fee_rate": "0.01"}}
        answer = await (await session.post(f"{venue.base_url}/_sim/state", json=state)).json()
        assert (answer["balances"]["BTC"]["total"], answer["options"]["taker_fee_rate"]) == ("2", "0.01")
        assert (await session.post(f"{venue.base_url}/_sim/state", json={"options": {"colour": "red"}})).status == 400
        assert (await (await session.get(f"{venue.base_url}/_sim/count")).json())["orders"] == 0
