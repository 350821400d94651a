"""Looking up how brackets stand: one at a time from their own orders, trades and transactions, or all at once from the account.

A bracket whose ids the venue has told us is followed by them: entry, replacements, fills, trades, what closed them. One whose creation had no answer
is searched in the log from where it stood before the order was sent; only a log that came whole allows to say that it is not there. Nothing here
sends anything but reads.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from brokers.live.venue import EntryEnded, Fact, Sighting, Standing, Target, VenueSnapshot
from brokers.oanda import wire
from brokers.oanda.log_reader import LogReader
from brokers.oanda.memory import Memory, Role
from brokers.oanda.objects import AccountState, VenueOrder, VenueTrade, read_order, read_state, read_trade
from brokers.oanda.orders import trade_client_id
from brokers.oanda.rest import NotThere, Rest
from brokers.oanda.sightings import accepted, facts_standing, plain_sightings, standing_of, strangers_of
from brokers.oanda.transactions import client_id_of, exit_fill_id
from brokers.oanda.wire import Json, Malformed
from trading.money import ZERO

# A bracket is changed by hand a few times, not hundreds: more is a venue that sends us in circles.
_FOLLOWED_MAX = 200


@dataclass(slots=True)
class _Found:
    """What a look has come across so far; ``counted`` are the fills that the book has."""

    counted: frozenset[str]
    entries: dict[str, VenueOrder] = field(default_factory=dict)
    trades: dict[str, VenueTrade] = field(default_factory=dict)
    transactions: dict[int, Json] = field(default_factory=dict)
    as_of: int = 0


class Looker:
    """Looks at the account that ``rest`` is for."""

    def __init__(self, rest: Rest, log: LogReader, memory: Memory, account_id: str) -> None:
        self._rest = rest
        self._log = log
        self._memory = memory
        self._account_id = account_id

    async def look_up(self, target: Target) -> Sighting:
        """See ``Venue.look_up``. What the book has counted already is not read again."""
        order_ids, trade_ids = list(target.refs.order_refs[-1:]), list(target.refs.trade_refs)
        if not order_ids and not trade_ids:
            order_ids, refusals = await self._search(target)
            if not order_ids:
                return Sighting(facts=refusals, standing=Standing(remaining_units=ZERO, position_units=ZERO)) if refusals else Sighting()
        found = _Found(counted=frozenset(target.refs.fill_ids))
        if target.remaining_units or not trade_ids:
            for order_id in order_ids:
                await self._follow_entry(order_id, found)
        for trade_id in dict.fromkeys([*trade_ids, *(order.trade_opened for order in found.entries.values() if order.trade_opened)]):
            await self._follow_trade(trade_id, found)
        await self._find_by_name(target, found)
        return await self._tell(target, found)

    async def snapshot(self, targets: Sequence[Target]) -> VenueSnapshot:
        """See ``Venue.snapshot``."""
        state = await self.state()
        sightings, others = plain_sightings(targets, state)
        for target in others:
            sightings[target.client_id] = await self.look_up(target)
        return VenueSnapshot(
            sightings=sightings, strangers=strangers_of(targets, state, self._account_id), account=state.account, cursor=str(state.last_id)
        )

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

    async def _search(self, target: Target) -> tuple[list[str], list[Fact]]:
        """The orders that were created under the bracket's client id since it was sent; where there are none, the refusals."""
        newest, _ = await self._log.newest()
        orders: list[str] = []
        refusals: list[Fact] = []
        is_whole = True
        async for page in self._log.pages(int(target.refs.cursor_before or 0), newest):
            is_whole = is_whole and page.is_whole
            for transaction in page.transactions:
                if client_id_of(wire.part_or_none(transaction, "clientExtensions")) != target.client_id:
                    continue
                if wire.text(transaction, "type").endswith("_REJECT"):
                    refusals += await self._log.tell(transaction)
                else:
                    orders.append(wire.identity(transaction, "id"))
        if not orders and not is_whole:
            raise Malformed("the log came with holes: the order may be in one of them")
        return orders, refusals

    async def _follow_entry(self, spec: str, found: _Found) -> None:
        """Read an entry, and what it was replaced with, and that."""
        while spec and spec not in found.entries and len(found.entries) < _FOLLOWED_MAX:
            order = await self._rest.read(f"/orders/{spec}", parse=lambda answer: read_order(wire.part(answer, "order")))
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
        trade, found.as_of = await self.trade(spec)
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
            await self._follow_entry(f"@{target.client_id}", found)
        with contextlib.suppress(NotThere):
            await self._follow_trade(f"@{trade_client_id(target.client_id)}", found)

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
        return Sighting(facts=facts, standing=standing_of(entries, trades, ended))
