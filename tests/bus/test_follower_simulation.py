"""The state machine under a hostile bus: drops, repeats, reorders, forgeries, outages, restores and trims all end in the owner's journal."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.cursor import Position
from bus.envelope import Event, decode_event, encode_event
from bus.fetch import FLOOR, NOW, Fetch, FetchedPage, Last, Start
from bus.follower import Follower
from bus.notices import Alarm, Delivery, Gap, Reset, Synced
from tests.bus.following import hear
from tests.bus.owner import TS_NS, FakeOwner

MS = 1_000_000

OPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 8)),
    st.tuples(st.just("live"), st.integers(1, 3)),  # appended and delivered at once, as on a quiet day
    st.tuples(st.just("publish"), st.integers(0, 3)),  # how far down the queue of what was published the delivered one lies: reorder
    st.tuples(st.just("drop"), st.just(0)),
    st.tuples(st.just("repeat"), st.integers(0, 50)),
    st.tuples(st.just("forge"), st.sampled_from([0, 0, 0, 1, 2, -3, 2000])),
    st.tuples(st.just("forge epoch"), st.integers(1, 50)),
    st.tuples(st.just("forge beat"), st.integers(0, 100)),
    st.tuples(st.just("beat"), st.just(0)),
    st.tuples(st.just("answer"), st.integers(1, 500)),
    st.tuples(st.just("lose answer"), st.just(0)),
    st.tuples(st.just("late answer"), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 4000)),
    st.tuples(st.just("restore"), st.just(0)),
    st.tuples(st.just("trim"), st.integers(1, 30)),
)
STARTS = st.sampled_from([FLOOR, NOW, Last(3), Position("00000000000000a1", 2), Position("00000000000000a1", 90), Position("ee" * 8, 4)])


class World:
    """The follower, its owner, and what lies between them."""

    def __init__(self, start: Start) -> None:
        self.owner = FakeOwner()
        self.epochs = 0
        self.now_ns = 0
        self.published: list[Event] = []
        self.seen: list[Event] = []
        self.outstanding: Fetch | None = None
        self.held: FetchedPage | None = None
        self.out: list[Delivery] = []
        for _ in range(5):
            self.owner.append()
        self.follower = Follower("oanda", start, jitter=lambda: 0.5)

    def step(self, op: str, number: int) -> None:
        match op:
            case "append":
                self.published += [self.owner.append() for _ in range(number)]
            case "live":
                events = [self.owner.append() for _ in range(number)]
                self.seen += events
                hear(self.follower, events, self.now_ns)
            case "publish" if self.published:
                event = self.published.pop(min(number, len(self.published) - 1))
                self.seen.append(event)
                hear(self.follower, [event], self.now_ns)
            case "drop" if self.published:
                self.published.pop(0)
            case "repeat" if self.seen:
                hear(self.follower, [self.seen[number % len(self.seen)]], self.now_ns)
            case "forge" | "forge epoch":
                epoch = self.owner.epoch if op == "forge" else "f" * 16
                seq = max(1, (self.follower.position.seq if self.follower.position else 0) + 1 + number)
                body = encode_event("oanda", "order_filled", {"forged": True}, TS_NS, epoch=epoch, seq=seq, prev="f" * 32)
                hear(self.follower, [decode_event(body)], self.now_ns)
            case "forge beat":
                self.follower.heartbeat(self.owner.heartbeat() | {"last_seq": number}, self.now_ns)
            case "beat":
                self.follower.heartbeat(self.owner.heartbeat(), self.now_ns)
            case "answer" if self.outstanding:
                self.answer(self.held or self.owner.answer(self.outstanding, number))
            case "late answer" if self.outstanding:
                self.held = self.owner.answer(self.outstanding)
            case "lose answer" if self.outstanding:
                self.follower.failed(self.outstanding, self.now_ns)
                self.outstanding = self.held = None
            case "wait":
                self.now_ns += number * MS
            case "restore":
                self.epochs += 1
                self.published.append(self.owner.restore(f"{self.epochs:016x}"))
            case "trim":
                self.owner.trim(number)
        self.look()

    def answer(self, page: FetchedPage) -> None:
        assert self.outstanding is not None
        fetch, self.outstanding, self.held = self.outstanding, None, None
        self.follower.page(fetch, page, self.now_ns)

    def look(self) -> None:
        fetch = self.follower.tick(self.now_ns)
        if fetch is not None:
            assert self.outstanding is None, "one page at a time"
            self.outstanding = fetch
        self.out += self.follower.take()

    def calm(self) -> None:
        """The faults are over: heartbeats come, the owner answers. Ten seconds are more than anything may take."""
        for _ in range(100):
            self.step("beat", 0)
            while self.outstanding:
                self.step("answer", 500)
            self.step("wait", 100)


def check(world: World, start: Start) -> None:
    """Everything that came out is the owner's, byte for byte and in order, and what did not come out was said."""
    place: Position | None = start if isinstance(start, Position) else None
    for item in world.out:
        match item:
            case Synced():
                assert place is None or place == item.position
                place = item.position
            case Reset():
                assert item.reason in {"epoch", "ahead"}
                assert place == item.old
                place = item.new
            case Gap():
                assert place == Position(item.epoch, item.first - 1)
                place = Position(item.epoch, item.last)
            case Event():
                assert place is not None
                assert (item.epoch, item.seq) == (place.epoch, place.seq + 1)
                assert item.body == world.owner.history[place.epoch, place.seq + 1]
                place = Position(place.epoch, place.seq + 1)
            case Alarm():
                raise AssertionError(f"no fork was made, and yet: {item}")
    assert place == Position(world.owner.epoch, world.owner.last_seq)
    assert world.follower.is_caught_up


@settings(max_examples=400, deadline=None)
@given(start=STARTS, schedule=st.lists(OPS, max_size=120))
def test_what_comes_out_is_the_owners_journal_or_says_what_is_missing(start: Start, schedule: list[tuple[str, int]]) -> None:
    world = World(start)
    world.look()
    for op, number in schedule:
        world.step(op, number)
    world.calm()
    check(world, start)
