"""The consumer's state machine: whatever the bus does, what comes out is the owner's journal or says what it is not."""

from collections.abc import Sequence

from bus.asking import AHEAD_NS_MAX, JITTER_NS_MAX, POLL_NS, SILENCE_NS_MAX
from bus.cursor import Position
from bus.envelope import Event, chain_hash, decode_event, encode_event
from bus.follower import FLOOR, NOW, Fetch, FetchedPage, Follower, Last, Start
from bus.notices import Alarm, Delivery, Fresh, Gap, Reset, Stale, Synced
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
        for event in events:
            self.follower.event(event, self.now_ns)
        return self.follower.take()

    def beat(self, **changes: object) -> list[Delivery]:
        self.follower.heartbeat(self.owner.heartbeat() | changes, self.now_ns)
        return self.follower.take()

    def heal(self) -> list[Delivery]:
        """Wait as long as a hole may take, then let it ask."""
        self.wait(JITTER_NS_MAX)
        return self.settle()


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


# -- where it starts -------------------------------------------------------------------------------------------------------------------------


def test_from_the_floor_it_delivers_everything_the_owner_has() -> None:
    owner = FakeOwner()
    for _ in range(1203):
        owner.append()
    out = Desk(owner, FLOOR).settle()
    assert out[0] == Synced(source="oanda", position=Position(E1, 0))
    assert seqs(out) == list(range(1, 1204))
    assert len(out) == 1204


def test_from_now_it_delivers_only_what_comes() -> None:
    desk = follow(7, NOW)
    assert seqs(desk.hear(desk.owner.append())) == [8]


def test_from_the_last_three_it_delivers_these_first() -> None:
    owner = FakeOwner()
    for _ in range(7):
        owner.append()
    assert seqs(Desk(owner, Last(3)).settle()) == [5, 6, 7]


def test_from_a_cursor_it_delivers_exactly_what_follows() -> None:
    owner = FakeOwner()
    for _ in range(7):
        owner.append()
    out = Desk(owner, Position(E1, 4)).settle()
    assert out[0] == Synced(source="oanda", position=Position(E1, 4))
    assert seqs(out) == [5, 6, 7]


def test_an_empty_journal_is_followed_from_its_first_event() -> None:
    for start in (FLOOR, NOW, Position(E1, 0)):
        desk = follow(0, start)
        assert seqs(desk.hear(desk.owner.append())) == [1]


def test_what_happens_between_listening_and_the_first_answer_is_not_lost() -> None:
    owner = FakeOwner()
    owner.append()
    desk = Desk(owner, NOW)
    fetch = desk.asks()
    assert fetch is not None
    missed_answer = owner.append()
    desk.hear(missed_answer)
    desk.follower.page(fetch, owner.answer(fetch), desk.now_ns)
    assert seqs(desk.settle()) == [2]


def test_the_event_after_a_resumed_cursor_is_taken_from_the_bus_at_once() -> None:
    """The page asked for at the start holds the event at the cursor too, so the hash that the next one must carry is known."""
    desk = follow(7, Position(E1, 7))
    assert seqs(desk.hear(desk.owner.append())) == [8]


# -- a cursor that means nothing -------------------------------------------------------------------------------------------------------------


def test_a_cursor_of_another_epoch_is_reset_to_the_floor() -> None:
    owner = FakeOwner(epoch=E2)
    owner.append()
    out = Desk(owner, Position(E1, 7)).settle()
    assert out[0] == Reset(source="oanda", old=Position(E1, 7), new=Position(E2, 0), reason="epoch")
    assert seqs(out) == [1]


def test_a_cursor_ahead_of_the_owner_resets_its_reader_without_an_alarm() -> None:
    owner = FakeOwner()
    owner.append()
    out = Desk(owner, Position(E1, 99)).settle()
    assert out[0] == Reset(source="oanda", old=Position(E1, 99), new=Position(E1, 0), reason="ahead")
    assert not [item for item in out if isinstance(item, Alarm)]
    assert seqs(out) == [1]


def test_a_cursor_below_the_floor_gets_a_gap_that_names_what_is_missing() -> None:
    owner = FakeOwner()
    for _ in range(10):
        owner.append()
    owner.trim(8)
    out = Desk(owner, Position(E1, 2)).settle()
    assert Gap(source="oanda", epoch=E1, first=3, last=7) in out
    assert seqs(out) == [8, 9, 10]


def test_a_cursor_right_below_the_floor_has_lost_nothing() -> None:
    owner = FakeOwner()
    for _ in range(10):
        owner.append()
    owner.trim(8)
    out = Desk(owner, Position(E1, 7)).settle()
    assert not [item for item in out if isinstance(item, Gap)]
    assert seqs(out) == [8, 9, 10]


# -- what the bus does -----------------------------------------------------------------------------------------------------------------------


def test_events_in_order_pass_without_asking_the_owner() -> None:
    desk = follow(3)
    pages = desk.follower.pages
    assert seqs(desk.hear(*[desk.owner.append() for _ in range(100)])) == list(range(4, 104))
    assert desk.follower.pages == pages


def test_repeats_are_dropped() -> None:
    desk = follow(3)
    event = desk.owner.append()
    assert seqs(desk.hear(event, event, event)) == [4]
    assert desk.heal() == []


def test_a_hole_is_filled_from_the_owner_and_what_came_after_it_follows() -> None:
    desk = follow(3)
    lost = [desk.owner.append() for _ in range(5)]
    assert desk.hear(*[desk.owner.append() for _ in range(3)]) == []
    assert seqs(desk.heal()) == [*(event.seq for event in lost), 9, 10, 11]
    assert desk.follower.healed == 1


def test_the_owner_is_asked_after_a_random_delay_and_not_at_once() -> None:
    desk = follow(3)
    desk.wait(S)
    desk.owner.append()
    desk.hear(desk.owner.append())
    assert desk.asks() is None
    desk.wait(JITTER_NS_MAX // 2)
    assert desk.asks() is not None


def test_only_one_page_is_asked_for_at_a_time() -> None:
    desk = follow(3)
    desk.owner.append()
    desk.hear(desk.owner.append())
    desk.wait(JITTER_NS_MAX)
    assert desk.asks() is not None
    desk.hear(desk.owner.append())
    desk.wait(JITTER_NS_MAX)
    assert desk.asks() is None
    assert desk.follower.wake_ns is not None
    assert desk.follower.wake_ns > desk.now_ns


def test_events_in_the_wrong_order_come_out_in_the_right_one() -> None:
    desk = follow(3)
    four, five, six = (desk.owner.append() for _ in range(3))
    assert desk.hear(six, five) == []
    assert seqs(desk.hear(four)) == [4, 5, 6]


def test_a_lost_last_event_is_noticed_by_the_heartbeat() -> None:
    desk = follow(3)
    desk.owner.append()
    desk.beat()
    desk.wait(AHEAD_NS_MAX - 1)
    assert desk.asks() is None
    desk.wait(1)
    assert desk.asks() is None  # the random delay begins only now
    assert seqs(desk.heal()) == [4]


def test_a_heartbeat_that_overtook_its_event_asks_nothing() -> None:
    desk = follow(3)
    desk.beat()
    event = desk.owner.append()
    desk.beat()
    desk.hear(event)
    desk.wait(AHEAD_NS_MAX + JITTER_NS_MAX)
    assert desk.asks() is None


def test_three_silent_seconds_are_stale_and_the_owner_is_polled_until_a_heartbeat_comes() -> None:
    desk = follow(3)
    desk.beat()
    desk.wait(SILENCE_NS_MAX)
    desk.owner.append()
    assert desk.settle()[0] == Stale(source="oanda")
    desk.owner.append()
    desk.wait(POLL_NS)
    assert seqs(desk.settle()) == [5]
    assert desk.follower.is_stale
    assert desk.beat() == [Fresh(source="oanda")]
    assert not desk.follower.is_stale


def test_while_the_owner_is_away_it_is_asked_ever_more_slowly_up_to_two_seconds() -> None:
    desk = follow(3)
    desk.wait(SILENCE_NS_MAX)
    waits = []
    for _ in range(8):
        fetch = desk.asks()
        assert fetch is not None
        desk.follower.failed(fetch, desk.now_ns)
        assert desk.follower.wake_ns is not None
        waits.append(desk.follower.wake_ns - desk.now_ns)
        desk.now_ns = desk.follower.wake_ns
    assert waits == sorted(waits)
    assert waits[0] == 225_000_000
    assert waits[-1] == 2 * S


def test_a_heartbeat_after_failures_asks_soon_instead_of_waiting() -> None:
    desk = follow(3)
    desk.wait(SILENCE_NS_MAX)
    for _ in range(6):
        fetch = desk.asks()
        assert fetch is not None
        desk.follower.failed(fetch, desk.now_ns)
        assert desk.follower.wake_ns is not None
        desk.now_ns = desk.follower.wake_ns
    fetch = desk.asks()
    assert fetch is not None
    desk.follower.failed(fetch, desk.now_ns)
    desk.beat()
    assert desk.follower.wake_ns is not None
    assert desk.follower.wake_ns - desk.now_ns <= JITTER_NS_MAX


# -- forgeries and forks ---------------------------------------------------------------------------------------------------------------------


def test_a_forged_next_event_with_a_wrong_hash_is_not_delivered() -> None:
    desk = follow(3)
    assert desk.hear(forge(4)) == []
    real = desk.owner.append()
    assert desk.hear(real) == [real]
    assert not [item for item in desk.heal() if isinstance(item, Alarm)]


def test_a_forged_event_far_ahead_asks_the_owner_once_and_is_forgotten() -> None:
    desk = follow(3)
    assert desk.hear(forge(1_000_000)) == []
    desk.wait(S)
    assert desk.settle() == []
    assert desk.follower.is_caught_up
    for _ in range(20):
        desk.wait(JITTER_NS_MAX)
        desk.beat()
        assert desk.asks() is None


def test_a_forged_heartbeat_from_the_past_is_put_to_the_owner_and_nothing_happens() -> None:
    desk = follow(3)
    desk.beat(last_seq=1)
    assert desk.heal() == []


def test_a_forged_epoch_on_the_bus_is_put_to_the_owner_and_nothing_happens() -> None:
    desk = follow(3)
    desk.hear(forge(4, epoch=E2))
    desk.beat(epoch=E2)
    assert desk.heal() == []
    assert seqs(desk.hear(desk.owner.append())) == [4]


def test_a_forgery_that_carries_the_right_hash_is_found_at_the_next_event_and_raises_the_fork_alarm() -> None:
    desk = follow(3)
    _, _, third = (decode_event(body) for body in desk.owner.bodies.values())
    assert seqs(desk.hear(forge(4, prev=chain_hash(third.body)))) == [4]
    out = desk.hear(desk.owner.append(), desk.owner.append())
    out += desk.heal()
    assert [(item.code, item.seq) for item in out if isinstance(item, Alarm)] == [("source_fork", 5)]
    assert [item.reason for item in out if isinstance(item, Reset)] == ["fork"]
    assert seqs(out) == [1, 2, 3, 4, 5]
    assert [item for item in out if isinstance(item, Event)][3].payload == {"n": 4}


def test_an_owner_that_has_lost_verified_events_raises_the_fork_alarm_and_is_read_again() -> None:
    desk = follow(5)
    desk.owner.roll_back(3)
    desk.beat()
    out = desk.heal()
    assert [(item.code, item.seq) for item in out if isinstance(item, Alarm)] == [("source_fork", 3)]
    assert Reset(source="oanda", old=Position(E1, 5), new=Position(E1, 0), reason="fork") in out
    assert seqs(out) == [1, 2, 3]


def test_an_answer_overtaken_by_the_bus_is_no_fork() -> None:
    """The owner's answer was made before the event that has come over the bus meanwhile."""
    desk = follow(3)
    desk.beat(last_seq=2)
    desk.wait(JITTER_NS_MAX)
    fetch = desk.asks()
    assert fetch is not None
    early = desk.owner.answer(fetch)
    desk.hear(desk.owner.append())
    desk.follower.page(fetch, early, desk.now_ns)
    assert not [item for item in desk.settle() if isinstance(item, Alarm)]


def test_a_journal_that_is_broken_inside_is_said_once_and_then_read_on() -> None:
    owner = FakeOwner()
    for _ in range(3):
        owner.append()
    owner.bodies[2] = forge(2, prev=decode_event(owner.bodies[2]).prev or "").body
    desk = Desk(owner, FLOOR)
    out = desk.settle()
    assert [(item.code, item.seq) for item in out if isinstance(item, Alarm)] == [("source_fork", 3)]
    assert seqs(out) == [1, 2, 1, 2, 3]
    assert desk.follower.is_caught_up


def test_two_instances_taking_turns_raise_an_alarm_and_a_restart_does_not() -> None:
    desk = follow(3)
    assert desk.beat(instance="a" * 16) == []
    assert desk.beat(instance="b" * 16) == []
    assert desk.beat(instance="b" * 16) == []
    assert [item.code for item in desk.beat(instance="a" * 16) if isinstance(item, Alarm)] == ["two_owners"]


# -- what the owner does ---------------------------------------------------------------------------------------------------------------------


def test_a_new_epoch_resets_and_is_delivered_from_its_first_event() -> None:
    desk = follow(5)
    desk.hear(desk.owner.restore(E2))
    out = desk.heal()
    assert out[0] == Reset(source="oanda", old=Position(E1, 5), new=Position(E2, 0), reason="epoch")
    assert seqs(out) == [1]
    assert seqs(desk.hear(desk.owner.append())) == [2]


def test_a_heartbeat_alone_tells_of_a_new_epoch() -> None:
    desk = follow(5)
    desk.owner.restore(E2)
    desk.beat()
    assert [item.reason for item in desk.heal() if isinstance(item, Reset)] == ["epoch"]


def test_a_reset_with_a_limit_goes_on_with_the_last_events() -> None:
    desk = follow(5, resync=Last(2))
    desk.owner.restore(E2)
    for _ in range(9):
        desk.owner.append()
    desk.beat()
    assert seqs(desk.heal()) == [9, 10]


def test_an_answer_from_before_a_reset_is_ignored() -> None:
    desk = follow(5)
    desk.wait(SILENCE_NS_MAX)
    first = desk.asks()
    assert first is not None
    old_answer = desk.owner.answer(first)
    desk.follower.failed(first, desk.now_ns)
    desk.owner.restore(E2)
    desk.wait(2 * S)
    desk.settle()
    desk.follower.page(first, old_answer, desk.now_ns)
    assert desk.follower.position == Position(E2, 1)


def test_events_that_fell_below_the_floor_before_they_were_read_are_a_gap() -> None:
    desk = follow(3)
    for _ in range(10):
        desk.owner.append()
    desk.owner.trim(9)
    desk.beat()
    desk.wait(AHEAD_NS_MAX)
    desk.asks()
    out = desk.heal()
    assert out[0] == Gap(source="oanda", epoch=E1, first=4, last=8)
    assert seqs(out) == [9, 10, 11, 12, 13]


def test_bytes_that_are_no_event_become_a_gap_of_one_after_the_third_time() -> None:
    owner = FakeOwner()
    for _ in range(3):
        owner.append()
    owner.bodies[2] = b"\xc1 not msgpack"
    desk = Desk(owner, FLOOR)
    out = desk.settle()
    assert seqs(out) == [1]
    for _ in range(2):
        desk.wait(S)
        out += desk.settle()
    assert next((item.code, item.seq) for item in out if isinstance(item, Alarm)) == ("bad_event", 2)
    assert Gap(source="oanda", epoch=E1, first=2, last=2) in out
    assert seqs(out)[-1] == 3
    assert desk.follower.is_caught_up


def test_an_owner_that_promises_events_and_gives_none_is_not_asked_in_a_tight_loop() -> None:
    desk = follow(3)
    desk.owner.append()
    desk.beat()
    desk.wait(AHEAD_NS_MAX)
    desk.asks()
    desk.wait(JITTER_NS_MAX)
    asked = 0
    for _ in range(100):
        fetch = desk.asks()
        if fetch is not None:
            asked += 1
            desk.follower.page(fetch, FetchedPage(epoch=E1, first_seq=1, last_seq=4, events=[]), desk.now_ns)
        desk.wait(10_000_000)
    assert 1 <= asked <= 5


# -- through the gateway ---------------------------------------------------------------------------------------------------------------------


def test_without_hashes_the_first_event_is_taken_on_sight_and_the_chain_holds_from_there() -> None:
    desk = follow(3, NOW, on_sight=True)
    desk.follower._hash = None
    first, second = desk.owner.append(), desk.owner.append()
    assert seqs(desk.hear(first)) == [4]
    assert desk.hear(forge(5)) == []
    assert seqs(desk.hear(second)) == [5]
