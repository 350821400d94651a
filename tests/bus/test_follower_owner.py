"""Whatever the owner does (begins anew, prunes, answers late or with nonsense), a consumer says what is missing; also through the gateway."""

from bus.asking import AHEAD_NS_MAX, JITTER_NS_MAX, SILENCE_NS_MAX
from bus.cursor import Position
from bus.fetch import FLOOR, NOW, FetchedPage, Last
from bus.notices import Alarm, Gap, Reset
from tests.bus.following import E1, E2, Desk, S, follow, forge, seqs
from tests.bus.owner import FakeOwner


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


def test_without_hashes_the_first_event_is_taken_on_sight_and_the_chain_holds_from_there() -> None:
    desk = follow(3, NOW, on_sight=True)
    desk.follower._hash = None
    first, second = desk.owner.append(), desk.owner.append()
    assert seqs(desk.hear(first)) == [4]
    assert desk.hear(forge(5)) == []
    assert seqs(desk.hear(second)) == [5]
