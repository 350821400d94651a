"""A consumer's state machine under test: the follower, the owner it follows, and the time between them."""

from collections.abc import Iterable, Sequence

from bus.asking import JITTER_NS_MAX
from bus.envelope import Event, decode_event, encode_event
from bus.fetch import FLOOR, Fetch, Last, Start
from bus.follower import Follower
from bus.notices import Delivery
from tests.bus.owner import TS_NS, FakeOwner

S = 1_000_000_000
E1, E2 = "00000000000000a1", "00000000000000b2"


class Desk:
    """A follower, the owner it follows, and the time between them."""

    def __init__(self, owner: FakeOwner, start: Start, *, on_sight: bool = False, resync: Last = FLOOR) -> None:
        self.owner = owner
        self.now_ns = 50 * S
        self.follower = Follower(owner.source, start, on_sight=on_sight, resync=resync, jitter=lambda: 0.5)

    def asks(self) -> Fetch | None:
        return self.follower.tick(self.now_ns)

    def settle(self, *, events_max: int = 500) -> list[Delivery]:
        """Let the follower ask as often as it wants to right now, and the owner answer; what came out."""
        while (fetch := self.asks()) is not None:
            self.follower.page(fetch, self.owner.answer(fetch, events_max), self.now_ns)
        return self.follower.take()

    def wait(self, ns: int) -> None:
        self.now_ns += ns

    def hear(self, *events: Event) -> list[Delivery]:
        hear(self.follower, events, self.now_ns)
        return self.follower.take()

    def beat(self, **changes: object) -> list[Delivery]:
        self.follower.heartbeat(self.owner.heartbeat() | changes, self.now_ns)
        return self.follower.take()

    def heal(self) -> list[Delivery]:
        """Wait as long as a hole may take, then let it ask."""
        self.wait(JITTER_NS_MAX)
        return self.settle()


def hear(follower: Follower, events: Iterable[Event], now_ns: int) -> None:
    """``events`` come over the bus, as a consumer takes them."""
    bodies = iter([event.body for event in events])
    while (odd := follower.take_next(bodies)) is not None:
        follower.event(decode_event(odd), now_ns)


def seqs(out: Sequence[Delivery]) -> list[int | None]:
    return [item.seq for item in out if isinstance(item, Event)]


def follow(count: int, start: Start = FLOOR, **options: bool) -> Desk:
    """A follower that has caught up with an owner of ``count`` events."""
    owner = FakeOwner()
    for _ in range(count):
        owner.append()
    desk = Desk(owner, start, **options)
    desk.settle()
    return desk


def forge(seq: int, *, epoch: str = E1, prev: str = "f" * 32, source: str = "oanda") -> Event:
    return decode_event(encode_event(source, "order_filled", {"forged": True}, TS_NS, epoch=epoch, seq=seq, prev=prev))
