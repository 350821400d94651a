"""How brackets stand, from the orders and trades that v20 shows: pure, for a look at one bracket and for a snapshot of all.

A bracket is recognised by its client id on entries (``id``) and trades (``id-t``), and by the venue's own ids that the core has been told. What is
left over is a stranger's: one for each trade and each waiting entry.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from brokers.live.venue import EntryAccepted, Fact, ShownExits, Sighting, Standing, Stranger, Target, derived_id
from brokers.oanda.memory import Role
from brokers.oanda.objects import CLOSES_LATER, AccountState, VenueOrder, VenueTrade
from brokers.oanda.orders import TRADE_SUFFIX, trade_client_id
from brokers.oanda.transactions import legs_of
from trading.events import CancelReason
from trading.instruments import Side
from trading.money import ZERO, plain
from trading.orders import EntryType
from trading.venue_refs import StandingLeg, VenueRefs

_AVERAGE_QUANTUM = Decimal("0.0000001")


def entries_of(target: Target, orders: Iterable[VenueOrder]) -> list[VenueOrder]:
    """The entries among ``orders`` that are the bracket's, oldest first."""
    found = [
        order
        for order in orders
        if order.role is Role.ENTRY and (order.order_id in target.refs.order_refs or (order.client_id and order.client_id == target.client_id))
    ]
    return sorted(found, key=lambda order: int(order.order_id))


def trades_of(target: Target, trades: Iterable[VenueTrade]) -> list[VenueTrade]:
    """The trades that are the bracket's, oldest first."""
    name = trade_client_id(target.client_id)
    found = [trade for trade in trades if trade.trade_id in target.refs.trade_refs or trade.client_id == name]
    return sorted(found, key=lambda trade: int(trade.trade_id))


def standing_of(
    entries: Sequence[VenueOrder], trades: Sequence[VenueTrade], target: Target | None = None, ended: CancelReason | None = None
) -> Standing:
    """What is left of ``entries`` and ``trades`` together; ``target`` is the bracket that they are of, where there is one."""
    working = [order for order in entries if order.is_working]
    waiting = working[-1] if working and not trades else None
    opened = sum((abs(trade.initial_units) for trade in trades), ZERO)
    value = sum((abs(trade.initial_units) * trade.price for trade in trades), ZERO)
    return Standing(
        remaining_units=sum((abs(order.units) for order in working), ZERO),
        position_units=sum((abs(trade.units) for trade in trades if trade.is_open), ZERO),
        average_price=plain((value / opened).quantize(_AVERAGE_QUANTUM)) if opened else None,
        entry_price=working[-1].price or None if working else None,
        expires_ns=working[-1].expires_ns if working else None,
        stop=_leg((trade, _stop_of(trade, target)) for trade in trades) or _waiting_leg(waiting.stop_on_fill if waiting else ZERO),
        target=_leg((trade, trade.target) for trade in trades) or _waiting_leg(waiting.target_on_fill if waiting else ZERO),
        ended=ended,
        exits=waiting.brings if waiting else _shown(trades),
        note=CLOSES_LATER if any(trade.closes_later for trade in trades) else "",
    )


def _shown(trades: Sequence[VenueTrade]) -> ShownExits | None:
    """The exits of the oldest position."""
    return next((trade.shown for trade in trades if trade.is_open), None)


def _stop_of(trade: VenueTrade, target: Target | None) -> VenueOrder | None:
    """The stop of ``trade``. One that was reached in a halted market is shown no more, and guards all the same: it is carried out when that opens."""
    if target is None or trade.stop is not None or not trade.closes_later:
        return trade.stop
    book = target.refs.stops.get(trade.trade_id) or target.refs.stop
    return VenueOrder(order_id=book.ref if book else "", role=Role.STOP_LOSS, state=trade.state, price=book.price if book else target.stop_price)


def facts_standing(entries: Iterable[VenueOrder], trades: Iterable[VenueTrade], as_of: int) -> list[Fact]:
    """What the working orders themselves tell: entries that were accepted, exits that stand."""
    facts: list[Fact] = [accepted(order) for order in entries if order.is_working]
    for trade in trades:
        facts += legs_of(trade.known(as_of), 0)
    return facts


def accepted(order: VenueOrder) -> EntryAccepted:
    return EntryAccepted(
        client_id=order.client_id,
        order_ref=order.order_id,
        replaces=order.replaces,
        price=order.price or None,
        expires_ns=order.expires_ns,
        time_ns=order.created_ns,
    )


def plain_sightings(targets: Sequence[Target], state: AccountState) -> tuple[dict[str, Sighting], list[Target]]:
    """The brackets that stand at the venue as the book has them, and those that do not and need a look of their own."""
    sightings: dict[str, Sighting] = {}
    others: list[Target] = []
    for target in targets:
        entries, trades = entries_of(target, state.orders.values()), trades_of(target, state.trades.values())
        standing = standing_of(entries, trades, target)
        if (entries or trades) and (standing.remaining_units, standing.position_units) == (target.remaining_units, target.position_units):
            sightings[target.client_id] = Sighting(facts=facts_standing(entries, trades, state.last_id), standing=standing, until=state.last_id)
        else:
            others.append(target)
    return sightings, others


def strangers_of(targets: Sequence[Target], state: AccountState, account_id: str) -> list[Stranger]:
    """Every waiting entry and every open trade that no target claims."""
    claimed_orders = {order.order_id for target in targets for order in entries_of(target, state.orders.values())}
    claimed_trades = {trade.trade_id for target in targets for trade in trades_of(target, state.trades.values())}
    entries = [order for order in state.orders.values() if order.role is Role.ENTRY and order.order_id not in claimed_orders]
    trades = [trade for trade in state.trades.values() if trade.trade_id not in claimed_trades]
    return [_waiting_entry(order, account_id) for order in entries] + [_open(trade, account_id) for trade in trades]


def _waiting_entry(order: VenueOrder, account_id: str) -> Stranger:
    return Stranger(
        refs=VenueRefs(client_id=order.client_id or derived_id("oanda", account_id, "order", order.order_id), order_refs=(order.order_id,)),
        instrument=order.instrument,
        side=Side.BUY if order.units > 0 else Side.SELL,
        units=abs(order.units),
        entry_type=order.entry_type,
        entry_price=order.price or None,
        standing=standing_of([order], []),
        created_ns=order.created_ns,
    )


def _open(trade: VenueTrade, account_id: str) -> Stranger:
    standing = standing_of([], [trade])
    return Stranger(
        refs=VenueRefs(
            client_id=_bracket_id(trade) or derived_id("oanda", account_id, "trade", trade.trade_id),
            trade_refs=(trade.trade_id,),
            stop=standing.stop,
            target=standing.target,
        ),
        instrument=trade.instrument,
        side=trade.side,
        units=abs(trade.initial_units),
        entry_type=EntryType.MARKET,
        entry_price=None,
        standing=standing,
        created_ns=trade.opened_ns,
    )


def _bracket_id(trade: VenueTrade) -> str:
    """The client id of the entry that opened ``trade`` where we named both; what others named stays as it is."""
    return trade.client_id.removesuffix(TRADE_SUFFIX)


def _leg(legs: Iterable[tuple[VenueTrade, VenueOrder | None]]) -> StandingLeg | None:
    """One exit over all open trades: the units that have it, under the id and price of the oldest."""
    having = [(trade, order) for trade, order in legs if trade.is_open and order is not None]
    if not having:
        return None
    first = having[0][1]
    return StandingLeg(ref=first.order_id, units=sum((abs(trade.units) for trade, _ in having), ZERO), price=first.price)


def _waiting_leg(price: Decimal) -> StandingLeg | None:
    """An exit that waits for its entry: for no units yet."""
    return StandingLeg(ref="", price=price) if price else None
