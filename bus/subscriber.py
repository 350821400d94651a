"""``bus.Subscriber``: every event of the arena in a ``for`` loop, for tools of your own.

    from bus import Subscriber

    for event in Subscriber():
        print(event.source, event.type, event.payload)

``async for`` works the same. What is promised, per source: events come in order and none twice within one loop. What cannot be delivered is told by
an event of type ``gap`` (``payload`` has ``epoch, from, to``) or ``reset`` (``old, new, reason``) that no filter holds back. With a cursor file the
next run goes on behind the events the loop body has finished: the one in hand when the loop was left comes again, and after a crash also what was
finished in the last tenth of a second. For an effect that happens exactly once, keep ``str(subscriber.cursor)`` in the same transaction as the
effect, and hand it in as ``cursor`` next time.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterable
from pathlib import Path
from typing import cast

from bus.consumer import JOURNALLED_SOURCES, Consumer, log_notice, starts_of
from bus.cursor import Cursor, Position
from bus.cursor_file import CursorFile
from bus.curve import ClientKeys
from bus.envelope import Event
from bus.fetch import FLOOR, NOW
from bus.fetchers import open_fetcher
from bus.notices import Delivery, Gap, Reset, Synced
from bus.topics import HEARTBEAT, QUOTE_PREFIX, heartbeat_topic, is_name, source_prefix
from runtime.timestamps import to_text

SAVE_S = 0.1  # how much finished work a crash may repeat; each save is an fsync
PROGRAMS = ("dashboard", "gateway", "market_data")  # what has heartbeats and no journal
LOOSE_TYPES = frozenset({"quote", HEARTBEAT})  # what has no number


class Subscriber:
    """Events as they happen, and those missed meanwhile.

    Args:
        address: the bus; ``ipc://<ARENA_HOME>/run/bus-sub.sock`` works too.
        sources: ``{"oanda"}`` and so on; None is all of ``coinbase, oanda, rick``.
        types: ``{"order_filled"}`` and so on; None is every event. ``quote`` and ``heartbeat`` come only when named: they have no number and
            may be lost.
        cursor_file: where to remember how far we have come. Without one, or at the very first run, the loop begins with what happens next.
        home: the arena's directory; None takes ARENA_HOME. Where its sockets may be opened, missed events are read from their owners.
        gateway: where they are read from otherwise.
        token: for a gateway that asks for one.
        cursor: begin behind it (text or Cursor), instead of the file's. A source that a cursor does not name begins at its oldest event.
        keys: for a bus on another machine, or one with real money, which speaks CURVE: the file that ``arena keys add`` made for this tool.
    Raises:
        ValueError: a source, cursor or key file that is none.
    """

    def __init__(  # noqa: PLR0917 - the documented order; tools write keywords
        self,
        address: str = "tcp://127.0.0.1:5571",
        sources: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        cursor_file: str | Path | None = None,
        home: str | Path | None = None,
        gateway: str = "http://127.0.0.1:8787",
        token: str | None = None,
        *,
        cursor: Cursor | str | None = None,
        keys: ClientKeys | str | Path | None = None,
    ) -> None:
        self._address = address
        self._keys = ClientKeys.load(keys) if isinstance(keys, (str, Path)) else keys
        self._sources = _names(sources, JOURNALLED_SOURCES)
        self._types = None if types is None else frozenset(_names(types, ()))
        self._file = CursorFile(cursor_file) if cursor_file is not None else None
        self._home, self._gateway, self._token = home, gateway, token
        given = Cursor.parse(cursor) if isinstance(cursor, str) else cursor
        self._begin = given if given is not None or self._file is None else self._file.load()
        self._place: dict[str, Event | Position] = dict(self._begin or {})  # the newest event handed out, by source
        self._done = dict(self._place)  # the newest one the loop body has come back from
        self._saved_s = 0.0
        self._consumer: Consumer | None = None

    @property
    def cursor(self) -> Cursor:
        """How far the loop has come, the event in hand included."""
        return _cursor_of(self._place)

    @property
    def stale(self) -> frozenset[str]:
        """The sources whose programs have not been heard for three seconds."""
        followers = self._consumer.followers.values() if self._consumer else ()
        return frozenset(follower.source for follower in followers if follower.is_stale)

    # -- the two loops ---------------------------------------------------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        async with self._connect() as consumer:
            try:
                while True:
                    batch = await self._next_batch(consumer)
                    for event in self._chosen(batch):
                        if event.seq is not None:
                            self._place[event.source] = event
                        yield event
                        if self._file is not None:
                            self._finished(event)
                    self._pass_over(batch)
            finally:
                self._save(now=True)

    def __iter__(self) -> Generator[Event, None, None]:
        """The same without asyncio: the event loop it needs is its own, and runs only while the next events are waited for."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise RuntimeError("an event loop runs in this thread: write `async for event in subscriber`")
        with asyncio.Runner() as runner:
            consumer = self._connect(runner.get_loop())
            try:
                while True:
                    # A turn of the loop for each batch would cost a third more an event; while nobody is asked, nothing waits for one.
                    batch = [] if consumer.is_asking else consumer.poll()
                    batch = batch or runner.run(self._next_batch(consumer))
                    for event in self._chosen(batch):
                        if event.seq is not None:
                            self._place[event.source] = event
                        yield event
                        if self._file is not None:
                            self._finished(event)
                    self._pass_over(batch)
            finally:
                self._save(now=True)
                runner.run(consumer.__aexit__(None, None, None))

    def _connect(self, loop: asyncio.AbstractEventLoop | None = None) -> Consumer:
        fetcher, hashes = open_fetcher(self._home, self._gateway, self._token)
        # Where the loop begins a second time, it goes on where the first one stopped.
        begin = self.cursor if self._place else self._begin
        loose_only = self._types is not None and self._types <= LOOSE_TYPES
        self._consumer = Consumer(
            self._address,
            {} if loose_only else starts_of(begin, self._sources, NOW if begin is None else FLOOR),
            fetcher,
            on_sight=not hashes,
            also=self._also(),
            tell_heartbeats=self._types is not None and HEARTBEAT in self._types,
            keys=self._keys,
            loop=loop,
        )
        return self._consumer

    def _also(self) -> list[bytes]:
        """Topics without sequence, where they were asked for by name."""
        topics = []
        if self._types is not None and "quote" in self._types:
            topics += [QUOTE_PREFIX + source_prefix(source) for source in self._sources]
        if self._types is not None and HEARTBEAT in self._types:
            topics += [heartbeat_topic(program) for program in (*PROGRAMS, *self._sources)]
        return topics

    async def _next_batch(self, consumer: Consumer) -> list[Delivery]:
        await asyncio.sleep(0)  # others have a turn between batches, even while there is always more
        batch = consumer.poll()
        if not batch:
            self._save(now=True)  # nothing to do: a good time
            batch = await consumer.batch()
        return batch

    def _chosen(self, batch: list[Delivery]) -> list[Event]:
        """The events to hand out, notices among them."""
        types = self._types
        if types is None and set(map(type, batch)) == {Event}:
            return cast("list[Event]", batch)
        chosen = []
        for item in batch:
            if type(item) is Event:
                if types is None or item.type in types:
                    chosen.append(item)
            elif isinstance(item, (Gap, Reset)):
                chosen.append(_as_event(item))
            elif isinstance(item, Synced):
                self._place.setdefault(item.source, item.position)
                self._done.setdefault(item.source, item.position)
                self._save(now=True)  # before its first event is handed out: a crash with that one in hand must find where it was
            else:
                log_notice(item)
        return chosen

    def _pass_over(self, batch: list[Delivery]) -> None:
        """A batch is finished: what its filter held back is behind us too."""
        if self._types is not None:
            for item in batch:
                if type(item) is Event and item.seq is not None:
                    self._place[item.source] = self._done[item.source] = item

    def _finished(self, event: Event) -> None:
        if event.seq is not None:
            self._done[event.source] = event
        self._save()

    def _save(self, *, now: bool = False) -> None:
        if self._file is None:
            return
        time_s = time.monotonic()
        if now or time_s - self._saved_s >= SAVE_S:
            self._file.save(_cursor_of(self._done))
            self._saved_s = time_s


def _names(names: Iterable[str] | None, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    if names is None:
        return otherwise
    if isinstance(names, str):
        raise ValueError(f"write {{{names!r}}}: a set of names, not one text")  # noqa: TRY004 - a text is iterable, and would be read by letters
    listed = tuple(dict.fromkeys(names))
    for name in listed:
        if not is_name(name):
            raise ValueError(f"{name!r} is no source or type: a-z, 0-9 and _, at most 32")
    return listed


def _cursor_of(places: dict[str, Event | Position]) -> Cursor:
    positions = {}
    for source, place in places.items():
        if isinstance(place, Event):
            assert place.epoch is not None
            assert place.seq is not None
            positions[source] = Position(place.epoch, place.seq)
        else:
            positions[source] = place
    return Cursor(positions)


def _as_event(notice: Gap | Reset) -> Event:
    """A notice as an event of type ``gap`` or ``reset``, whose ``epoch`` and ``seq`` are the place behind it; it has no ``prev``."""
    ts = to_text(time.time_ns())
    if isinstance(notice, Gap):
        payload: dict[str, object] = {"epoch": notice.epoch, "from": notice.first, "to": notice.last}
        return Event(v=1, source=notice.source, type="gap", payload=payload, ts=ts, epoch=notice.epoch, seq=notice.last)
    payload = {"old": notice.old and str(notice.old), "new": notice.new and str(notice.new), "reason": notice.reason}
    epoch, seq = notice.new or (None, None)
    return Event(v=1, source=notice.source, type="reset", payload=payload, ts=ts, epoch=epoch, seq=seq)
