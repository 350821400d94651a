"""From credentials to a live account: which venue, at which address, and what refuses to start.

What is wrong with this machine or its settings ends the program with a sentence: root, a secret others can read, an address without TLS, two
addresses that do not belong together. What the venue refuses (a token, the account, the right to trade, a clock that is off) does not: the adapter
stays up, takes no order until the venue agrees, and says why (docs/decisions/031). ``arena doctor --live`` asks the same questions beforehand.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from yarl import URL

from brokers.access import CoinbaseAccess, OandaAccess, read_access, refuse_root
from brokers.live.broker import LiveBroker
from brokers.live.venue import Venue
from runtime.clock import Clock
from runtime.http_guard import is_loopback
from runtime.outbound import venue_url
from runtime.program import CannotStart
from trading.instruments import Instruments

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where an account is reached; ``stakes`` says for people what moves there: ``real money``, ``play money of OANDA's practice`` …"""

    rest: str
    stream: str
    stakes: str


def live_broker(source: str, *, instruments: Instruments, clock: Clock, environ: Mapping[str, str]) -> LiveBroker:
    """The account of ``source`` at its venue; nothing has been sent yet.

    Raises:
        CannotStart: root, a secret, a key or an address that cannot be used.
    """
    venue, route = open_venue(source, instruments=instruments, clock=clock, environ=environ)
    refuse_root()
    _log.warning("LIVE: orders go to the venue", extra={"account": venue.account_id, "address": route.rest, "stakes": route.stakes})
    return LiveBroker(venue, instruments=instruments, clock=clock)


def open_venue(source: str, *, instruments: Instruments, clock: Clock, environ: Mapping[str, str]) -> tuple[Venue, Route]:
    """The venue of ``source`` for the credentials in ``environ``, and the way there. ``Venue.open`` is still to be called.

    Raises:
        CannotStart: a secret, a key or an address that cannot be used.
    """
    access = read_access(source, environ)
    if isinstance(access, OandaAccess):
        return _oanda(access, instruments, clock, environ)
    return _coinbase(access, instruments, clock, environ)


def _oanda(access: OandaAccess, instruments: Instruments, clock: Clock, environ: Mapping[str, str]) -> tuple[Venue, Route]:
    from brokers.oanda.hosts import read_hosts  # noqa: PLC0415 - one venue's code is loaded, not all of them
    from brokers.oanda.venue import OandaVenue  # noqa: PLC0415 - as above

    hosts = read_hosts(environ)
    _refuse_two_places("OANDA_BASE_URL", hosts.rest, "OANDA_STREAM_URL", hosts.stream)
    ours = instruments.for_venue("oanda")
    venue = OandaVenue(account_id=access.account_id, token=access.token, hosts=hosts, instruments=ours, clock=clock)
    stakes = {"live": "real money", "practice": "play money of an OANDA practice account"}.get(hosts.kind) or _elsewhere(hosts.rest)
    return venue, Route(rest=hosts.rest, stream=hosts.stream, stakes=stakes)


def _coinbase(access: CoinbaseAccess, instruments: Instruments, clock: Clock, environ: Mapping[str, str]) -> tuple[Venue, Route]:
    from brokers.coinbase.auth import ApiKey, KeyUnusable  # noqa: PLC0415 - one venue's code is loaded, not all of them
    from brokers.coinbase.venue import REST_URL, STREAM_URL, CoinbaseVenue  # noqa: PLC0415 - as above

    route = coinbase_route(environ, rest_url=REST_URL, stream_url=STREAM_URL)
    try:
        key = ApiKey(access.key_name.reveal(), access.key_secret.reveal())
    except KeyUnusable as error:
        raise CannotStart(f"COINBASE_API_KEY and COINBASE_API_SECRET: {error}") from None
    return CoinbaseVenue(key, instruments, clock, rest_url=route.rest, stream_url=route.stream), route


def coinbase_route(environ: Mapping[str, str], *, rest_url: str, stream_url: str) -> Route:
    """The venue's own addresses, or both of them from the environment: signed tokens go to one place, not to two.

    Raises:
        CannotStart: only one of ``COINBASE_BASE_URL`` and ``COINBASE_WS_URL`` is set, or only one of them is on this machine.
    """
    rest = venue_url(environ, "COINBASE_BASE_URL", rest_url)
    stream = venue_url(environ, "COINBASE_WS_URL", stream_url)
    if (rest == rest_url) is not (stream == stream_url):
        raise CannotStart("COINBASE_BASE_URL and COINBASE_WS_URL must be set together, or neither: one key goes to one place")
    _refuse_two_places("COINBASE_BASE_URL", rest, "COINBASE_WS_URL", stream)
    return Route(rest=rest, stream=stream, stakes="real money" if rest == rest_url else _elsewhere(rest))


def _refuse_two_places(first: str, rest: str, second: str, stream: str) -> None:
    if _is_here(rest) is not _is_here(stream):
        raise CannotStart(f"{first} and {second} must both be on this machine, or neither: one key goes to one place")


def _is_here(url: str) -> bool:
    return is_loopback(URL(url).host or "")


def _elsewhere(url: str) -> str:
    return "a simulator on this machine" if _is_here(url) else "real money, as far as anybody knows: the address is not the venue's own"
