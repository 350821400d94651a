"""``/stream``: what stands first, then what is new, at each reader's own speed, and an end for everybody."""

import contextlib
from decimal import Decimal
from pathlib import Path

import aiohttp

from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.market_data.conftest import S, quote
from tests.market_data.served import Reader, Server, serving
from trading.instruments import Instruments


async def test_a_stream_begins_with_what_stands_and_goes_on_with_what_is_new(server: Server):
    server.receive(quote(0), quote(0, instrument="GBP_USD"))
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream?instruments=EUR_USD") as answer:
        assert answer.content_type == "text/event-stream"
        reader = Reader(answer)
        assert await reader.next() == ("ready", {"instruments": ["EUR_USD"]})
        name, data = await reader.next()
        assert (name, data["instrument"], data["bid"]) == ("quote", "EUR_USD", Decimal("1.16694"))
        server.receive(quote(1, "1.2", "1.3", instrument="GBP_USD"))
        server.receive(quote(1, "1.16700", "1.16712"))
        while (name := (got := await reader.next())[0]) == ":":
            pass
        assert (name, got[1]["instrument"], got[1]["bid"]) == ("quote", "EUR_USD", Decimal("1.167"))


async def test_quotes_that_come_together_are_conflated_to_the_latest(server: Server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream?instruments=EUR_USD") as answer:
        reader = Reader(answer)
        assert (await reader.next())[0] == "ready"
        server.receive(*(quote(at, f"1.{at + 100}", "1.9") for at in range(100)))
        while (got := await reader.next())[0] == ":":
            pass
        assert got[1]["bid"] == Decimal("1.199")


async def test_a_quiet_stream_says_that_it_lives(server: Server):
    """A comment each 15 s of the server's clock."""
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream") as answer:
        reader = Reader(answer)
        assert (await reader.next())[0] == "ready"
        before_ns = server.clock.boot_ns()
        assert (await reader.next())[0] == ":"
        assert server.clock.boot_ns() - before_ns >= 14 * S


async def test_a_stream_ends_within_a_minute_of_its_tokens_end(guarded: Server):
    headers = {"Authorization": "Bearer good"}
    async with aiohttp.ClientSession() as session, session.get(guarded.url + "/stream", headers=headers) as answer:
        await Reader(answer).next()
        guarded.tokens.forgotten = True
        forgotten_ns = guarded.clock.boot_ns()
        await answer.read()
        assert guarded.clock.boot_ns() - forgotten_ns < 60 * S


async def test_a_page_of_another_site_may_not_open_a_stream(server: Server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == 403


async def test_beyond_the_slots_a_client_is_told_to_come_back_later(guarded: Server):
    """A user holds at most 20 streams; EventSource would never come back after a 503, so it is an event."""
    headers = {"Authorization": "Bearer good"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        answers = [await session.get(guarded.url + "/stream", headers=headers) for _ in range(20)]
        for answer in answers:
            assert (await Reader(answer).next())[0] == "ready"
        async with session.get(guarded.url + "/stream", headers=headers) as one_too_many:
            assert one_too_many.status == 200
            assert (await one_too_many.text()).startswith("event: busy\n")
        for answer in answers:
            answer.close()


async def test_shutting_down_ends_every_stream_at_once(instruments: Instruments, clock: ManualClock, tmp_path: Path):
    async with contextlib.AsyncExitStack() as stack, aiohttp.ClientSession() as session:
        server = await stack.enter_async_context(serving(Settings(home=tmp_path, conf=tmp_path), instruments, clock, tmp_path))
        answer = await session.get(server.url + "/stream")
        await Reader(answer).next()
        assert server.parts.stream.clients == 1
        await stack.aclose()
        assert server.parts.stream.clients == 0
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            assert b"event: quote" not in await answer.read()


async def test_a_client_that_leaves_gives_its_slot_back(server: Server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream") as answer:
        await Reader(answer).next()
    while server.parts.stream.clients:
        await server.get("/health")
    assert server.parts.stream.clients == 0
