"""docs/custom-tooling.md: every example is a program that runs and does what the page says."""

import asyncio
import re
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bus.envelope import encode_event
from bus.proxy import Proxy
from bus.topics import quote_topic
from tests.bus.live import LiveOwner
from tests.bus.served import serving

PAGE = Path(__file__).parents[2] / "docs" / "custom-tooling.md"
SECTIONS = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
EXAMPLES = {title: found[1] for title, text in SECTIONS if (found := re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))}
FILL = {"order_id": "paper-oanda-1", "instrument": "EUR_USD", "leg": "entry", "price": 1.1655, "realized_pnl": 0}


class Running:
    """An example as a process; ``lines`` are what it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        text = (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode()
        assert text, "the example ended"
        return text.rstrip("\n")

    async def line_while(self, do: Callable[[], object]) -> str:
        """Its first line, doing ``do`` again and again until it comes: nothing else tells when a subscription has arrived."""
        waiting = asyncio.ensure_future(self.line())
        while not waiting.done():
            done = do()
            if asyncio.iscoroutine(done):
                await done
            await asyncio.wait([waiting], timeout=0.02)
        return waiting.result()


@asynccontextmanager
async def run(title: str, run_dir: Path, proxy: Proxy, where: Path, gateway: str = "http://127.0.0.1:9") -> AsyncIterator[Running]:
    """The example under the heading ``title``, pointed at this test's arena."""
    code = EXAMPLES[title].replace("Subscriber(", f"Subscriber(address='tcp://127.0.0.1:{proxy.sub_port}', home={str(run_dir.parent)!r}, ")
    code = code.replace("tcp://127.0.0.1:5571", f"tcp://127.0.0.1:{proxy.sub_port}").replace("http://127.0.0.1:8787", gateway)
    process = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", code, cwd=where, stdout=asyncio.subprocess.PIPE)
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def test_every_example_of_the_page_has_a_test() -> None:
    tested = set(re.findall(r'run\(\s*"([^"]+)"', Path(__file__).read_text()))
    assert tested == set(EXAMPLES)


async def test_fills(run_dir: Path, proxy: Proxy, tmp_path: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        async with run("Follow every fill in ten lines", run_dir, proxy, tmp_path) as example:
            line = await example.line_while(lambda: owner.append(1, **FILL))
            assert line.endswith("EUR_USD entry 1.1655 0")
        finished = owner.last_seq
        await owner.append(3, **FILL)
        async with run("Follow every fill in ten lines", run_dir, proxy, tmp_path) as example:
            while (line := await example.line()).split()[0] != owner.events[-1].ts:
                assert line.endswith("EUR_USD entry 1.1655 0")
        assert owner.last_seq == finished + 3


async def test_asyncio(run_dir: Path, proxy: Proxy, tmp_path: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner, run("The same with asyncio", run_dir, proxy, tmp_path) as example:
        line = await example.line_while(lambda: owner.append(1, **FILL))
        assert re.fullmatch(r"oanda \d+ order_filled", line)


async def test_exactly_once_survives_a_kill(run_dir: Path, proxy: Proxy, tmp_path: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        for number in range(40):
            await owner.append(1, "bracket_closed", order_id=f"paper-oanda-{number}", realized_pnl=1.5)
        booked = 0
        while booked < 40:
            async with run("Exactly once: the cursor beside the effect", run_dir, proxy, tmp_path) as example:
                for _ in range(min(15, 40 - booked)):
                    await example.line()
                example.process.kill()
            database = sqlite3.connect(tmp_path / "results.db")
            (booked,) = database.execute("SELECT count(*) FROM results").fetchone()
            database.close()
        assert booked == 40  # a second booking of one order would have broken the primary key and ended the example


async def test_prices(run_dir: Path, proxy: Proxy, tmp_path: Path) -> None:
    body = encode_event("oanda", "quote", {"instrument": "EUR_USD", "bid": 1.1, "ask": 1.2, "synthetic": True, "feed": "simulated"}, 10**18)
    async with LiveOwner("oanda", run_dir) as owner, run("Prices", run_dir, proxy, tmp_path) as example:
        line = await example.line_while(lambda: owner.publisher.publish(quote_topic("oanda", "EUR_USD"), body))
        assert line == "EUR_USD 1.1 1.2 synthetic"


async def test_the_event_stream(run_dir: Path, proxy: Proxy, tmp_path: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner, serving(run_dir) as server:
        await owner.append(1, **FILL)
        async with run("Without this package: the event stream", run_dir, proxy, tmp_path, server.base) as example:
            assert await example.line() == f"oanda {owner.last_seq} 1.1655"
            await owner.append(1, **FILL)
            assert await example.line() == f"oanda {owner.last_seq} 1.1655"


async def test_history(run_dir: Path, proxy: Proxy, tmp_path: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner, serving(run_dir) as server:
        await owner.append(30, **FILL)
        async with run("What happened earlier", run_dir, proxy, tmp_path, server.base) as example:
            lines = [await example.line() for _ in owner.events]
            assert lines == [f"{event.ts} oanda {event.seq} {event.type}" for event in owner.events]
            assert await asyncio.wait_for(example.process.wait(), 30) == 0


async def test_the_bare_bus(run_dir: Path, proxy: Proxy, tmp_path: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner, run("The bare bus", run_dir, proxy, tmp_path) as example:
        line = await example.line_while(lambda: owner.append(1, **FILL))
        assert line.startswith("oanda.order_filled. ")


@pytest.mark.parametrize("title", EXAMPLES)
def test_every_example_stands_on_its_own(title: str) -> None:
    compile(EXAMPLES[title], title, "exec")
