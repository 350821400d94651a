"""Resume anywhere: a reader cut at random and sent to another server goes on behind the last id it saw; an unusable id is answered in words."""

import asyncio
import contextlib
import json
import os
import random

import aiohttp
import pytest

from tests.system.accounting.collect import Run, read_journal
from tests.system.stack import Stack
from tests.system.test_retries import second_gateway
from tests.system.wires import sse_frames

SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))
READERS, CUTS = (10, 100) if float(os.environ.get("ARENA_CHAOS_SECONDS", "0")) >= 120 else (5, 12)


class Wanderer:
    """A reader that changes servers. ``seen`` is per source, over all its connections; the start is the cursor of its first ``ready``."""

    def __init__(self, stack: Stack, urls: list[str], rng: random.Random) -> None:
        self._stack, self._urls, self._rng = stack, urls, rng
        self.last_id: str | None = None
        self.start: dict[str, int] = {}
        self.seen: dict[str, list[int]] = {}
        self.notices: list[object] = []
        self.cuts = 0

    async def wander(self) -> None:
        while self.cuts < CUTS:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rng.uniform(0.05, 0.6)):
                    await self.read()
            self.cuts += 1

    async def finish(self, last: dict[str, int]) -> None:
        """Read on until ``last`` of every source was seen."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                await self.read(until=last)

    async def read(self, until: dict[str, int] | None = None) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        url = self._rng.choice(self._urls) + ("" if self.last_id else "?replay=0")
        async with self._stack.http.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as response:
            assert response.status == 200
            async for frame in sse_frames(response):
                self.take(frame)
                if until and all((self.seen.get(source) or [0])[-1] >= seq for source, seq in until.items()):
                    return

    def take(self, frame: dict[str, object]) -> None:
        data = frame["data"]
        assert isinstance(data, dict)
        if frame["id"]:
            self.last_id = str(frame["id"])
        if frame["event"] == "ready" and not self.start:
            self.start = {source: int(seq) for source, _, seq in (part.replace("@", ":").split(":") for part in data["cursor"].split(","))}
        elif frame["event"] in {"gap", "reset"}:
            self.notices.append(data)
        elif frame["event"] is None and "seq" in data:
            self.seen.setdefault(data["source"], []).append(data["seq"])


async def test_a_reader_cut_at_random_gets_everything_once_whoever_it_asks(stack: Stack) -> None:
    """Two gateways and the dashboard, cuts every few tenths of a second, under load: per source start+1, start+2, … without a notice."""
    rng = random.Random(SEED)
    async with second_gateway(stack) as other, Run(stack, seed=SEED, traders=2) as run:
        urls = [f"{stack.gateway}/events", f"{other}/events", f"{stack.dashboard}/arena/events"]
        wanderers = [Wanderer(stack, urls, random.Random(rng.getrandbits(64))) for _ in range(READERS)]
        await stack.until(lambda: run.acknowledged >= 20, "the first orders")
        await asyncio.gather(*(wanderer.wander() for wanderer in wanderers))
        evidence = await run.finish()
        last = {source: journal[-1].seq for source, journal in evidence.journals.items()}
        await asyncio.gather(*(wanderer.finish(last) for wanderer in wanderers))
    events = 0
    for wanderer in wanderers:
        assert not wanderer.notices
        for source, seq in last.items():
            wanted = list(range(wanderer.start[source] + 1, seq + 1))
            assert wanderer.seen.get(source, []) == wanted, f"{source}: {len(wanderer.seen.get(source, []))} of {len(wanted)}"
            events += len(wanted)
    print(json.dumps({"check": "resume anywhere", "seed": SEED, "readers": READERS, "cuts": READERS * CUTS, "events": events, "pass": True}))


@pytest.mark.parametrize(
    "cursor",
    ["garbage", "oanda@zz:1", "moon@0123456789abcdef:7", "oanda@0123456789abcdef:3", "oanda@{epoch}:999999999", "x" * 3000, "oanda@{epoch}:-1", "57"],
)
async def test_an_unusable_cursor_is_told_so_and_never_refused(stack: Stack, cursor: str) -> None:
    """Garbage, a foreign source, another epoch, the future, too long: 200, a named notice (or nothing to tell), `ready`, and the stream goes on."""
    assert (await stack.place())[0] == 201
    epoch = (await read_journal(stack, "oanda"))[-1].epoch
    names = []
    for url in (f"{stack.gateway}/events", f"{stack.dashboard}/arena/events"):
        async with stack.events(url, headers={"Last-Event-ID": cursor.format(epoch=epoch)}) as frames:
            async with asyncio.timeout(10):
                async for frame in frames:
                    names.append(frame["event"])
                    if frame["event"] == "ready":
                        break
    assert "ready" in names
    assert "reset" in names or "gap" in names or cursor.startswith("moon"), names
