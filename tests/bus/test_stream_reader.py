"""A reader's way to the head of the ring, without sockets: which frames it gets, with which ids."""

import re

from bus.cursor import Cursor, Position
from bus.envelope import Event, decode_event
from bus.fetch import Fetch, FetchedPage
from bus.notices import Gap, Reset
from bus.pages import Pages
from bus.ring import Ring
from bus.stream_client import Client
from bus.stream_filter import EVERYTHING, Filter
from bus.stream_reader import Reader
from tests.bus.owner import FakeOwner
from trading.errors import Unavailable

SOURCES = frozenset({"coinbase", "oanda"})


class FakeClient(Client):
    """A client whose transport is a list; with ``reads`` False its buffer is full."""

    def __init__(self, wanted: Filter = EVERYTHING, replay: int = 50) -> None:
        self.sent = b""
        self.filter, self.replay = wanted, replay
        self.index, self.position, self.awaits = None, Cursor(), frozenset()
        self.is_closed = self.is_ready = False
        self._waiter = None

    @property
    def is_full(self) -> bool:
        return False

    def send(self, data: bytes) -> None:
        self.sent += data

    async def write(self, data: bytes) -> None:
        self.send(data)

    def frames(self) -> list[tuple[str, str]]:
        """``(id, what)`` of each frame sent so far: ``oanda 7``, ``gap 3-5`` and the like; they are then forgotten."""
        found = []
        for text in self.sent.decode().split("\n\n")[:-1]:
            lines = dict(line.split(": ", 1) for line in text.split("\n"))
            data = lines.get("data", "")
            number = re.search(r'"source":"(\w+)".*"seq":(\d+)', data)
            found.append((lines.get("id", ""), f"{number[1]} {number[2]}" if number and "event" not in lines else lines.get("event", "")))
        self.sent = b""
        return found


class World:
    """Two owners, a ring that has heard of them, and their pages."""

    def __init__(self, ring_frames: int = 1000) -> None:
        self.ring = Ring(frames_max=ring_frames)
        self.owners = {"coinbase": FakeOwner("coinbase", "c" * 16), "oanda": FakeOwner("oanda", "a" * 16)}
        self.is_silent: set[str] = set()
        self.pages = Pages(self, SOURCES)

    async def fetch(self, fetch: Fetch) -> FetchedPage:
        if fetch.source in self.is_silent:
            raise Unavailable("x")
        return self.owners[fetch.source].answer(fetch)

    async def close(self) -> None: ...

    def add(self, source: str, count: int = 1, *, heard: bool = True) -> None:
        for _ in range(count):
            event = self.owners[source].append()
            if heard:
                self.ring.append(event)

    def hear(self, source: str, first: int, last: int) -> None:
        for seq in range(first, last + 1):
            self.ring.append(decode_event(self.owners[source].bodies[seq]))

    def join(self, source: str, seq: int = 0) -> None:
        self.ring.join(source, Position(self.owners[source].epoch, seq))

    def reader(self, cursor: str | None = None, wanted: Filter = EVERYTHING, replay: int = 50) -> Reader:
        reader = Reader(FakeClient(wanted, replay), self.ring, self.pages, SOURCES)
        if cursor is None:
            reader.begin()
        else:
            assert reader.resume(Cursor.parse(cursor))
        return reader


def at(coinbase: int, oanda: int) -> str:
    return f"coinbase@{'c' * 16}:{coinbase},oanda@{'a' * 16}:{oanda}"


def both(ring_frames: int = 1000) -> World:
    world = World(ring_frames)
    world.join("coinbase")
    world.join("oanda")
    return world


async def frames(reader: Reader) -> list[tuple[str, str]]:
    await reader.catch_up()
    client = reader.client
    assert isinstance(client, FakeClient)
    return client.frames()


async def test_an_id_is_the_later_of_the_readers_place_and_the_rings_at_each_source() -> None:
    """Resumed from a server that had heard more of oanda: nothing of it comes again, and no id goes back behind it."""
    world = both()
    world.add("oanda", 2)
    world.add("coinbase", 1)
    world.add("oanda", 3, heard=False)
    reader = world.reader(at(0, 5))
    assert await frames(reader) == [(at(1, 5), "coinbase 1")]
    assert not reader.may_go_live
    world.hear("oanda", 3, 4)
    world.add("coinbase", 1)
    assert await frames(reader) == [(at(2, 5), "coinbase 2")]
    world.hear("oanda", 5, 5)
    world.add("oanda", 1)
    assert await frames(reader) == [(at(2, 6), "oanda 6")]
    assert reader.may_go_live


async def test_a_reader_at_the_rings_own_place_goes_live_at_once() -> None:
    world = both()
    world.add("oanda", 3)
    reader = world.reader(at(0, 3))
    assert await frames(reader) == []
    assert reader.may_go_live


async def test_frames_come_in_the_rings_order_with_the_rings_ids() -> None:
    world = both()
    world.add("oanda", 2)
    world.add("coinbase", 1)
    world.add("oanda", 1)
    assert await frames(world.reader(at(0, 1))) == [(at(0, 2), "oanda 2"), (at(1, 2), "coinbase 1"), (at(1, 3), "oanda 3")]


async def test_any_id_of_any_reader_resumes_to_exactly_the_rest() -> None:
    world = both(ring_frames=4)
    for _ in range(6):
        world.add("oanda", 2)
        world.add("coinbase", 1)
    whole = await frames(world.reader(at(0, 0)))
    assert sorted(what for _, what in whole) == sorted([f"oanda {n}" for n in range(1, 13)] + [f"coinbase {n}" for n in range(1, 7)])
    for place, (cursor, _) in enumerate(whole):
        rest = [what for _, what in await frames(world.reader(cursor))]
        assert sorted(rest) == sorted(what for _, what in whole[place + 1 :])


async def test_a_reset_in_the_ring_is_passed_on_once_and_not_to_a_reader_who_is_past_it() -> None:
    world = both()
    world.add("oanda", 2)
    begun = world.reader(at(0, 1))
    assert await frames(begun) == [(at(0, 2), "oanda 2")]
    world.owners["oanda"].restore("b" * 16)
    world.ring.append(Reset(source="oanda", old=Position("a" * 16, 2), new=Position("b" * 16, 0), reason="epoch"))
    world.hear("oanda", 1, 1)
    new = f"coinbase@{'c' * 16}:0,oanda@{'b' * 16}:"
    assert await frames(begun) == [(new + "0", "reset"), (new + "1", "oanda 1")]
    assert begun.may_go_live
    assert await frames(world.reader(new + "0")) == [(new + "1", "oanda 1")]
    fresh = world.reader()
    assert [what for _, what in await frames(fresh)] == ["oanda 1", "oanda 2", "reset", "oanda 1"]
    late = world.reader(at(0, 2))
    assert await frames(late) == [(new + "0", "reset"), (new + "1", "oanda 1")]


async def test_a_gap_in_the_ring_is_passed_on_whatever_the_types() -> None:
    world = both()
    world.ring.append(Gap(source="oanda", epoch="a" * 16, first=1, last=4))
    assert await frames(world.reader(at(0, 0), Filter(types=frozenset({"nothing"})))) == [(at(0, 4), "gap")]
    assert await frames(world.reader(at(0, 0), Filter(sources=frozenset({"coinbase"})))) == []
    assert await frames(world.reader(at(0, 4))) == []


async def test_a_cursor_ahead_is_put_to_the_owner_and_believed_when_it_agrees() -> None:
    world = both()
    world.add("oanda", 2)
    world.add("oanda", 2, heard=False)
    reader = world.reader(at(0, 3))
    assert await frames(reader) == [(at(0, 4), "oanda 4")]
    assert reader.client.position == Cursor.parse(at(0, 4))


async def test_a_cursor_ahead_of_its_owner_or_of_a_silent_one_is_reset_to_the_last_events() -> None:
    for silent in (set(), {"oanda"}):
        world = both()
        world.add("oanda", 5)
        world.is_silent = silent
        reader = world.reader(at(0, 99), replay=2)
        assert await frames(reader) == [(at(0, 3), "reset"), (at(0, 4), "oanda 4"), (at(0, 5), "oanda 5")]
        assert reader.may_go_live


async def test_what_a_silent_owner_keeps_is_held_until_it_speaks_and_the_other_source_goes_on() -> None:
    world = both(ring_frames=3)
    world.add("oanda", 9)
    world.is_silent = {"oanda"}
    reader = world.reader(at(0, 2))
    assert await frames(reader) == []
    assert reader.is_held
    world.add("coinbase", 2)
    world.add("oanda", 1)
    assert await frames(reader) == [(at(1, 2), "coinbase 1"), (at(2, 2), "coinbase 2")]
    assert not reader.may_go_live
    world.is_silent = set()
    reader._settled_s -= 10
    await reader.retry_held()
    assert await frames(reader) == [(at(2, seq), f"oanda {seq}") for seq in range(3, 11)]
    assert not reader.is_held


async def test_a_reader_overtaken_by_the_ring_reads_the_rest_from_the_owners() -> None:
    world = both(ring_frames=4)
    reader = world.reader()
    world.add("oanda", 30)
    assert reader.client.index is not None
    assert reader.client.index < world.ring.base
    assert [what for _, what in await frames(reader)] == [f"oanda {seq}" for seq in range(1, 31)]
    assert reader.may_go_live


async def test_a_filtered_reader_moves_past_what_it_does_not_want() -> None:
    world = both(ring_frames=4)
    world.add("oanda", 8)
    world.add("coinbase", 3)
    reader = world.reader(at(0, 0), Filter(sources=frozenset({"coinbase"})))
    assert [what for _, what in await frames(reader)] == ["coinbase 1", "coinbase 2", "coinbase 3"]
    assert str(reader.client.position) == at(3, 8)
    assert reader.may_go_live


async def test_the_last_events_that_pass_the_filter_come_first() -> None:
    world = both()
    world.add("coinbase", 3)
    world.add("oanda", 80)
    reader = world.reader(None, Filter(sources=frozenset({"coinbase"})), replay=2)
    assert [what for _, what in await frames(reader)] == ["coinbase 2", "coinbase 3"]


async def test_a_bad_event_of_an_owner_is_a_gap_of_one() -> None:
    world = both(ring_frames=2)
    world.add("oanda", 8)
    world.owners["oanda"].bodies[3] = b"\xc1"
    assert [what for _, what in await frames(world.reader(at(0, 1)))] == ["oanda 2", "gap", *(f"oanda {seq}" for seq in range(4, 9))]


def test_a_page_knows_events_of_its_place_only() -> None:
    """Guards the helper: a fake that answers with the wrong events would make the tests above pass for nothing."""
    owner = FakeOwner()
    event = owner.append()
    assert isinstance(event, Event)
    assert owner.answer(Fetch(source="oanda", epoch=None, after=0, limit=5)).events == [event.body]
