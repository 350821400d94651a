"""What readers ask for: names let through, everything else refused by name."""

import pytest

from bus.stream_filter import EVERYTHING, NAMES_MAX, REPLAY_DEFAULT, read_stream_query
from trading.errors import InvalidRequest


def test_nothing_asked_for_is_everything_and_the_last_fifty() -> None:
    query = read_stream_query({}, None)
    assert query.filter is EVERYTHING
    assert query.replay == REPLAY_DEFAULT == 50
    assert query.last_event_id is None


def test_lists_have_commas_and_empty_ones_are_none() -> None:
    query = read_stream_query({"types": "order_filled, oco_placed,", "sources": "", "instruments": "EUR_USD,BTC-USD"}, None)
    assert query.filter.types == {"order_filled", "oco_placed"}
    assert query.filter.sources is None
    assert query.filter.instruments == {"EUR_USD", "BTC-USD"}


def test_equal_filters_are_equal_whatever_their_order() -> None:
    one, two = (read_stream_query({"types": text}, None).filter for text in ("a,b", "b,a,a"))
    assert one == two
    assert hash(one) == hash(two)


@pytest.mark.parametrize(
    ("types", "sources", "expected"),
    [("", "", True), ("heartbeat", "", True), ("narration", "", False), ("", "arena", True), ("", "oanda", False)],
)
def test_heartbeats_belong_to_source_arena(types: str, sources: str, expected: bool) -> None:
    assert read_stream_query({"types": types, "sources": sources}, None).filter.admits_heartbeats is expected


def test_the_header_wins_even_when_it_is_nonsense() -> None:
    assert read_stream_query({"last_event_id": "a"}, "b").last_event_id == "b"
    assert read_stream_query({"last_event_id": "a"}, None).last_event_id == "a"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"type": "order_filled"}, "UNKNOWN_PARAMETER"),
        ({"types": "order filled"}, "INVALID_PARAMETER"),
        ({"types": "a" * 33}, "INVALID_PARAMETER"),
        ({"types": ",".join(["a"] * (NAMES_MAX + 1))}, "INVALID_PARAMETER"),
        ({"sources": "oan\nda"}, "INVALID_PARAMETER"),
        ({"instruments": "eur_usd"}, "INVALID_PARAMETER"),
        ({"quotes": "EUR/USD"}, "INVALID_PARAMETER"),
        ({"replay": "-1"}, "INVALID_PARAMETER"),
        ({"replay": "٣"}, "INVALID_PARAMETER"),
        ({"replay": "1" * 5000}, "INVALID_PARAMETER"),
    ],
)
def test_what_is_none_is_refused(query: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_stream_query(query, None)
    assert refusal.value.code == code
