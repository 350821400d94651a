"""bus/frames.py: whatever an event holds, its line is one line of printable ASCII that means the same."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bus.envelope import Event
from bus.frames import event_line, named

scalars = st.one_of(
    st.text(max_size=40), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)
payloads = st.dictionaries(st.text(max_size=20), st.one_of(scalars, st.lists(scalars, max_size=4)), max_size=6)


@given(payload=payloads)
def test_a_line_is_printable_ascii_and_means_what_the_event_holds(payload: dict[str, object]) -> None:
    event = Event(v=1, source="oanda", type="oco_placed", payload=payload, ts="2026-01-01T00:00:00.000000Z", epoch="0" * 16, seq=1, prev="0" * 32)
    for line in (event_line(event)[:-1], named("gap", payload).split(b"data: ", 1)[1][:-2]):
        assert all(0x20 <= byte < 0x7F for byte in line)
    shown = json.loads(event_line(event))
    assert shown["payload"] == payload
    assert list(shown) == ["source", "type", "payload", "ts", "epoch", "seq"]


def test_an_everyday_event_is_written_as_it_always_was() -> None:
    """Its bytes are those of Python's own encoder: streams of both kinds may be compared byte by byte."""
    payload = {
        "entry": 1.1655,
        "units": 100,
        "ttl_expires_at": 1763870000.123,
        "text": 'a "b" \\ \n ü \u2028',
        "none": None,
        "yes": True,
        "small": 0.00001,
    }
    event = Event(v=1, source="oanda", type="x", payload=payload, ts="t")
    expected = json.dumps({"source": "oanda", "type": "x", "payload": payload, "ts": "t"}, separators=(",", ":"))
    assert event_line(event) == expected.encode() + b"\n"
