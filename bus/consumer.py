"""The consumer's edge: one SUB socket, one state machine per source, and the questions they ask. What it hands on is in follower.py's words.

A consumer is pulled: ``poll`` takes what is there now, ``batch`` waits until something is. Whoever is slow to pull lets the socket's queue run full;
what is lost then comes from the owners. Messages are read with plain ``recv`` until there are none: one future for a batch of them, not one each.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Self

import msgspec
import zmq

from bus.codec import MalformedMessage
from bus.cursor import Cursor
from bus.curve import ClientKeys
from bus.envelope import Event, decode_event
from bus.fetch import FLOOR, Fetch, Last, Start
from bus.fetchers import FETCH_S_MAX, Fetcher, OwnerFetcher
from bus.follower import Follower
from bus.notices import Alarm, Delivery, Fresh, Stale
from bus.sockets import subscriber
from bus.topics import HEARTBEAT, source_prefix
from runtime.clock import Clock, SystemClock
from runtime.settings import Settings
from trading.errors import ArenaError

JOURNALLED_SOURCES = ("coinbase", "oanda", "rick")

# Then others have a turn. What is handed on soon is still in the processor's cache: 512 cost a tenth more an event.
BATCH_MESSAGES_MAX = 128
TOPICS_KNOWN_MAX = 1024  # strangers may publish any topic
PROGRAMS_KNOWN_MAX = 64
LOG_SPACING_NS = 1_000_000_000  # undecodable messages: one line a second, however many there are (S-Z5)

log = logging.getLogger(__name__)


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The latest heartbeat of a program and when it came, on CLOCK_BOOTTIME."""

    payload: dict[str, object]
    received_ns: int


class Consumer:
    """Follows ``starts`` on one connection to the bus; an async context manager.

    Args:
        address: the proxy's subscriber side.
        starts: where to begin, by source; exactly these sources are followed.
        fetcher: asks the owners; closed with the consumer.
        on_sight: the fetcher's pages carry no hashes.
        resync: where to go on after a position has lost its meaning.
        also: topics that are taken as they come, without sequence: quotes, other programs' heartbeats. Heartbeats of all that is subscribed are in
            ``heartbeats``; other messages of ``also`` come out as events.
        tell_heartbeats: heartbeats come out as events too.
        keys: for a bus that speaks CURVE.
        loop: where owners are asked, for who calls ``poll`` while it does not run; None is the running one.
    """

    def __init__(
        self,
        address: str,
        starts: Mapping[str, Start],
        fetcher: Fetcher,
        *,
        on_sight: bool = False,
        resync: Last = FLOOR,
        also: Iterable[bytes] = (),
        tell_heartbeats: bool = False,
        clock: Clock | None = None,
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
        keys: ClientKeys | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.followers = {name: Follower(name, start, resync=resync, on_sight=on_sight) for name, start in starts.items()}
        self.heartbeats: dict[str, Heartbeat] = {}
        self.malformed = 0
        self._fetcher = fetcher
        self._loop = loop
        self._tell_heartbeats = tell_heartbeats
        self._clock = clock or SystemClock()
        self._loose: list[Delivery] = []
        # What is read is sorted first: by topic into one box for each source, and into the last one what has no sequence.
        self._boxes: list[tuple[Follower | None, list[bytes]]] = [(follower, []) for follower in (*self.followers.values(), None)]
        self._routes: dict[bytes, list[bytes]] = {}  # the box by topic
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._logged_ns = -LOG_SPACING_NS
        self._more = False
        topics = [*(source_prefix(name) for name in starts), *also]
        self._socket = subscriber(context or zmq.Context.instance(), address, topics, keys)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._fetcher.close()
        self._socket.close()

    @property
    def is_asking(self) -> bool:
        """Whether an owner is being asked, and the loop has to run for its answer."""
        return bool(self._tasks)

    @property
    def has_more(self) -> bool:
        """Whether the last look left messages unread: there were more than one batch holds."""
        return self._more

    def poll(self) -> list[Delivery]:
        """What is ready now, in order per source; empty when nothing is."""
        now_ns = self._clock.boot_ns()
        self._more = self._drain(now_ns)
        out, self._loose = self._loose, []
        for follower in self.followers.values():
            fetch = follower.tick(now_ns)
            if fetch is not None:
                self._spawn(follower, fetch)
            out += follower.take()
        if self._failure is not None:
            raise self._failure
        return out

    async def batch(self) -> list[Delivery]:
        """What is ready, as soon as something is; never empty."""
        if self._more:
            await asyncio.sleep(0)  # a flood must not keep the loop to itself
        while not (out := self.poll()):
            if self._more:
                await asyncio.sleep(0)
            else:
                await self._wait()
        return out

    def wake(self) -> None:
        """Let a waiting ``batch`` look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        """Until a message, an answer, or the next time a follower wants to act. The socket was read empty right before, so its edge will come."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        handle = self._socket.getsockopt(zmq.FD)
        assert isinstance(handle, int)
        times = [time for follower in self.followers.values() if (time := follower.wake_ns) is not None]
        timer = loop.call_later(max(0.0, (min(times) - self._clock.boot_ns()) / 1e9), self.wake) if times else None
        loop.add_reader(handle, self.wake)  # only while waiting: the descriptor stays readable until the socket is read
        try:
            await self._waiter
        finally:
            loop.remove_reader(handle)
            if timer is not None:
                timer.cancel()
            self._waiter = None

    # -- messages --------------------------------------------------------------------------------------------------------------------------

    def _drain(self, now_ns: int) -> bool:
        """Read what is queued, up to a limit, and take it source by source; True when there may be more."""
        recv, routes, again, is_more = self._socket.recv, self._routes, zmq.NOBLOCK, True
        try:
            for _ in range(BATCH_MESSAGES_MAX):
                topic = recv(again)
                try:
                    box = routes[topic]
                except KeyError:
                    if not self._learn(topic):
                        continue
                    box = routes[topic]
                # No look at RCVMORE for a known topic: it costs more than the message. One frame too many or too few makes the next "topic"
                # unknown, and _learn finds the beat again.
                box.append(recv(again))
        except zmq.Again:
            is_more = False
        for follower, box in self._boxes:
            bodies = iter(box)
            while (body := follower.take_next(bodies) if follower is not None else next(bodies, None)) is not None:
                self._take(body, follower, now_ns)
            box.clear()
        return is_more

    def _take(self, body: bytes, follower: Follower | None, now_ns: int) -> None:
        """A message that is not the next event of its source."""
        try:
            event = decode_event(body)
        except MalformedMessage as error:
            self._drop(str(error), now_ns)
            return
        if follower is not None and event.seq is not None and event.source == follower.source:
            follower.event(event, now_ns)
        else:
            self._unsequenced(event, follower, now_ns)

    def _learn(self, topic: bytes) -> bool:
        """Make a new topic known; False when this message is to be left out."""
        name, _, rest = topic.partition(b".")
        ok = self._socket.getsockopt(zmq.RCVMORE) and rest.endswith(b".") and len(self._routes) < TOPICS_KNOWN_MAX
        if not ok:
            while self._socket.getsockopt(zmq.RCVMORE):
                self._socket.recv()
            self._drop("not two frames, or a topic that is none", self._clock.boot_ns())
            return False
        known = self.followers.get(name.decode("ascii", "replace"))
        self._routes[topic] = next(box for follower, box in self._boxes if follower is known)
        return True

    def _unsequenced(self, event: Event, follower: Follower | None, now_ns: int) -> None:
        if event.type == HEARTBEAT and event.seq is None:
            if event.source in self.heartbeats or len(self.heartbeats) < PROGRAMS_KNOWN_MAX:
                self.heartbeats[event.source] = Heartbeat(payload=event.payload, received_ns=now_ns)
            if follower is not None and event.source == follower.source:
                follower.heartbeat(event.payload, now_ns)
            if self._tell_heartbeats:
                self._loose.append(event)
        elif follower is None:
            self._loose.append(event)
        else:
            self._drop(f"{event.source}.{event.type} has no place on a topic of {follower.source}", now_ns)

    def _drop(self, reason: str, now_ns: int) -> None:
        self.malformed += 1
        if now_ns - self._logged_ns >= LOG_SPACING_NS:
            self._logged_ns = now_ns
            log.warning("dropped what is no message of the bus", extra={"reason": reason[:200], "dropped": self.malformed})

    # -- questions -------------------------------------------------------------------------------------------------------------------------

    def _spawn(self, follower: Follower, fetch: Fetch) -> None:
        task = (self._loop or asyncio.get_running_loop()).create_task(self._ask(follower, fetch))
        self._tasks.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()  # a bug: it comes out of the next poll, not out of a task nobody looks at
        self.wake()

    async def _ask(self, follower: Follower, fetch: Fetch) -> None:
        try:
            async with asyncio.timeout(FETCH_S_MAX):
                page = await self._fetcher.fetch(fetch)
        except (ArenaError, TimeoutError) as error:
            log.debug("a page could not be had", extra={"source": fetch.source, "reason": str(error) or type(error).__name__})
            follower.failed(fetch, self._clock.boot_ns())
        else:
            follower.page(fetch, page, self._clock.boot_ns())


def starts_of(cursor: Cursor | None, sources: Iterable[str], otherwise: Last) -> dict[str, Start]:
    """Where each of ``sources`` begins: at its place in ``cursor``, or at ``otherwise`` where it has none."""
    return {source: cursor[source] if cursor is not None and source in cursor else otherwise for source in sources}


def log_notice(notice: Delivery) -> None:
    """Say in the log what a person should know of."""
    match notice:
        case Alarm():
            log.error("alarm", extra={"source": notice.source, "code": notice.code, "epoch": notice.epoch, "seq": notice.seq, "what": notice.text})
        case Stale():
            log.warning("no heartbeat; asking the owner itself", extra={"source": notice.source})
        case Fresh():
            log.info("heartbeats again", extra={"source": notice.source})


async def follow(
    settings: Settings,
    cursor: Cursor | None = None,
    *,
    sources: Iterable[str] = JOURNALLED_SOURCES,
    otherwise: Last = FLOOR,
    clock: Clock | None = None,
    at_least: int = 1,
) -> AsyncIterator[list[Delivery]]:
    """Batches of what happens at ``sources``, for a program of the arena: events in order per source, and the notices between them.

    Args:
        cursor: what the caller has behind it; keep it with the effect of each batch and nothing is done twice.
        otherwise: where sources begin that the cursor does not name.
        at_least: how many to gather while more is there already; nobody waits for them.
    """
    consumer = Consumer(settings.bus_sub_address, starts_of(cursor, sources, otherwise), OwnerFetcher(settings.run_dir), clock=clock)
    async with consumer:
        while True:
            batch = await consumer.batch()
            while consumer.has_more and len(batch) < at_least:
                batch += consumer.poll()
            for item in batch:
                if not isinstance(item, Event):
                    log_notice(item)
            yield batch
