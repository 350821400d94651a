"""Where OANDA is: two hosts for real money, two for practice, or a simulator on this machine.

``OANDA_BASE_URL`` chooses; unset it is the live host. A token belongs to one environment and the other refuses it (401), which ``explain_denied``
turns into the sentence a person needs. REST and streams must be of the same environment: half of one account and half of another is no account.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.outbound import venue_url
from runtime.program import CannotStart


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """Base addresses without a final slash; ``kind`` is ``live``, ``practice`` or ``other``."""

    kind: str
    rest: str
    stream: str


LIVE = Hosts(kind="live", rest="https://api-fxtrade.oanda.com", stream="https://stream-fxtrade.oanda.com")
PRACTICE = Hosts(kind="practice", rest="https://api-fxpractice.oanda.com", stream="https://stream-fxpractice.oanda.com")


def read_hosts(environ: Mapping[str, str]) -> Hosts:
    """The hosts that ``OANDA_BASE_URL`` and ``OANDA_STREAM_URL`` mean; the second follows the first where it is not set.

    Raises:
        CannotStart: an address that cannot be, or two of different environments.
    """
    rest = venue_url(environ, "OANDA_BASE_URL", LIVE.rest)
    known = {hosts.rest: hosts for hosts in (LIVE, PRACTICE)}.get(rest)
    if not environ.get("OANDA_STREAM_URL"):
        # A simulator serves both; a token must never go to OANDA because half an address was set.
        return known or Hosts(kind="other", rest=rest, stream=rest)
    stream = venue_url(environ, "OANDA_STREAM_URL", LIVE.stream)
    of_stream = {hosts.stream: hosts for hosts in (LIVE, PRACTICE)}.get(stream)
    if known is not of_stream:
        raise CannotStart(
            f"OANDA_BASE_URL is {rest} and OANDA_STREAM_URL is {stream}: they are of different environments; "
            "set OANDA_BASE_URL alone, the other follows it"
        )
    return known or Hosts(kind="other", rest=rest, stream=stream)


def explain_denied(hosts: Hosts) -> str:
    """What to do when ``hosts`` do not know the token."""
    if hosts.kind == "live":
        return (
            "OANDA's live host does not accept this token. A token of a practice account works only at the practice host: "
            f"set OANDA_BASE_URL={PRACTICE.rest} to use it, or put a token of the live account into OANDA_API_TOKEN_FILE"
        )
    if hosts.kind == "practice":
        return (
            "OANDA's practice host does not accept this token. A token of a live account works only at the live host: "
            "put a token of the practice account into OANDA_API_TOKEN_FILE, or unset OANDA_BASE_URL to trade with real money"
        )
    return f"{hosts.rest} does not accept this token: check OANDA_API_TOKEN_FILE"
