"""OANDA v20 as a ``Venue`` (see ``brokers.live.venue``): one account, over plain HTTP.

What is where: ``orders`` writes requests, ``transactions`` reads the log, ``objects`` reads orders, trades and the account, ``rest`` sorts answers
into yes, no and doubt, ``changing``, ``looking`` and ``stream`` are the calls. Nothing about a bracket is kept here; ``memory`` is of the venue's own
log and may be lost at any time.

Exits are attached to the entry and owned by the venue: it guards every stop from the moment of the fill, whether we run or not.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal

from brokers.live.throttle import Throttle
from brokers.live.venue import (
    Amendment,
    Batch,
    Capability,
    Exits,
    Fact,
    Intent,
    Sighting,
    Target,
    VenueInfo,
    VenuePolicy,
    VenueRefused,
    VenueSnapshot,
)
from brokers.oanda import stream, wire
from brokers.oanda.changing import Changer
from brokers.oanda.hosts import Hosts, explain_denied
from brokers.oanda.log_reader import LogReader
from brokers.oanda.looking import Looker
from brokers.oanda.memory import Memory
from brokers.oanda.objects import read_account, read_decimals, read_instruments
from brokers.oanda.pace import ConnectionPace
from brokers.oanda.rest import Denied, Rest
from brokers.oanda.wire import Json
from runtime.clock import Clock
from runtime.outbound import Outbound
from runtime.secret_files import Secret
from trading.brackets import Protection
from trading.instruments import Instrument

# Of each kind: enough that a few slow answers do not keep a cancel waiting. ``pace`` opens them one by one.
CONNECTIONS = 8
# An account shows all its orders and trades in one answer: a thousand of each with their exits come to two or three megabytes (docs/decisions/050).
READ_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How fast the venue may be asked.

    It allows 120 requests a second and advises 100; half of that leaves room for whatever else uses the token. More than two new connections a second
    are refused. Source: oanda-v20 documentation, "Best practices".
    """

    requests_per_s: float = 50.0
    burst: int = 10
    connections_per_s: float = 2.0


class OandaVenue:
    """One account at OANDA.

    Args:
        instruments: ours at this venue, by name; what the venue says of them wins.
        limits: how fast it may be asked, looks included.
    """

    name = "oanda"
    policy = VenuePolicy()
    protection = Protection.VENUE

    def __init__(
        self, *, account_id: str, token: Secret, hosts: Hosts, instruments: Mapping[str, Instrument], clock: Clock, limits: Limits | None = None
    ) -> None:
        self.account_id = account_id
        self._hosts = hosts
        self._instruments = instruments
        self._decimals: dict[str, int] = {}
        self._open_ways = AsyncExitStack()
        self._is_open = False
        self._changes = Outbound(hosts.rest, connections_max=CONNECTIONS)
        self._reads = Outbound(hosts.rest, connections_max=CONNECTIONS, answer_bytes_max=READ_BYTES_MAX)
        self._streams = Outbound(hosts.stream, connections_max=1)
        memory = Memory()
        limits = limits or Limits()
        self._rest = Rest(
            account_id=account_id,
            token=token,
            changes=self._changes,
            reads=self._reads,
            throttle=Throttle(limits.requests_per_s, limits.burst, clock),
            pace=ConnectionPace(clock, limits.connections_per_s),
            clock=clock,
        )
        self._log = LogReader(self._rest, memory)
        self._looker = Looker(self._rest, self._log, memory, account_id)
        self._changer = Changer(self._rest, self._log, self._looker, self._decimals)

    async def open(self) -> VenueInfo:
        """See ``Venue.open``: that the token is known here, that the account is one of its, what it trades and how."""
        if not self._is_open:
            for way in (self._changes, self._reads, self._streams):
                await self._open_ways.enter_async_context(way)
            self._is_open = True
        try:
            await self._rest.read("/v3/accounts", parse=self._check_account)
            summary = await self._rest.read("/summary", parse=lambda answer: wire.part(answer, "account"))
            listed = await self._rest.read("/instruments", parse=lambda answer: answer)
        except Denied as denied:
            raise VenueRefused(denied.code, explain_denied(self._hosts)) from denied
        self._decimals |= read_decimals(listed)
        instruments = read_instruments(listed, self._instruments)
        return VenueInfo(
            account=read_account(summary),
            instruments=instruments,
            capabilities={instrument.name: Capability(exits=Exits.ATTACHED) for instrument in instruments},
            warnings=self._warnings(summary, instruments),
        )

    def recognise(self, client_ids: Sequence[str]) -> None:
        """Nothing to do: exits belong to their trade, and go with it."""

    async def aclose(self) -> None:
        """See ``Venue.aclose``."""
        if self._is_open:
            self._is_open = False
            await self._open_ways.aclose()

    async def create(self, intent: Intent) -> Sequence[Fact]:
        return await self._changer.create(intent)

    async def cancel(self, target: Target) -> Sequence[Fact]:
        return await self._changer.cancel(target)

    async def amend(self, target: Target, change: Amendment) -> Sequence[Fact]:
        return await self._changer.amend(target, change)

    async def protect(self, target: Target) -> Sequence[Fact]:
        return await self._changer.protect(target)

    async def close(self, target: Target, units: Decimal) -> Sequence[Fact]:
        return await self._changer.close(target, units)

    async def look_up(self, target: Target) -> Sighting:
        return await self._looker.look_up(target)

    async def snapshot(self, targets: Sequence[Target]) -> VenueSnapshot:
        return await self._looker.snapshot(targets)

    def stream(self, cursor: str) -> AsyncIterator[Batch]:
        return stream.batches(self._streams, self._rest, self._log, cursor)

    def _check_account(self, answer: Json) -> None:
        """That the account is one of the token's, and not one of MetaTrader's, whose orders must not be named by others."""
        found = [each for each in wire.parts(answer, "accounts") if each.get("id") == self.account_id]
        if not found:
            raise VenueRefused("ACCOUNT_NOT_FOUND", f"this token is not for account {self.account_id}: check OANDA_ACCOUNT_ID")
        if found[0].get("mt4AccountID"):
            raise VenueRefused("ACCOUNT_IS_MT4", f"account {self.account_id} belongs to MetaTrader 4: open a v20 account beside it and use that")

    def _warnings(self, summary: Json, instruments: Sequence[Instrument]) -> list[str]:
        warnings = []
        if not wire.flag(summary, "hedgingEnabled"):
            warnings.append(
                "this account nets: an order against an open position of the same instrument is cancelled by the venue; "
                "turn hedging on at OANDA to hold both sides"
            )
        missing = sorted(set(self._instruments) - {instrument.name for instrument in instruments})
        if missing:
            warnings.append(f"this account cannot trade {', '.join(missing)}")
        return warnings
