"""OANDA's lines and refusals in words of ours, and what must be set before it is asked."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.oanda.hosts import read_hosts
from market_data.feeds.oanda import read_access, read_line, refusal_of
from market_data.feeds.venue_stream import Garbage, Heartbeat, Price
from runtime.outbound import Answer
from runtime.program import CannotStart
from tests.market_data.conftest import MONDAY_NS, S

PRICE: Mapping[str, Any] = {
    "type": "PRICE",
    "instrument": "EUR_USD",
    "time": "2025-11-24T14:00:00.500000123Z",
    "bids": [{"price": "1.13841", "liquidity": 500000}, {"price": "1.13840", "liquidity": 2000000}],
    "asks": [{"price": "1.13849", "liquidity": "1000000"}],
    "closeoutBid": "1.13830",
    "closeoutAsk": "1.13860",
    "status": "tradeable",
    "tradeable": True,
    "neverSeenBefore": {"a": [1]},
}


def read(**changes: Any) -> Any:
    (message,) = read_line(json.dumps({name: value for name, value in {**PRICE, **changes}.items() if value is not None}).encode())
    return message


def test_the_best_level_of_each_side_is_the_price_to_the_last_digit():
    assert read() == Price(
        instrument="EUR_USD",
        bid=Decimal("1.13841"),
        ask=Decimal("1.13849"),
        bid_size=Decimal(500_000),
        ask_size=Decimal(1_000_000),
        time_ns=MONDAY_NS + S // 2,
    )


def test_a_price_without_sizes_has_none_and_an_older_capture_has_fractions():
    assert read(bids=[{"price": "1.1"}]).bid_size is None
    assert read(bids=[{"price": "1.1", "liquidity": 0.5}]).bid_size == Decimal("0.5")


def test_a_price_that_is_not_tradeable_needs_no_ladder():
    message = read(tradeable=False, bids=[], asks=[])
    assert (message.instrument, message.tradeable) == ("EUR_USD", False)


def test_a_heartbeat_has_the_venues_time_and_new_types_are_passed_over():
    assert read_line(b'{"type":"HEARTBEAT","time":"2025-11-24T14:00:05.000000000Z"}') == [Heartbeat(time_ns=MONDAY_NS + 5 * S)]
    assert read_line(b'{"type":"NEWS","text":"hello"}') == []


@pytest.mark.parametrize(
    "changes",
    [
        {"bids": []},
        {"bids": None},
        {"bids": [7]},
        {"bids": [{"liquidity": 1}]},
        {"bids": [{"price": "NaN"}]},
        {"bids": [{"price": "-1.1"}]},
        {"bids": [{"price": "1e999999"}]},
        {"bids": [{"price": "1.1234567890123456"}]},
        {"bids": [{"price": "1.1", "liquidity": "many"}]},
        {"asks": [{"price": True}]},
        {"time": "yesterday"},
        {"time": "2025-11-24T14:00:00"},
        {"time": None},
        {"instrument": None},
        {"tradeable": "yes"},
        {"type": None},
    ],
)
def test_what_cannot_be_read_is_garbage(changes: dict[str, Any]):
    assert isinstance(read(**changes), Garbage)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"7", b'"PRICE"', b"\xff\xfe", b'{"type":"PRICE","type":"PRICE"}', b"[" * 100_000])
def test_what_is_no_message_is_garbage(line: bytes):
    (message,) = read_line(line)
    assert isinstance(message, Garbage)


def given(tmp_path: Path, **more: str) -> dict[str, str]:
    """An environment with both credentials in files."""
    environ = {}
    for name, text in (("OANDA_API_TOKEN", "s3cret"), ("OANDA_ACCOUNT_ID", "101-001-1-001")):
        path = tmp_path / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        environ[f"{name}_FILE"] = str(path)
    return environ | more


def test_credentials_come_from_files_and_show_in_no_repr(tmp_path: Path):
    access = read_access(given(tmp_path))
    assert (access.account, access.headers["Authorization"]) == ("101-001-1-001", "Bearer s3cret")
    assert "s3cret" not in repr(access)


LIVE, PRACTICE, HERE = "fxtrade.oanda.com", "fxpractice.oanda.com", "http://127.0.0.1"


@pytest.mark.parametrize(
    ("rest", "stream"),
    [
        ("", ""),
        (f"https://api-{PRACTICE}", ""),
        (f"https://api-{PRACTICE}/", f"https://stream-{PRACTICE}"),
        (f"https://api-{LIVE}", f"https://stream-{LIVE}"),
        ("", f"https://stream-{LIVE}"),
        (f"{HERE}:9", ""),
        (f"{HERE}:9", f"{HERE}:8"),
        ("", f"https://stream-{PRACTICE}"),
        (f"https://api-{PRACTICE}", f"https://stream-{LIVE}"),
        ("", f"{HERE}:8"),
        (f"{HERE}:9", f"https://stream-{LIVE}"),
        ("http://oanda.example", ""),
    ],
)
def test_the_feed_and_the_adapter_mean_the_same_hosts(tmp_path: Path, rest: str, stream: str):
    """Prices of one environment beside orders in another would be a screen that lies; and a token must never go to two places."""
    environ = given(tmp_path, **{name: url for name, url in (("OANDA_BASE_URL", rest), ("OANDA_STREAM_URL", stream)) if url})
    try:
        hosts = read_hosts(environ)
    except CannotStart:
        with pytest.raises(CannotStart, match="OANDA_BASE_URL"):
            read_access(environ)
    else:
        access = read_access(environ)
        assert (access.rest_url, access.stream_url) == (hosts.rest, hosts.stream)


def test_a_simulator_on_this_machine_and_a_host_elsewhere_are_two_places(tmp_path: Path):
    with pytest.raises(CannotStart, match="OANDA_BASE_URL"):
        read_access(given(tmp_path, OANDA_BASE_URL="https://sim.example", OANDA_STREAM_URL=f"{HERE}:8"))


@pytest.mark.parametrize("left", [(), ("OANDA_API_TOKEN_FILE",), ("OANDA_ACCOUNT_ID_FILE",)])
def test_what_is_missing_is_said_by_name(tmp_path: Path, left: tuple[str, ...]):
    environ = {name: value for name, value in given(tmp_path).items() if name in left}
    with pytest.raises(CannotStart) as refused:
        read_access(environ)
    for name in ("OANDA_API_TOKEN", "OANDA_ACCOUNT_ID"):
        assert (f"{name}_FILE" in str(refused.value)) == (f"{name}_FILE" not in left)


def test_refusals_say_what_to_set_and_trouble_that_passes_is_none():
    def answer(status: int, body: bytes = b"{}") -> Answer:
        return Answer(status=status, headers={}, body=body)

    assert "OANDA_API_TOKEN_FILE" in str(refusal_of(answer(401, b"<html>")))
    said = str(refusal_of(answer(400, b'{"errorMessage":"Invalid value specified for \'instruments\'\\n\\u001b[31m"}')))
    assert "Invalid value specified" in said
    assert "\x1b" not in said
    assert "\n" not in said
    assert [refusal_of(answer(status)) for status in (429, 500, 502, 503)] == [None] * 4
