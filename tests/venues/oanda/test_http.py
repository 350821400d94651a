"""The simulated venue over its sockets: doors, answers, faults and streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda.kit import Desk, bracket, desk, limit, market

# Generous: a busy machine is not a fault.
WAIT_S = 30.0


class Client:
    """A client of the venue that says what it gets."""

    def __init__(self, made: Desk, session: aiohttp.ClientSession) -> None:
        self.desk = made
        self._session = session
        self._root = f"/v3/accounts/{made.venue.account_id}"

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        async with self._session.request(method, self._root + path, json=body, **more) as answer:
            return answer.status, await answer.json(content_type=None)

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator["Lines"]:
        async with self._session.get(self._root + path) as answer:
            assert answer.status == 200
            yield Lines(answer)


class Lines:
    """The lines of a stream as JSON."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> Any:
        return json.loads(await asyncio.wait_for(self.answer.content.readline(), WAIT_S))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = desk()
    async with made.venue:
        headers = {"Authorization": f"Bearer {made.venue.token}"}
        async with aiohttp.ClientSession(made.venue.base_url, headers=headers) as session:
            yield Client(made, session)


async def test_a_wrong_token_or_account_gets_nothing(client: Client) -> None:
    status, body = await client.ask("GET", "/summary", headers={"Authorization": "Bearer other"})
    assert (status, list(body)) == (401, ["errorMessage"])
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {client.desk.venue.token}"}
        async with session.get(f"{client.desk.venue.base_url}/v3/accounts/101-001-7-001/summary", headers=headers) as answer:
            assert answer.status == 404


async def test_times_come_as_they_were_asked_for(client: Client) -> None:
    _, body = await client.ask("GET", "/summary")
    assert body["account"]["createdTime"] == "2026-09-22T14:00:00.000000000Z"
    _, body = await client.ask("GET", "/summary", headers={"Accept-Datetime-Format": "UNIX"})
    assert body["account"]["createdTime"] == "1790085600.000000000"


async def test_every_call_that_reads_answers_with_the_last_id(client: Client) -> None:
    await client.ask("POST", "/orders", {"order": market("1000", **bracket("1.12000", "1.09000"))})
    for path in (
        *("", "/summary", "/instruments", "/orders", "/pendingOrders", "/orders/6", "/trades", "/openTrades", "/trades/5", "/positions"),
        *("/openPositions", "/positions/EUR_USD", "/transactions", "/transactions/sinceid?id=3", "/transactions/idrange?from=1&to=4"),
        *("/transactions/5", "/changes?sinceTransactionID=3"),
    ):
        status, body = await client.ask("GET", path)
        assert (path, status, body.get("lastTransactionID")) == (path, 200, "7")


async def test_changes_tell_what_became_of_orders_and_trades(client: Client) -> None:
    await client.ask("POST", "/orders", {"order": market("1000", **bracket("1.12000", "1.09000"))})
    await client.ask("PUT", "/trades/5/close", {})
    _, body = await client.ask("GET", "/changes?sinceTransactionID=7")
    told = body["changes"]
    assert [each["id"] for each in told["ordersCancelled"]] == ["6", "7"]
    assert [each["id"] for each in told["tradesClosed"]] == ["5"]
    assert [each["id"] for each in told["transactions"]] == ["8", "9", "10", "11"]
    assert (await client.ask("GET", "/changes?sinceTransactionID=99"))[0] == 416


@pytest.mark.parametrize("kind", [Kind.DROP_AFTER, Kind.ERROR_AFTER, Kind.BROKEN_JSON])
async def test_the_order_stands_although_its_answer_never_came(client: Client, kind: Kind) -> None:
    client.desk.faults.add(Fault(kind=kind, method="POST", path="/orders$"))
    with pytest.raises((aiohttp.ClientError, json.JSONDecodeError)):
        await client.ask("POST", "/orders", {"order": market("1000")})
    assert client.desk.types(3) == ["MARKET_ORDER", "ORDER_FILL MARKET_ORDER"]


@pytest.mark.parametrize(("kind", "status"), [(Kind.RATE_LIMIT, 429), (Kind.ERROR_BEFORE, 503)])
async def test_the_order_was_never_there_when_it_failed_before(client: Client, kind: Kind, status: int) -> None:
    client.desk.faults.add(Fault(kind=kind, method="POST"))
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{client.desk.venue.base_url}/v3/accounts/{client.desk.venue.account_id}/orders",
            json={"order": market("1000")},
            headers={"Authorization": f"Bearer {client.desk.venue.token}"},
        ) as answer,
    ):
        assert answer.status == status
    assert client.desk.types(3) == []
    assert client.desk.venue.hits.orders() == 1


async def test_a_slow_answer_waits_on_the_venues_clock(client: Client) -> None:
    client.desk.faults.add(Fault(kind=Kind.SLOW_AFTER, method="POST", seconds=30))
    asking = asyncio.create_task(client.ask("POST", "/orders", {"order": limit("1", "1.00000")}))
    async with asyncio.timeout(WAIT_S):
        while not client.desk.types(3):
            await asyncio.sleep(0.001)
    assert not asking.done()
    await client.desk.clock.advance(31)
    assert (await asyncio.wait_for(asking, WAIT_S))[0] == 201


async def test_the_transaction_stream_tells_everything_in_order_with_heartbeats_between(client: Client) -> None:
    async with client.stream("/transactions/stream") as lines:
        await client.ask("POST", "/orders", {"order": market("1000", **bracket("1.12000", "1.09000"))})
        assert [(await lines.next())["id"] for _ in range(4)] == ["4", "5", "6", "7"]
        await client.desk.clock.advance(5)
        beat = await lines.next()
        assert (beat["type"], beat["lastTransactionID"]) == ("HEARTBEAT", "7")


async def test_a_stream_can_be_mute_twisted_doubled_and_cut(client: Client) -> None:
    async with client.stream("/transactions/stream") as lines:
        client.desk.strike(kind=Kind.STREAM_MUTE, times=None)
        client.desk.place(**limit("1", "1.00000"))
        await client.desk.clock.advance(0)
        client.desk.faults.clear()
        client.desk.strike(kind=Kind.STREAM_TWICE)
        client.desk.place(**limit("1", "1.00000"))
        assert [(await lines.next())["id"] for _ in range(2)] == ["5", "5"]
        client.desk.strike(kind=Kind.STREAM_SWAP)
        client.desk.place(**limit("1", "1.00000"))
        client.desk.place(**limit("1", "1.00000"))
        assert [(await lines.next())["id"] for _ in range(2)] == ["7", "6"]
        client.desk.strike(kind=Kind.STREAM_GAP)
        client.desk.place(**limit("1", "1.00000"))
        client.desk.place(**limit("1", "1.00000"))
        assert (await lines.next())["id"] == "9"
        client.desk.strike(kind=Kind.STREAM_CUT)
        with pytest.raises((aiohttp.ClientError, json.JSONDecodeError)):
            await lines.next()


async def test_prices_are_conflated_to_one_in_a_quarter_of_a_second(client: Client) -> None:
    async with client.stream("/pricing/stream?instruments=EUR_USD") as lines:
        assert (await lines.next())["bids"][0] == {"price": "1.10000", "liquidity": 100_000_000}
        client.desk.quote("1.10100", "1.10110")
        client.desk.quote("1.10200", "1.10210")
        await client.desk.clock.advance(0.25)
        assert (await lines.next())["closeoutBid"] == "1.10200"
        await client.desk.clock.advance(1)
        client.desk.strike(kind=Kind.WEEKEND)
        price = await lines.next()
        assert (price["tradeable"], price["status"]) == (False, "non-tradeable")


async def test_the_control_routes_steer_and_count(client: Client) -> None:
    async with aiohttp.ClientSession(client.desk.venue.base_url) as session:
        async with session.post("/_sim/quote", json={"instrument": "EUR_USD", "bid": "1.20000", "ask": "1.20010"}) as answer:
            assert answer.status == 200
        async with session.post("/_sim/faults", json={"faults": [{"kind": "flood"}]}) as answer:
            assert answer.status == 400
        async with session.post("/_sim/state", json={"financing": "-1.25"}) as answer:
            assert (await answer.json())["account"]["balance"] == "99998.7500"
        await client.ask("POST", "/orders", {"order": market("1")})
        async with session.get("/_sim/count") as answer:
            assert await answer.json() == {"hits": {"POST /v3/accounts/{account}/orders": 1}, "orders": 1}


async def test_candles_and_prices_show_what_was_quoted(client: Client) -> None:
    client.desk.quote("1.10200", "1.10210")
    _, body = await client.ask("GET", "/pricing?instruments=EUR_USD,USD_JPY&includeHomeConversions=true")
    assert [each["closeoutAsk"] for each in body["prices"]] == ["1.10210", "157.012"]
    assert {each["currency"] for each in body["homeConversions"]} == {"EUR", "USD", "JPY"}
    _, body = await client.ask("GET", "/instruments/EUR_USD/candles?granularity=M1&price=BA")
    assert body["candles"][0]["bid"] == {"o": "1.08500", "h": "1.10200", "l": "1.08500", "c": "1.10200"}
