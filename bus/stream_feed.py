"""From the bus to all readers of a stream: each event is encoded once into the ring, and what one drain of the bus brought leaves as one chunk.

Readers at the head are *live*: they get the chunk straight into their transports, grouped by filter, one write each. A reader whose buffer is full
leaves its group and reads the ring at its own speed until it has caught up (stream_reader.py); nobody waits for it.

At the start the newest events of all sources are gathered before the first reader is served, and laid into the ring by their times: the last fifty of
an arena are not the last fifty of one source. A source that is reached only later joins then, with its last fifty.
"""

import asyncio
from collections.abc import Callable, Iterable

from bus.consumer import Consumer, log_notice
from bus.cursor import Position
from bus.envelope import Event
from bus.frames import http_chunk, id_line
from bus.gathering import Gathering
from bus.notices import Delivery, Gap, Reset, Synced
from bus.ring import Frame, Ring
from bus.stream_client import BUFFER_BYTES_MAX, Client
from bus.stream_filter import REPLAY_DEFAULT, Filter

WARM_EVENTS = 2_000  # of each source at the start: readers that were cut by a restart find their place without asking the owners
WARM_S_MAX = 1.5  # no longer do the first readers wait for a slow owner
LATE_EVENTS = REPLAY_DEFAULT
GATHERED_MAX = 10_000
# After a batch while nobody reads, and until somebody comes: a flood of orders then costs a server half.
UNWATCHED_S = 0.2
REST_BATCHES_MAX = 16  # so many of them are taken for whoever comes first; more than gather in a rest
TURN_CLIENTS = 500  # then the loop gets its turn


class Group:
    """The live readers of one filter. ``told`` is the last id they were sent."""

    __slots__ = ("live", "told", "wanted")

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self.live: set[Client] = set()
        self.told = ""


class Feed:
    """Fills ``ring`` from ``consumer`` and serves the live readers. ``run`` until cancelled."""

    def __init__(self, consumer: Consumer, ring: Ring, sources: Iterable[str]) -> None:
        self.consumer = consumer
        self.ring = ring
        self.clients: set[Client] = set()
        self.is_warm = asyncio.Event()
        self.is_empty = asyncio.Event()
        self.is_empty.set()
        self._groups: dict[Filter, Group] = {}
        self._reading: set[Client] = set()
        self._resting: asyncio.Future[None] | None = None  # set while nobody reads and more is gathered
        self._gathered: dict[str, list[Delivery]] = {source: [] for source in sources}

    async def run(self) -> None:
        """Take batch after batch; each is with every live reader before the next is looked at."""
        now_s = asyncio.get_running_loop().time
        gathering = Gathering(now_s())
        while True:
            batch = await self.consumer.batch()
            self._take(batch)
            if self.clients or not self.is_warm.is_set():
                await asyncio.sleep(gathering.after(len(batch), now_s()))
            elif not self.consumer.has_more:  # resting in a flood, it would fall ever further behind, and heartbeats with it
                self._resting = asyncio.get_running_loop().create_future()
                await asyncio.wait([self._resting], timeout=UNWATCHED_S)
                self._resting = None

    async def warm_up(self) -> None:
        """Open the ring as soon as every owner was reached or has failed to answer, or after 1.5 s."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + WARM_S_MAX
        while not self.is_warm.is_set():
            self._open(late=loop.time() >= give_up_s)
            await asyncio.sleep(0.01)

    # -- readers ---------------------------------------------------------------------------------------------------------------------------

    def enter(self, client: Client) -> None:
        """A new reader; it is neither live nor woken before it asks for it. The first one ends the rest, and finds what came meanwhile."""
        self.clients.add(client)
        self.is_empty.clear()
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)
            self._take(self.consumer.poll())
            for _ in range(REST_BATCHES_MAX):
                if not self.consumer.has_more:
                    break
                self._take(self.consumer.poll())

    def go_live(self, client: Client) -> None:
        """``client`` stands at the head of the ring: from now on it gets what comes."""
        group = self._groups.get(client.filter)
        if group is None:
            group = self._groups[client.filter] = Group(client.filter)
            group.told = self.ring.id_text
        group.live.add(client)
        self._reading.discard(client)

    def follow(self, client: Client) -> None:
        """``client`` reads the ring itself: wake it when there is more."""
        self._reading.add(client)

    def leave(self, client: Client) -> None:
        """``client`` is gone."""
        self.clients.discard(client)
        if not self.clients:
            self.is_empty.set()
        self._reading.discard(client)
        group = self._groups.get(client.filter)
        if group is not None:
            group.live.discard(client)
            if not group.live:
                del self._groups[client.filter]

    async def send_all(self, data: bytes, wanted: Callable[[Client], bool]) -> None:
        """Send whole frames without id to every reader that has had its ``ready``, has room, and is wanted."""
        chunk = http_chunk(data)
        for number, client in enumerate(tuple(self.clients), 1):
            if client.is_ready and not client.is_closed and wanted(client) and not client.is_full and not client.transport.is_closing():
                client.transport.write(chunk if client.is_chunked else data)
            if number % TURN_CLIENTS == 0:
                await asyncio.sleep(0)

    def tell_places(self) -> None:
        """An id alone to every group whose filter has held back everything since the last one, so that its readers' cursors move on."""
        text = self.ring.id_text
        for group in self._groups.values():
            if not group.wanted.is_open and group.told != text:
                for client in self._write(group, id_line(text) + b"\n"):
                    client.index, client.position = self.ring.head, self.ring.cursor
                group.told = text

    # -- the bus ---------------------------------------------------------------------------------------------------------------------------

    def _take(self, batch: list[Delivery]) -> None:
        items: list[Event | Gap | Reset] = []
        for item in batch:
            if item.source in self._gathered:
                self._gathered[item.source].append(item)
            elif isinstance(item, (Event, Gap, Reset)):
                items.append(item)
            else:
                log_notice(item)
        if items:
            self._publish(items)
        if self._gathered and self.is_warm.is_set():
            self._open(late=False)

    def _publish(self, items: list[Event | Gap | Reset]) -> None:
        ring = self.ring
        if not self.clients:
            for item in items:
                if isinstance(item, Event) and item.body:
                    ring.append_unread(item)
                else:
                    ring.append(item)
            return
        before, start = ring.cursor, ring.head
        frames = [ring.append(item) for item in items]  # kept here: a batch may be more than the ring holds
        for group in self._groups.values():
            chunks = _chunks(frames, group.wanted)
            for place, data in chunks:
                for client in self._write(group, data):
                    client.index, client.position = start + place, frames[place - 1].cursor if place else before
            if chunks:
                group.told = ring.id_text if group.wanted.admits(frames[-1]) else ""
        for client in self._reading:
            client.wake()

    def _write(self, group: Group, data: bytes) -> list[Client]:
        """The hot path: one write for each live reader. Those without room leave the group to read the ring themselves, and are returned."""
        chunk = http_chunk(data)
        left = []
        for client in group.live:
            transport = client.transport
            if transport.is_closing() or transport.get_write_buffer_size() > BUFFER_BYTES_MAX:
                left.append(client)
            else:
                transport.write(chunk if client.is_chunked else data)
        for client in left:
            group.live.discard(client)
            client.wake()
        return left

    # -- the beginning ---------------------------------------------------------------------------------------------------------------------

    def _open(self, *, late: bool) -> None:
        """Lay into the ring what was gathered of sources that are complete. ``late``: no longer wait for the others."""
        followers = self.consumer.followers
        done = []
        for source, items in self._gathered.items():
            is_synced = any(isinstance(item, Synced) for item in items)
            if is_synced and (followers[source].is_caught_up or len(items) > GATHERED_MAX or late):
                done.append(source)
        if not self.is_warm.is_set():
            failed = [source for source in self._gathered if followers[source].has_asked and followers[source].position is None]
            if not late and len(done) + len(failed) < len(self._gathered):
                return
            self._lay([self._gathered.pop(source) for source in done])
            self.is_warm.set()
        else:
            for source in done:
                self._lay([_newest(self._gathered.pop(source), LATE_EVENTS)])

    def _lay(self, lists: list[list[Delivery]]) -> None:
        dated: list[tuple[str, Event | Gap | Reset]] = []
        for items in lists:
            ts = ""
            for item in items:
                if isinstance(item, Synced):
                    self._join(item.source, item.position)
                elif isinstance(item, (Event, Gap, Reset)):
                    ts = max(ts, item.ts) if isinstance(item, Event) else ts  # never before what precedes it at its source
                    dated.append((ts, item))
                else:
                    log_notice(item)
        dated.sort(key=lambda pair: pair[0])
        if dated:
            self._publish([item for _, item in dated])

    def _join(self, source: str, position: Position) -> None:
        before = self.ring.cursor
        self.ring.join(source, position)
        for client in self.clients:
            if source in client.awaits or source in client.position:  # it has a place there of its own: let it find it
                group = self._groups.get(client.filter)
                if group is not None and client in group.live:
                    group.live.discard(client)
                    client.position = before
                client.index = None
                client.wake()


def _newest(items: list[Delivery], count: int) -> list[Delivery]:
    """``items`` of one source cut to its last ``count`` events, with the position before them."""
    events = [item for item in items if isinstance(item, Event)]
    if len(events) <= count or any(isinstance(item, (Gap, Reset)) for item in items):
        return items
    before = events[-count - 1]
    assert before.epoch is not None
    assert before.seq is not None
    return [Synced(source=before.source, position=Position(before.epoch, before.seq)), *events[-count:]]


def _chunks(frames: list[Frame], wanted: Filter) -> list[tuple[int, bytes]]:
    """What passes ``wanted``, in chunks of at most 64 KiB or one frame, each with the place of its first frame."""
    chunks: list[tuple[int, bytes]] = []
    parts: list[bytes] = []
    first = size = 0
    for place, frame in enumerate(frames):
        if not (wanted.is_open or wanted.admits(frame)):
            continue
        if parts and size + len(frame.wire) > BUFFER_BYTES_MAX:
            chunks.append((first, b"".join(parts)))
            parts, size = [], 0
        if not parts:
            first = place
        parts.append(frame.wire)
        size += len(frame.wire)
    if parts:
        chunks.append((first, b"".join(parts)))
    return chunks
