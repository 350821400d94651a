"""Collects the evidence while a run goes on: traders that send, watchers that watch, and the owners' journals at the end.

Everything through public interfaces: HTTP for orders, SSE of both servers, ``bus.Subscriber`` as third parties import it, and the owners' replay
sockets by the bare protocol.
"""

import asyncio
import contextlib
import json
import math
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import aiohttp
import msgpack
import zmq
import zmq.asyncio

from tests.system.accounting.evidence import Connection, Evidence, Journalled, Notice, Sent, Shown
from tests.system.stack import SEED_ORDER, Stack
from tests.system.wires import sse_frames

STEP_S_MAX = 10.0  # from a step of the clock until every program labels its events by the new one, and what was sent before has an answer
TTL_S = 3.0  # what the gateway gives a paper command
CRYPTO_ORDER = {"product_id": "BTC-USD", "side": "BUY", "size": 0.001, "entry_price": 20000, "stop_loss_price": 19000, "take_profit_price": 400000}


class Trader:
    """Sends orders at a steady pace as one user, open loop: a slow answer does not slow the next order down."""

    def __init__(self, stack: Stack, email: str, *, per_second: float, rng: random.Random) -> None:
        self._stack = stack
        self._email = email
        self._pause_s = 1 / per_second
        self._rng = rng
        self.sent: list[Sent] = []
        self._token = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        self._token = await self._stack.token(self._email)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop``, then wait for the answers that are still out."""
        due = time.monotonic()
        while not stop.is_set():
            source, order = self._rng.choice([("oanda", SEED_ORDER), ("oanda", SEED_ORDER), ("coinbase", CRYPTO_ORDER)])
            task = asyncio.create_task(self._send(source, order))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            due += self._pause_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=30)

    async def _send(self, source: str, order: Mapping[str, object]) -> None:
        sent = Sent(source=source, client_order_id=uuid.UUID(int=self._rng.getrandbits(128)).hex, sent_wall_s=self._wall_s(), ttl_s=TTL_S)
        self.sent.append(sent)
        offset_s = self._stack.clock_offset_s
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            await self._ask(sent, order)
        # A tenth sends everything twice, as an impatient bot does.
        if self._rng.random() < 0.1:
            sent.sent_wall_s = self._wall_s()
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await self._ask(sent, order)

        if self._stack.clock_offset_s != offset_s or time.monotonic() - self._stack.clock_stepped_s < STEP_S_MAX:
            sent.ttl_s = math.inf  # the journal's clock was stepped on the way: its label says nothing about lateness

    def _wall_s(self) -> float:
        """As the arena's clock says."""
        return time.time() + self._stack.clock_offset_s

    async def _ask(self, sent: Sent, order: Mapping[str, object]) -> None:
        status, body, _ = await self._stack.call(
            "POST",
            f"{self._stack.gateway}/brokers/{sent.source}/orders",
            token=self._token,
            json={**order, "client_order_id": sent.client_order_id},
            timeout=aiohttp.ClientTimeout(total=20),
        )
        sent.answers.append((status, body if isinstance(body, dict) else {}))


async def resolve(stack: Stack, sent: Sent, email: str, *, seconds: float = 30) -> str:
    """What became of a doubtful order, by its id, the way a user looks it up: an order's status, or ``ABSENT``."""
    token = await stack.token(email)
    deadline = time.monotonic() + seconds
    while True:
        status, body, _ = await stack.call("GET", f"{stack.gateway}/brokers/{sent.source}/orders?client_order_id={sent.client_order_id}", token=token)
        if status == 200:
            found = [order["status"] for order in body["orders"]]
            if not found or found[0] not in {"UNKNOWN", "SUBMITTING"}:
                return found[0] if found else "ABSENT"
        if time.monotonic() > deadline:
            raise AssertionError(f"{sent.client_order_id} at {sent.source} is not decided after {seconds} s: {status} {body}")
        await asyncio.sleep(0.2)


class SseWatcher:
    """Follows an event stream through every break, resuming by the last id it saw; each connection is kept apart."""

    def __init__(self, stack: Stack, name: str, url: str) -> None:
        self._stack = stack
        self._name = name
        self._url = url
        self.connections: list[Connection] = []
        self._last_id: str | None = None
        self.is_ready = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await self._watch()
            await asyncio.sleep(0.1)  # the server is down: do not spin

    async def _watch(self) -> None:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        url = self._url if self._last_id else f"{self._url}?replay=0"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=20)
        async with self._stack.http.get(url, headers=headers, timeout=timeout) as response:
            if response.status != 200:
                return
            connection = Connection(watcher=self._name)
            self.connections.append(connection)
            async for frame in sse_frames(response):
                self._take(connection, frame)

    def _take(self, connection: Connection, frame: dict[str, Any]) -> None:
        data = frame["data"]
        if frame["id"]:
            self._last_id = frame["id"]
        if frame["event"] == "ready":
            self._last_id = data["cursor"]
            self.is_ready.set()
        elif frame["event"] == "gap":
            connection.items.append(Notice(kind="gap", source=data["source"], epoch=data["epoch"], first=data["from"], last=data["to"]))
        elif frame["event"] == "reset":
            connection.items.append(Notice(kind="reset", source=data["source"]))
        elif frame["event"] is None and "seq" in data:
            shown = Shown(source=data["source"], epoch=data["epoch"], seq=data["seq"], type=data["type"], payload=data["payload"], at_s=time.time())
            connection.items.append(shown)


class LibraryWatcher:
    """``bus.Subscriber`` in the form a user writes it."""

    def __init__(self, stack: Stack, name: str = "library") -> None:
        self._stack = stack
        self.connections = [Connection(watcher=name)]

    async def run(self) -> None:
        from bus import Subscriber

        subscriber = Subscriber(address=f"tcp://127.0.0.1:{self._stack.bus_port}", home=self._stack.home, gateway=self._stack.gateway)
        async for event in subscriber:
            if event.type in {"gap", "reset"}:
                self.connections[0].items.append(_notice_of(event.type, event.source, event.payload))
            elif event.epoch is not None and event.seq is not None:
                self.connections[0].items.append(
                    Shown(source=event.source, epoch=event.epoch, seq=event.seq, type=event.type, payload=event.payload, at_s=time.time())
                )


def _in_floats(connection: Connection) -> Connection:
    """The library's Decimals as the journal's reader has them. Done at the end: done for every event as it comes, it would be what is measured."""
    return replace(
        connection,
        items=[
            replace(item, payload=json.loads(json.dumps(item.payload, default=float))) if isinstance(item, Shown) else item
            for item in connection.items
        ],
    )


def _notice_of(kind: str, source: str, payload: Mapping[str, Any]) -> Notice:
    if kind == "gap":
        return Notice(kind="gap", source=source, epoch=payload["epoch"], first=payload["from"], last=payload["to"])
    return Notice(kind="reset", source=source)


async def read_journal(stack: Stack, source: str) -> list[Journalled]:
    """The owner's current epoch from its replay socket, page by page, as docs/protocol.md says."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(f"ipc://{stack.home}/run/{source}-replay.sock")
    events: list[Journalled] = []
    try:
        while True:
            after = events[-1].seq if events else 0
            ask = {"v": 1, "id": uuid.uuid4().hex, "op": "events.since", "args": {"epoch": None, "after": after, "limit": 500}}
            await socket.send(msgpack.packb(ask))
            async with asyncio.timeout(10):
                page = msgpack.unpackb(await socket.recv())["result"]
            events += [_journalled(body) for body in page["events"]]
            if not page["events"] or events[-1].seq >= page["last_seq"]:
                return events
    finally:
        socket.close()
        context.term()


def _journalled(body: bytes) -> Journalled:
    event = msgpack.unpackb(body)
    return Journalled(
        source=event["source"],
        epoch=event["epoch"],
        seq=event["seq"],
        prev=event["prev"],
        type=event["type"],
        payload=event["payload"],
        ts_s=datetime.fromisoformat(event["ts"]).timestamp(),
        body=body,
    )


async def read_statuses(stack: Stack, source: str) -> dict[str, str]:
    """Every order of ``source`` and its status, page by page."""
    statuses: dict[str, str] = {}
    cursor: object = None
    token = await stack.token()
    while True:
        query = f"limit=200&after={cursor}" if cursor else "limit=200"
        _, page, _ = await stack.call("GET", f"{stack.gateway}/brokers/{source}/orders?{query}", token=token)
        statuses |= {order["order_id"]: order["status"] for order in page["orders"]}
        cursor = page["next"]
        if not cursor:
            return statuses


class Run:
    """One run: traders and watchers around whatever the test does to the arena."""

    def __init__(self, stack: Stack, *, seed: int, per_second: float = 50, traders: int = 4, libraries: int = 1) -> None:
        self._stack = stack
        rng = random.Random(seed)
        self._traders = [
            Trader(stack, f"bot{number}@test", per_second=per_second / traders, rng=random.Random(rng.getrandbits(64))) for number in range(traders)
        ]
        self._watchers = [
            SseWatcher(stack, "gateway", f"{stack.gateway}/events"),
            SseWatcher(stack, "dashboard", f"{stack.dashboard}/arena/events"),
        ]
        self._libraries = [LibraryWatcher(stack, f"library {number}") for number in range(libraries)]
        self._stop = asyncio.Event()
        self._trading: list[asyncio.Task[None]] = []
        self._watching: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Run":
        for trader in self._traders:
            await trader.prepare()
        self._watching = [asyncio.create_task(watcher.run()) for watcher in (*self._watchers, *self._libraries)]
        for watcher in self._watchers:
            async with asyncio.timeout(15):
                await watcher.is_ready.wait()
        self._trading = [asyncio.create_task(trader.run(self._stop)) for trader in self._traders]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, *self._trading, return_exceptions=True)

    @property
    def sent(self) -> list[Sent]:
        """Every order so far, answered or not."""
        return [sent for trader in self._traders for sent in trader.sent]

    @property
    def acknowledged(self) -> int:
        return sum(1 for sent in self.sent if sent.acknowledged_ids)

    @property
    def acknowledged_ids(self) -> set[str]:
        """Every order id that somebody was told by now."""
        return {order_id for sent in self.sent for order_id in sent.acknowledged_ids}

    def refused(self, code: str) -> int:
        """How many answers carried this error code."""
        return sum(1 for sent in self.sent for _, body in sent.answers if body.get("code") == code)

    async def finish(self) -> Evidence:
        """Stop trading, wait until the arena is well, look the doubtful up, let the watchers catch up, and hand the evidence over."""
        self._stop.set()
        await asyncio.gather(*self._trading)
        await self._stack.ready()
        resolved = await self._resolve_all()
        journals, connections, statuses = await self._agreed()
        return Evidence(sent=self.sent, journals=journals, connections=connections, statuses=statuses, resolved=resolved)

    async def _resolve_all(self) -> dict[str, str]:
        """What became of every order whose sender was left in doubt, a few looked up at a time."""
        at_once = asyncio.Semaphore(16)
        resolved: dict[str, str] = {}

        async def look_up(sent: Sent, email: str) -> None:
            async with at_once:
                resolved[sent.client_order_id] = await resolve(self._stack, sent, email)

        async with asyncio.TaskGroup() as tasks:
            for number, trader in enumerate(self._traders):
                for sent in trader.sent:
                    if not sent.acknowledged_ids and not sent.is_refused:
                        tasks.create_task(look_up(sent, f"bot{number}@test"))
        return resolved

    async def _agreed(self) -> tuple[dict[str, list[Journalled]], list[Connection], dict[str, str]]:
        """The journals, what each watcher was shown and how each order stood, all of one moment: Rick may still be talking, an order may fill."""
        journals = await self._read_journals()
        while True:
            await self._caught_up(journals)
            shown = [replace(connection, items=list(connection.items)) for watcher in self._watchers for connection in watcher.connections]
            shown += [_in_floats(connection) for watcher in self._libraries for connection in watcher.connections]
            statuses = {**await read_statuses(self._stack, "oanda"), **await read_statuses(self._stack, "coinbase")}
            before, journals = journals, await self._read_journals()
            if [len(journal) for journal in before.values()] == [len(journal) for journal in journals.values()]:
                return journals, shown, statuses

    async def _read_journals(self) -> dict[str, list[Journalled]]:
        return {source: await read_journal(self._stack, source) for source in ("oanda", "coinbase", "rick")}

    async def _caught_up(self, journals: Mapping[str, list[Journalled]]) -> None:
        """Every watcher has been shown the last event of every journal, or was told that it is missing."""
        wanted = {(source, journal[-1].epoch, journal[-1].seq) for source, journal in journals.items() if journal}

        def behind() -> list[str]:
            late = []
            for watcher in (*self._watchers, *self._libraries):
                shown = {
                    (item.source, item.epoch, item.seq) for connection in watcher.connections for item in connection.items if isinstance(item, Shown)
                }
                if any(not any(source == s and epoch == e and seq <= q for s, e, q in shown) for source, epoch, seq in wanted):
                    late.append(watcher.connections[-1].watcher if watcher.connections else "a watcher that never connected")
            return late

        await self._stack.until(lambda: not behind(), "every watcher to catch up", seconds=30)
