"""Cursors: text in, the same text out, and nothing else is let in."""

from string import ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.cursor import CURSOR_BYTES_MAX, SEQ_MAX, Cursor, MalformedCursor, Position

EPOCH = "00f1e2d3c4b5a697"
OTHER = "ffffffffffffffff"

# From their parts: st.from_regex draws the same at four times the cost.
sources = st.builds("{}{}".format, st.sampled_from(ascii_lowercase), st.text(ascii_lowercase + digits + "_", max_size=7))
epochs = st.integers(0, 2**64 - 1).map("{:016x}".format)
positions = st.builds(Position, epochs, st.integers(0, SEQ_MAX))
cursors = st.builds(Cursor, st.dictionaries(sources, positions, max_size=6))


@given(cursors)
def test_a_cursor_is_read_back_as_it_was_written(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(cursors)
def test_sources_are_written_in_order(cursor: Cursor) -> None:
    names = [part.partition("@")[0] for part in str(cursor).split(",") if part]
    assert names == sorted(names)


def test_the_form_is_the_documented_one() -> None:
    cursor = Cursor({"oanda": Position(EPOCH, 57), "coinbase": Position(OTHER, 12)})
    assert str(cursor) == f"coinbase@{OTHER}:12,oanda@{EPOCH}:57"


def test_parts_may_come_in_any_order() -> None:
    assert str(Cursor.parse(f"oanda@{EPOCH}:57,coinbase@{OTHER}:12")) == f"coinbase@{OTHER}:12,oanda@{EPOCH}:57"


@pytest.mark.parametrize(
    "text",
    [
        "oanda:57",
        "57",
        f"oanda@{EPOCH}",
        f"oanda@{EPOCH}:",
        f"oanda@{EPOCH}:-1",
        f"oanda@{EPOCH}:01",
        f"oanda@{EPOCH}:１",
        f"oanda@{EPOCH.upper()}:1",
        f"oanda@{EPOCH[1:]}:1",
        f"Oanda@{EPOCH}:1",
        f"oanda@{EPOCH}:1,",
        f",oanda@{EPOCH}:1",
        f"oanda@{EPOCH}:1,oanda@{EPOCH}:2",
        f" oanda@{EPOCH}:1",
        f"oanda@{EPOCH}:1\n",
        f"oanda@{EPOCH}:{SEQ_MAX + 1}",
        "x" * (CURSOR_BYTES_MAX + 1),
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(MalformedCursor):
        Cursor.parse(text)


def test_the_maximum_takes_the_later_of_each_source_and_keeps_what_only_one_knows() -> None:
    mine = Cursor({"oanda": Position(EPOCH, 60), "coinbase": Position(EPOCH, 1)})
    slot = Cursor({"oanda": Position(EPOCH, 57), "coinbase": Position(EPOCH, 2), "rick": Position(EPOCH, 3)})
    assert mine.maximum(slot) == Cursor({"oanda": Position(EPOCH, 60), "coinbase": Position(EPOCH, 2), "rick": Position(EPOCH, 3)})


def test_the_maximum_takes_the_other_epoch_where_they_differ() -> None:
    assert Cursor({"oanda": Position(EPOCH, 60)}).maximum(Cursor({"oanda": Position(OTHER, 1)})) == Cursor({"oanda": Position(OTHER, 1)})


@given(cursors, cursors)
def test_the_maximum_covers_the_cursor_it_was_taken_with(mine: Cursor, other: Cursor) -> None:
    assert mine.maximum(other).covers(other)


def test_a_cursor_does_not_cover_what_is_ahead_unknown_or_of_another_epoch() -> None:
    mine = Cursor({"oanda": Position(EPOCH, 57)})
    assert mine.covers(Cursor({"oanda": Position(EPOCH, 57)}))
    assert not mine.covers(Cursor({"oanda": Position(EPOCH, 58)}))
    assert not mine.covers(Cursor({"oanda": Position(OTHER, 1)}))
    assert not mine.covers(Cursor({"coinbase": Position(EPOCH, 1)}))
