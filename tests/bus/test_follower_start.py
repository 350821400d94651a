"""Where a consumer begins: the floor, now, the last few, a cursor, and a cursor that means nothing."""

from bus.cursor import Position
from bus.fetch import FLOOR, NOW, Last
from bus.notices import Alarm, Gap, Reset, Synced
from tests.bus.following import E1, E2, Desk, follow, seqs
from tests.bus.owner import FakeOwner


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
