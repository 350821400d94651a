"""The ring: bounded in frames and in bytes, and always able to say where a place is."""

from hypothesis import given
from hypothesis import strategies as st

from bus.cursor import Cursor, Position
from bus.notices import Gap, Reset
from bus.ring import Kind, Ring
from tests.bus.owner import FakeOwner

E = "00000000000000a1"


def filled(count: int, **limits: int) -> tuple[Ring, FakeOwner]:
    ring, owner = Ring(**limits), FakeOwner()
    ring.join("oanda", Position(E, 0))
    for _ in range(count):
        ring.append(owner.append())
    return ring, owner


def test_it_never_holds_more_frames_than_it_may_and_a_sixteenth() -> None:
    ring, owner = filled(0, frames_max=160)
    for _ in range(2000):
        ring.append(owner.append())
        assert ring.head - ring.base <= 170
    assert ring.head == 2000


def test_it_never_holds_more_bytes_than_it_may_and_a_sixteenth() -> None:
    ring, owner = filled(0, bytes_max=160_000)
    for _ in range(100):
        ring.append(owner.append(text="x" * 8000))
        held = sum(len(frame.wire) for frame in ring.slice(ring.base, 1000))
        assert held <= 170_000
    assert held > 100_000


def test_one_frame_larger_than_the_ring_is_still_sent() -> None:
    ring, owner = filled(3, bytes_max=1000)
    frame = ring.append(owner.append(text="x" * 8000))
    assert ring.slice(ring.head - 1, 1) == [frame]


@given(count=st.integers(0, 80), frames_max=st.integers(1, 40))
def test_everything_behind_before_is_in_the_ring_and_nothing_else(count: int, frames_max: int) -> None:
    ring, _ = filled(count, frames_max=frames_max)
    track = ring.tracks["oanda"]
    assert track.last == count
    for seq in range(track.before, count):
        index = track.index_after(seq)
        assert index is not None
        assert ring.slice(index, 1)[0].seq == seq + 1
        assert ring.cursor_at(index)["oanda"].seq == seq
    assert track.index_after(count) is None
    assert ring.head - ring.base == count - track.before
    assert ring.cursor_at(ring.base)["oanda"].seq == track.before


def test_back_finds_the_place_before_the_last_frames() -> None:
    ring, _ = filled(10, frames_max=100)
    assert ring.tracks["oanda"].back(3) == 7
    assert ring.tracks["oanda"].back(0) == 10
    assert ring.tracks["oanda"].back(99) == 0


def test_a_gap_takes_the_place_of_what_is_missing() -> None:
    ring, _ = filled(2)
    frame = ring.append(Gap(source="oanda", epoch=E, first=3, last=9))
    assert frame.kind is Kind.GAP
    assert frame.wire == f'id: oanda@{E}:9\nevent: gap\ndata: {{"source":"oanda","epoch":"{E}","from":3,"to":9}}\n\n'.encode()
    assert ring.tracks["oanda"].index_after(5) == ring.head - 1


def test_a_reset_begins_the_source_anew() -> None:
    ring, _ = filled(5)
    ring.append(Reset(source="oanda", old=Position(E, 5), new=Position("b" * 16, 2), reason="epoch"))
    track = ring.tracks["oanda"]
    assert (track.epoch, track.before, track.last) == ("b" * 16, 2, 2)
    assert ring.cursor == Cursor({"oanda": Position("b" * 16, 2)})
    assert ring.id_text == str(ring.cursor)


def test_the_cursor_is_one_object_for_all_who_ask_at_the_same_place() -> None:
    ring, owner = filled(2)
    first = ring.cursor
    assert ring.cursor is first
    ring.append(owner.append())
    assert ring.cursor is not first
    assert ring.cursor["oanda"].seq == 3


@given(st.lists(st.tuples(st.sampled_from(["coinbase", "oanda"]), st.booleans(), st.text(max_size=5)), max_size=60), st.data())
def test_what_was_laid_in_unread_is_read_as_if_it_had_been_written_at_once(events: list[tuple[str, bool, str]], data: st.DataObject) -> None:
    """The same bytes, ids and places, whichever frames were kept unwritten and whenever they are read; and only what was read is written."""
    owners = {"coinbase": FakeOwner("coinbase", "c" * 16), "oanda": FakeOwner("oanda", E)}
    written, lazy = Ring(frames_max=40), Ring(frames_max=40)
    for ring in (written, lazy):
        for source in ("oanda", "coinbase"):
            ring.join(source, Position(owners[source].epoch, 0))
    for source, unread, text in events:
        event = owners[source].append(instrument=text, price=1.5)
        written.append(event)
        if unread:
            lazy.append_unread(event)
        else:
            lazy.append(event)
        assert (lazy.base, lazy.head, lazy.id_text) == (written.base, written.head, written.id_text)
        if data.draw(st.booleans()):
            index = data.draw(st.integers(lazy.base, lazy.head))
            assert lazy.cursor_at(index) == written.cursor_at(index)
            assert lazy.slice(index, 3) == written.slice(index, 3)
    for index in range(lazy.base, lazy.head):
        kept, whole = lazy.peek(index), written.peek(index)
        assert (kept.kind, kept.type, kept.instrument, kept.cursor) == (whole.kind, whole.type, whole.instrument, whole.cursor)
    assert lazy.slice(lazy.base, 100) == written.slice(written.base, 100)
    assert [lazy.peek(index) for index in range(lazy.base, lazy.head)] == written.slice(written.base, 100)


def test_frames_that_grow_as_they_are_written_are_counted_again() -> None:
    """What readers wrote counts as much as it is, and the frames that are too many go with the next one."""
    ring, owner = filled(0, bytes_max=160_000)
    for _ in range(15):
        ring.append_unread(owner.append(text="\u00e9" * 4000))  # two bytes in the journal, six in a line of JSON
    assert ring.head - ring.base == 15
    assert sum(len(frame.wire) for frame in ring.slice(ring.base, 1000)) > 300_000
    ring.append_unread(owner.append())
    assert sum(len(frame.wire) for frame in ring.slice(ring.base, 1000)) <= 170_000
