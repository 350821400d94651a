"""The dashboard as a program on the real bus, with Rick beside it: what a browser gets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bus.doors import Doors
from bus.proxy import Proxy
from dashboard.app import main
from dashboard.narrator.__main__ import main as narrator_main
from runtime.settings import BusSettings, DashboardSettings, GatewaySettings, MarketDataSettings, Settings, StoreSettings
from tests.dashboard.conftest import said
from tests.dashboard.stories import ORDER, placed
from tests.dashboard.test_service import life, owner
from tests.ports import free_ports

HOSTILE = "</script><svg onload=alert(1)>\u2028\r\n\r\nevent: evil"


@pytest.fixture
def settings(home: Path) -> Settings:
    (home / "data").mkdir(mode=0o700)
    return Settings(
        home=home,
        conf=home,
        bus=BusSettings(sub_port=0),
        store=StoreSettings(free_mb_min=1),
        dashboard=DashboardSettings(port=free_ports(1)[0]),
        gateway=GatewaySettings(port=free_ports(1)[0]),
        market_data=MarketDataSettings(port=free_ports(1)[0]),
    )


@contextlib.asynccontextmanager
async def programs(settings: Settings) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The narrator and the dashboard until the block ends; yields the dashboard's address and what stops it."""
    narrator_stop, stop = asyncio.Event(), asyncio.Event()
    url = f"http://127.0.0.1:{settings.dashboard.port}"
    running = [asyncio.create_task(narrator_main(settings, narrator_stop)), asyncio.create_task(main(settings, stop))]
    try:
        async with aiohttp.ClientSession() as browser, asyncio.timeout(30):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectorError):
                    async with browser.get(f"{url}/health") as answer:
                        assert (await answer.json())["ok"] is True
                        break
                await asyncio.sleep(0.02)
        yield url, stop
    finally:
        narrator_stop.set()
        stop.set()
        async with asyncio.timeout(30):
            await asyncio.gather(*running)


async def frames(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """The SSE frames of an answer, by field."""
    frame: dict[str, str] = {}
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            assert name not in frame, "a frame says a field twice"
            frame[name] = value
        elif frame:
            yield frame
            frame = {}


async def test_a_browser_sees_the_orders_and_what_rick_says_of_them(settings: Settings) -> None:
    """In the stream, in the narration call, in the status; and a stop ends the open stream at once."""
    async with Proxy(settings.run_dir, Doors()), owner(settings, "oanda") as oanda, owner(settings, "coinbase"):
        await oanda(life(1))
        async with programs(settings) as (url, stop), aiohttp.ClientSession() as browser, browser.get(f"{url}/arena/events") as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            assert stream.headers["X-Accel-Buffering"] == "no"
            await oanda([placed(order_id="paper-oanda-2", instrument=HOSTILE)])
            seen: dict[tuple[str, int], dict[str, object]] = {}
            build = ""
            async with asyncio.timeout(30):
                async for frame in frames(stream):
                    if frame.get("event") == "ready":
                        build = json.loads(frame["data"])["build"]
                    if "event" not in frame and "id" in frame:
                        event = json.loads(frame["data"])
                        assert (event["source"], event["seq"]) not in seen
                        seen[event["source"], event["seq"]] = event
                    if ("rick", 8) in seen and ("oanda", 6) in seen and build:
                        break
            narrated = [about for event in seen.values() if isinstance(about := event["payload"].get("about"), dict)]  # type: ignore[attr-defined]
            assert sorted((about["source"], about["seq"]) for about in narrated) == [("coinbase", 1), *(("oanda", seq) for seq in range(1, 7))]
            assert seen["oanda", 6]["payload"]["instrument"] == HOSTILE  # type: ignore[index]

            async with browser.post(f"{url}/api/narration") as answer:
                comments = await answer.json()
            assert comments["text"] == comments["narration"][-1]["text"]
            assert len(comments["narration"]) == 7
            assert comments["stale"] is False
            async with browser.get(f"{url}/api/session") as answer:
                session = await answer.json()
            assert session["build"] == build
            status = await heard(browser, url, last_seq=8)
            assert status["narrator"]["lag"] == 0
            assert status["oanda"]["lag"] == 0
            async with browser.get(f"{url}/api/arena/orders") as answer:
                assert (answer.status, said(await answer.json())) == (503, "GATEWAY_DOWN")
            async with browser.get(f"{url}/api/market/quotes") as answer:
                assert (answer.status, said(await answer.json())) == (503, "MARKET_DATA_DOWN")
            async with browser.get(f"{url}/api/export/narration.csv?sources=rick") as answer:
                assert (await answer.text()).count("\r\n") == 9
            stop.set()
            async with asyncio.timeout(30):
                await stream.read()


async def heard(browser: aiohttp.ClientSession, url: str, *, last_seq: int) -> dict[str, dict[str, object]]:
    """The programs of the status, once all three that run have been heard and the narrator has told of ``last_seq``."""
    async with asyncio.timeout(30):
        while True:
            async with browser.get(f"{url}/api/status") as answer:
                programs = {program["name"]: program for program in (await answer.json())["programs"]}
            beats = [programs[name]["heartbeat"] for name in ("narrator", "oanda", "dashboard")]
            if all(beats) and beats[0]["last_seq"] == last_seq:
                return programs
            await asyncio.sleep(0.05)


async def test_a_page_of_another_site_opens_no_stream_and_an_unknown_wish_is_refused(settings: Settings) -> None:
    async with Proxy(settings.run_dir, Doors()), programs(settings) as (url, _), aiohttp.ClientSession() as browser:
        async with browser.get(f"{url}/arena/events", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert (answer.status, said(await answer.json())) == (403, "CROSS_SITE")
        async with browser.get(f"{url}/arena/events?colour=red") as answer:
            assert (answer.status, said(await answer.json())) == (400, "UNKNOWN_PARAMETER")
        async with browser.get(f"{url}/arena/events", headers={"Host": "rebound.example"}) as answer:
            assert answer.status == 421


async def test_the_dashboard_starts_before_anything_else_does(settings: Settings) -> None:
    """No bus, no owner, no narrator's events, no gateway: the page is there and says what is missing."""
    async with programs(settings) as (url, _), aiohttp.ClientSession() as browser:
        async with browser.get(f"{url}/") as page:
            assert "RICK Trading Dashboard" in await page.text()
        async with browser.get(f"{url}/api/status") as answer:
            assert (await answer.json())["supervisor"] == "absent"
        async with browser.get(f"{url}/api/session") as answer:
            assert (await answer.json())["modes"] == {}
        assert ORDER["mode"] == "paper"
