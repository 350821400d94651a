"""Which OANDA is meant: real money, practice, or a simulator, and never a half of each."""

import pytest

from brokers.oanda.hosts import LIVE, PRACTICE, explain_denied, read_hosts
from runtime.program import CannotStart


def test_unset_is_the_live_host_and_one_variable_chooses_practice() -> None:
    assert read_hosts({}) == LIVE
    assert read_hosts({"OANDA_BASE_URL": PRACTICE.rest}) == PRACTICE
    assert read_hosts({"OANDA_BASE_URL": PRACTICE.rest, "OANDA_STREAM_URL": PRACTICE.stream}) == PRACTICE


def test_a_simulators_streams_never_lead_to_oanda() -> None:
    hosts = read_hosts({"OANDA_BASE_URL": "http://127.0.0.1:8871"})
    assert (hosts.rest, hosts.stream, hosts.kind) == ("http://127.0.0.1:8871", "http://127.0.0.1:8871", "other")


@pytest.mark.parametrize(
    "environ",
    [
        {"OANDA_BASE_URL": PRACTICE.rest, "OANDA_STREAM_URL": LIVE.stream},
        {"OANDA_BASE_URL": LIVE.rest, "OANDA_STREAM_URL": PRACTICE.stream},
        {"OANDA_STREAM_URL": PRACTICE.stream},
        {"OANDA_BASE_URL": "http://127.0.0.1:8871", "OANDA_STREAM_URL": LIVE.stream},
        {"OANDA_BASE_URL": "http://api-fxtrade.oanda.com"},
    ],
)
def test_two_environments_and_clear_text_are_refused(environ: dict[str, str]) -> None:
    with pytest.raises(CannotStart):
        read_hosts(environ)


def test_who_brings_the_token_of_the_other_environment_is_told_so() -> None:
    assert "practice account works only at the practice host" in explain_denied(LIVE)
    assert "live account works only at the live host" in explain_denied(PRACTICE)
    assert "127.0.0.1" in explain_denied(read_hosts({"OANDA_BASE_URL": "http://127.0.0.1:8871"}))
