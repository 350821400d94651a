"""Looking up how brackets stand: one at a time from their own orders, trades and transactions, or all at once from the account.

A bracket whose ids the venue has told us is followed by them: entry, replacements, fills, trades, what closed them. One whose creation had no answer
is searched in the log from where it stood before the order was sent; only a log that came whole allows to say that it is not there. Nothing here
sends anything but reads.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from brokers.live.venue import EntryEnded, Fact, NotSent, Sighting, Standing, Target, VenueRefused, VenueSnapshot
from brokers.oanda import wire
from brokers.oanda.log_reader import LogReader
from brokers.oanda.memory import Memory, Role
from brokers.oanda.objects import AccountState, VenueOrder, VenueTrade, read_order, read_state, read_trade
from brokers.oanda.orders import by_name, trade_client_id
from brokers.oanda.purged import Purged
from brokers.oanda.rest import NotThere, Rest, Unclear
from brokers.oanda.sightings import accepted, facts_standing, plain_sightings, standing_of, strangers_of
from brokers.oanda.transactions import exit_fill_id
from brokers.oanda.wire import Json, Malformed
from runtime.outbound import OutboundError
from trading.money import ZERO

# How many brackets are looked at at once in a snapshot, and how often one that fails.
_SIDE_BY_SIDE = 4
_LOOKS_MAX = 3

# A bracket is changed by hand a few times, not hundreds: more is a venue that sends us in circles.
_FOLLOWED_MAX = 200

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Found:
    """What a look has come across so far; ``counted`` are the fills that the book has.

    ``as_of`` and ``until`` are the account's last transaction at the newest and at the oldest read.
    """

    counted: frozenset[str]
    entries: dict[str, VenueOrder] = field(default_factory=dict)
    trades: dict[str, VenueTrade] = field(default_factory=dict)
    transactions: dict[int, Json] = field(default_factory=dict)
    as_of: int = 0
    until: int = 0

    def read_at(self, last_id: int) -> None:
        """Something was read when ``last_id`` was the account's last transaction."""
        self.as_of, self.until = max(self.as_of, last_id), min(self.until or last_id, last_id)


class Looker:
    """Looks at the account that ``rest`` is for."""

    def __init__(self, rest: Rest, log: LogReader, memory: Memory, account_id: str) -> None:
        self._rest = rest
        self._log = log
        self._memory = memory
        self._account_id = account_id
        self._purged = Purged(log)

    async def look_up(self, target: Target) -> Sighting:
        """See ``Venue.look_up``. What the book has counted already is not read again."""
        if not target.refs.order_refs and not target.refs.trade_refs:
            return await self._search(target, (await self._log.newest())[0])
        return await self._follow(target, target.refs.order_refs[-1:], target.refs.trade_refs)

    async def snapshot(self, targets: Sequence[Target]) -> VenueSnapshot:
        """See ``Venue.snapshot``. Those that never had an answer are looked for last, in a log that is then as new as can be."""
        state = await self.state()
        sightings, others = plain_sightings(targets, state)
        nameless = [target for target in others if not target.refs.order_refs and not target.refs.trade_refs]
        known = [target for target in others if target not in nameless]
        side_by_side = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def look(target: Target) -> None:
            async with side_by_side:
                sightings[target.client_id] = await self._persistently(lambda: self.look_up(target))

        async with asyncio.TaskGroup() as tasks:
            for target in known:
                tasks.create_task(look(target))
        if nameless:
            newest, _ = await self._log.newest()
            for target in nameless:
                sightings[target.client_id] = await self._persistently(lambda target=target: self._search(target, newest))  # type: ignore[misc]  # mypy sees no type in a default
        return VenueSnapshot(
            sightings=sightings,
            strangers=strangers_of(targets, state, self._account_id),
            account=state.account,
            cursor=str(state.last_id),
            until=state.last_id,
            unreadable=state.unreadable,
        )

    async def _persistently(self, look: Callable[[], Awaitable[Sighting]]) -> Sighting:
        """One look of many, made again when it fails: else one that fails would cost all of them."""
        for _ in range(_LOOKS_MAX - 1):
            try:
                return await look()
            except (NotSent, VenueRefused, OutboundError, Unclear, Malformed) as error:
                _log.info("a look failed and is made again", extra={"reason": f"{type(error).__name__}: {error}"[:200]})
        return await look()

    async def state(self) -> AccountState:
        """The whole account now."""
        return await self._rest.read("", parse=read_state)

    async def trade(self, spec: str) -> tuple[VenueTrade, int]:
        """A trade in detail, and the account's last transaction then; ``NotThere`` when it is not one of the account's."""

        def detail(answer: Json) -> tuple[VenueTrade, int]:
            return read_trade(wire.part(answer, "trade")), wire.counter(answer, "lastTransactionID")

        trade, as_of = await self._rest.read(f"/trades/{spec}", parse=detail)
        self._memory.keep_trade(trade.known(as_of))
        return trade, as_of

    async def _search(self, target: Target, newest: int) -> Sighting:
        """Look for the bracket's name in the log since before it was sent; what was only refused is not there."""
        named = await self._log.named(target.client_id, int(target.refs.cursor_before or 0), newest)
        orders = [each.number for each in named if not each.is_refusal]
        if orders:
            return await self._follow(target, orders, ())
        refusals: list[Fact] = []
        for each in named:
            refusals += await self._log.tell(await self._log.transaction(each.number))
        never = Standing(remaining_units=ZERO, position_units=ZERO)
        return Sighting(facts=refusals, standing=never, until=newest) if refusals else Sighting(until=newest)

    async def _follow(self, target: Target, order_ids: Sequence[str], trade_ids: Sequence[str]) -> Sighting:
        """How the bracket stands, from what the venue says of these orders and trades, and of those that came of them."""
        try:
            return await self._follow_ids(target, order_ids, trade_ids)
        except NotThere:  # told once, and not shown any more
            return await self._purged.look(target, order_ids, trade_ids, await self.state())

    async def _follow_ids(self, target: Target, order_ids: Sequence[str], trade_ids: Sequence[str]) -> Sighting:
        found = _Found(counted=frozenset(target.refs.fill_ids))
        if target.remaining_units or not trade_ids:
            for order_id in order_ids:
                await self._follow_entry(order_id, found)
        for trade_id in dict.fromkeys([*trade_ids, *(order.trade_opened for order in found.entries.values() if order.trade_opened)]):
            await self._follow_trade(trade_id, found)
        await self._find_by_name(target, found)
        return await self._tell(target, found)

    async def _follow_entry(self, spec: str, found: _Found) -> None:
        """Read an entry, and what it was replaced with, and that."""
        while spec and spec not in found.entries and len(found.entries) < _FOLLOWED_MAX:
            order, last_id = await self._rest.read(f"/orders/{spec}", parse=_order)
            found.read_at(last_id)
            if order.role is not Role.ENTRY:
                raise Malformed(f"order {spec} is no entry")
            found.entries[order.order_id] = order
            self._memory.keep_order(order.known)
            await self._collect(found, order.filling_id)
            if not order.replaced_by:
                await self._collect(found, order.cancelling_id)
            spec = order.replaced_by

    async def _follow_trade(self, spec: str, found: _Found) -> None:
        """Read a trade and the fills that made it what it is; a trade has the number of the fill that opened it."""
        trade, last_id = await self.trade(spec)
        found.read_at(last_id)
        found.trades[trade.trade_id] = trade
        await self._collect(found, trade.trade_id)
        for number in trade.closing_ids:
            await self._collect(found, number, trade.trade_id)

    async def _find_by_name(self, target: Target, found: _Found) -> None:
        """What filled in parts rests on under another number, and a trade may have come of an entry that does not say so: both have our name."""
        filled = [order for order in found.entries.values() if order.state == "FILLED"]
        opened = sum((abs(trade.initial_units) for trade in found.trades.values()), ZERO)
        if not filled or opened >= abs(filled[0].units) or any(order.is_working for order in found.entries.values()):
            return
        with contextlib.suppress(NotThere):
            await self._follow_entry(by_name(target.client_id), found)
        with contextlib.suppress(NotThere):
            await self._follow_trade(by_name(trade_client_id(target.client_id)), found)

    async def _collect(self, found: _Found, number: str, trade_id: str = "") -> None:
        """Read a transaction, unless its fill has been counted."""
        if number and int(number) not in found.transactions and found.counted.isdisjoint({number, exit_fill_id(number, trade_id)}):
            found.transactions[int(number)] = await self._log.transaction(number)

    async def _tell(self, target: Target, found: _Found) -> Sighting:
        entries = sorted(found.entries.values(), key=lambda order: int(order.order_id))
        trades = sorted(found.trades.values(), key=lambda trade: int(trade.trade_id))
        # An older entry told after a newer one would pass for the newest.
        told = max((int(ref) for ref in target.refs.order_refs), default=0)
        facts: list[Fact] = [accepted(order) for order in entries if not order.is_working and int(order.order_id) > told]
        for number in sorted(found.transactions):
            facts += await self._log.tell(found.transactions[number])
        ended = next((fact.reason for fact in reversed(facts) if isinstance(fact, EntryEnded)), None)
        facts += facts_standing(entries, trades, found.as_of)
        return Sighting(facts=facts, standing=standing_of(entries, trades, target, ended), until=found.until)


def _order(answer: Json) -> tuple[VenueOrder, int]:
    """The answer of ``GET /orders/{spec}``, and the account's last transaction then."""
    return read_order(wire.part(answer, "order")), wire.counter(answer, "lastTransactionID")
