"""Healing through a gateway: what a tool without access to the sockets gets is the same, event for event."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from bus import Subscriber
from bus.envelope import Event
from bus.fetch import Fetch
from bus.fetchers import GatewayFetcher, OwnerFetcher, open_fetcher
from bus.proxy import Proxy
from runtime.http import Route, build_app, listening
from runtime.settings import Settings
from tests.bus.live import LiveOwner
from tests.bus.served import serving
from trading.errors import ArenaError, NotAllowed, Unavailable


def places(events: list[Event]) -> list[tuple[str, str | None, int | None, object]]:
    return [(event.source, event.epoch, event.seq, event.payload) for event in events]


async def take(events: AsyncGenerator[Event, None], count: int) -> list[Event]:
    async with asyncio.timeout(30):
        return [await anext(events) for _ in range(count)]


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARENA_HOME", raising=False)


async def test_what_was_lost_on_the_bus_is_healed_through_the_gateway(run_dir: Path, proxy: Proxy) -> None:
    async with LiveOwner("oanda", run_dir) as owner, serving(run_dir) as server:
        await owner.append(30)
        subscriber = Subscriber(f"tcp://127.0.0.1:{proxy.sub_port}", sources={"oanda"}, gateway=server.base)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = asyncio.ensure_future(anext(events))
            async with asyncio.timeout(30):
                while "oanda" not in subscriber.cursor:
                    await asyncio.sleep(0.005)
            await owner.append(2)
            first = [await waiting, *await take(events, 1)]
            owner.is_mute = True
            await owner.append(620)
            owner.is_mute = False
            await owner.append(3)
            # The first thirty may still have been on their way when it began to listen: from whichever came first on, all of them.
            rest = owner.last_seq - first[-1].seq
            got = first + await take(events, rest)
            assert rest >= 623
            assert places(got) == places(owner.events[-len(got) :])


async def test_a_cursor_is_resumed_through_the_gateway(run_dir: Path, proxy: Proxy) -> None:
    async with LiveOwner("oanda", run_dir) as owner, LiveOwner("coinbase", run_dir) as other, serving(run_dir) as server:
        await owner.append(9)
        await other.append(9)
        cursor = f"oanda@{owner.epoch}:4"
        subscriber = Subscriber(f"tcp://127.0.0.1:{proxy.sub_port}", sources={"oanda"}, gateway=server.base, cursor=cursor)
        async with aclosing(subscriber.__aiter__()) as events:
            assert places(await take(events, owner.last_seq - 4)) == places(owner.events[4:])


async def test_an_old_epoch_is_a_reset_through_the_gateway_too(run_dir: Path, proxy: Proxy) -> None:
    async with LiveOwner("oanda", run_dir) as owner, serving(run_dir) as server:
        subscriber = Subscriber(f"tcp://127.0.0.1:{proxy.sub_port}", sources={"oanda"}, gateway=server.base, cursor=f"oanda@{'e' * 16}:4")
        async with aclosing(subscriber.__aiter__()) as events:
            reset, first = await take(events, 2)
            assert reset.payload == {"old": f"{'e' * 16}:4", "new": f"{owner.epoch}:0", "reason": "epoch"}
            assert first.seq == 1


@pytest.mark.usefixtures("proxy")
async def test_a_page_of_the_gateway_says_where_the_owner_stands(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner, serving(run_dir) as server:
        await owner.append(9)
        for fetcher in (GatewayFetcher(server.base), OwnerFetcher(run_dir)):
            page = await fetcher.fetch(Fetch(source="oanda", epoch=owner.epoch, after=7, limit=2))
            assert (page.epoch, page.first_seq, page.last_seq, len(page.events)) == (owner.epoch, 1, owner.last_seq, 2)
            newest = await fetcher.fetch(Fetch(source="oanda", epoch=None, after=-1, limit=1))
            assert (newest.epoch, newest.last_seq, len(newest.events)) == (owner.epoch, owner.last_seq, 1)
            foreign = await fetcher.fetch(Fetch(source="oanda", epoch="e" * 16, after=3, limit=2))
            assert (foreign.epoch, len(foreign.events)) == (owner.epoch, 0)
            beyond = await fetcher.fetch(Fetch(source="oanda", epoch=owner.epoch, after=99, limit=2))
            assert (beyond.last_seq, len(beyond.events)) == (owner.last_seq, 0)
            with pytest.raises(Unavailable):
                await fetcher.fetch(Fetch(source="coinbase", epoch=None, after=-1, limit=1))
            await fetcher.close()


async def test_a_gateway_that_is_not_there_is_said_to_be_unavailable() -> None:
    fetcher = GatewayFetcher("http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        await fetcher.fetch(Fetch(source="oanda", epoch=None, after=-1, limit=1))
    await fetcher.close()


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"sources": {"oanda": {}}}', '{"sources": {"oanda": 5}, "unavailable": []}', "x" * 100, '{"sources":']
)
async def test_an_answer_that_makes_no_sense_is_no_page(run_dir: Path, body: str) -> None:
    async def nonsense(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    app = build_app(
        "gateway",
        Settings(home=run_dir.parent, conf=run_dir),
        [Route(method="GET", path="/events/history", handler=nonsense, summary="x", auth="public", free_query=True)],
    )
    async with listening(app, "127.0.0.1", 0) as listener:
        fetcher = GatewayFetcher(listener.url)
        with pytest.raises(ArenaError):
            await fetcher.fetch(Fetch(source="oanda", epoch=None, after=-1, limit=1))
        await fetcher.close()


async def test_the_token_goes_with_the_question_and_its_refusal_is_told(run_dir: Path) -> None:
    async def closed(request: web.Request) -> web.StreamResponse:
        return web.Response(status=401 if request.headers.get("Authorization") == "Bearer good" else 500)

    app = build_app(
        "gateway",
        Settings(home=run_dir.parent, conf=run_dir),
        [Route(method="GET", path="/events/history", handler=closed, summary="x", auth="public", free_query=True)],
    )
    async with listening(app, "127.0.0.1", 0) as listener:
        fetcher = GatewayFetcher(listener.url, "good")
        with pytest.raises(NotAllowed):
            await fetcher.fetch(Fetch(source="oanda", epoch=None, after=-1, limit=1))
        await fetcher.close()


async def test_the_owners_are_asked_where_their_sockets_may_be_opened_and_the_gateway_otherwise(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for home, expected in ((run_dir.parent, OwnerFetcher), (run_dir / "nowhere", GatewayFetcher), (None, GatewayFetcher)):
        fetcher, has_hashes = open_fetcher(home, "http://127.0.0.1:9", None)
        assert type(fetcher) is expected
        assert has_hashes == (expected is OwnerFetcher)
        await fetcher.close()
    monkeypatch.setenv("ARENA_HOME", str(run_dir.parent))
    fetcher, _ = open_fetcher(None, "http://127.0.0.1:9", None)
    assert type(fetcher) is OwnerFetcher
    await fetcher.close()
