"""Everything that can be asked of a venue before real money moves there, one finding a line. Looks only: nothing is placed.

It opens the venue as the adapter does (token, account, right to trade, precision, funds: ``Venue.open``), waits for its stream, and compares clocks.
Each finding is ok, warn or fail and says what to do; the adapter itself refuses orders for as long as ``Venue.open`` is refused.
"""

import asyncio
import email.utils
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from typing import cast

from brokers.credentials import NAMES, why_paper
from brokers.going_live import Route, open_venue
from brokers.live.venue import Venue, VenueInfo, VenueRefused
from runtime.clock import NS_PER_S, Clock
from runtime.outbound import Outbound, OutboundError
from runtime.program import CannotStart
from trading.instruments import Instruments
from trading.money import plain

# Of the credentials, those that must not be read by others; an account's number and a key's name may.
SECRETS = ("OANDA_API_TOKEN", "COINBASE_API_SECRET")

OK, WARN, FAIL = "ok", "warn", "fail"

OPEN_S_MAX = 40.0
STREAM_S_MAX = 20.0
# Of a good clock the Date header differs by its own second; a time to live and a signature bear a few more, and then no longer.
SKEW_S_WARN, SKEW_S_FAIL = 3.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``source`` is a broker, empty for the arena as a whole; ``level`` is ok, warn or fail."""

    source: str
    check: str
    level: str
    say: str


async def examine(source: str, *, instruments: Instruments, clock: Clock, environ: Mapping[str, str]) -> list[Finding]:
    """What there is to say about trading real money at ``source``; one line when it has no credentials."""
    try:
        reason = why_paper(source, execution_enabled=True, environ=environ)
        if reason is not None:
            return [Finding(source=source, check="credentials", level=OK, say=f"none: {source} stays paper ({' and '.join(NAMES[source])})")]
        venue, route = open_venue(source, instruments=instruments, clock=clock, environ=environ)
    except CannotStart as error:
        return [Finding(source=source, check="credentials", level=FAIL, say=str(error))]
    said = _Said(source)
    in_environment = [name for name in SECRETS if name in NAMES[source] and environ.get(name)]
    said.add(
        "credentials",
        WARN if in_environment else OK,
        f"{', '.join(in_environment)} in the environment: a file of mode 0600 named in {in_environment[0]}_FILE shows less of it"
        if in_environment
        else "in files that only you can read",
    )
    said.add("address", OK if route.stakes == "real money" else WARN, f"{route.rest}: {route.stakes}")
    try:
        info = await _opened(venue, said)
        if info is not None:
            _compare(info, instruments, said)
            await _stream(venue, said)
        await _clock(route, clock, said)
    finally:
        await venue.aclose()
    return said.findings


class _Said:
    """Collects the findings about one broker."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.findings: list[Finding] = []

    def add(self, check: str, level: str, say: str) -> None:
        self.findings.append(Finding(source=self.source, check=check, level=level, say=say))


async def _opened(venue: Venue, said: _Said) -> VenueInfo | None:
    try:
        async with asyncio.timeout(OPEN_S_MAX):
            info = await venue.open()
    except VenueRefused as refused:
        said.add("account", FAIL, f"refused: {refused.message} [{refused.code}]")
        return None
    except Exception as trouble:  # noqa: BLE001 - whatever a venue sends or does not send is its trouble, and one finding
        said.add("account", FAIL, f"the venue could not be asked ({type(trouble).__name__}: {trouble}): look at the network, then try again")
        return None
    money = info.account
    within = f", portfolio {info.account_ref}," if info.account_ref else ""
    said.add("account", OK, f"{venue.account_id}{within} answers, in {money.currency}; the key may trade")
    for warning in info.warnings:
        said.add("venue", WARN, warning)
    free = money.balance if money.margin_available is None else money.margin_available
    word = "cash" if money.margin_available is None else "margin"
    said.add(
        "funds",
        OK if free > 0 else FAIL,
        f"{plain(free)} {money.currency} of {word} free" + ("" if free > 0 else ": nothing can be bought with that"),
    )
    return info


def _compare(info: VenueInfo, instruments: Instruments, said: _Said) -> None:
    """The venue's grids with those of conf/instruments.toml; the venue's win, so a difference is only worth knowing."""
    found = {instrument.name: instrument for instrument in info.instruments}
    ours = instruments.for_venue(said.source)
    missing = sorted(set(ours) - set(found))
    if missing:
        said.add("instruments", WARN, f"{', '.join(missing)} cannot be traded with this account: take them out of conf/instruments.toml")
    differences = [
        f"{name} {field} {getattr(theirs, field)} (here {getattr(ours[name], field)})"
        for name, theirs in found.items()
        for field in ("tick", "step")
        if getattr(theirs, field) != getattr(ours[name], field)
    ]
    if not found:
        said.add("precision", FAIL, "no instrument of conf/instruments.toml can be traded with this account")
    elif differences:
        said.add("precision", WARN, f"the venue's values are used: {'; '.join(differences)}")
    else:
        said.add("precision", OK, f"{', '.join(sorted(found))}: ticks and steps as in conf/instruments.toml")


async def _stream(venue: Venue, said: _Said) -> None:
    stream = venue.stream("")
    try:
        # A stream is an async generator; closing it closes its connection.
        async with asyncio.timeout(STREAM_S_MAX), aclosing(cast("_Closing", stream)):
            live_batches = 0
            async for batch in stream:
                # The first may come of catching up by requests; the next one is the stream's own.
                live_batches += batch.is_live
                if live_batches > 1:
                    said.add("stream", OK, "the account's own stream is alive")
                    return
        said.add("stream", FAIL, "the account's stream ended at once")
    except Exception as trouble:  # noqa: BLE001 - as above
        said.add(
            "stream", FAIL, f"the account's stream does not answer ({type(trouble).__name__}: {trouble}): a firewall that lets only requests through?"
        )


class _Closing(AsyncIterator[object]):
    async def aclose(self) -> None: ...


async def _clock(route: Route, clock: Clock, said: _Said) -> None:
    """This machine's clock against the Date header of the venue's web server, whatever it answers."""
    try:
        async with Outbound(route.rest) as venue:
            before_ns = clock.wall_ns()
            answer = await venue.request("GET", "/")
            after_ns = clock.wall_ns()
        there = email.utils.parsedate_to_datetime(answer.headers.get("date", "")).replace(tzinfo=UTC)
    except (OutboundError, ValueError) as error:
        said.add("clock", WARN, f"could not be compared with the venue's ({type(error).__name__})")
        return
    # The header is cut to whole seconds: half of one is its middle. When in the exchange it was written is not known: that much is no skew.
    skew_s = (before_ns + after_ns) / 2 / NS_PER_S - there.timestamp() - 0.5
    off_s = max(0.0, abs(skew_s) - (after_ns - before_ns) / 2 / NS_PER_S)
    level = FAIL if off_s > SKEW_S_FAIL else WARN if off_s > SKEW_S_WARN else OK
    way = "ahead of" if skew_s > 0 else "behind"
    said.add("clock", level, "as the venue's" if level == OK else f"{off_s:.0f} s {way} the venue's: let the machine keep its time (chrony, ntpd)")
