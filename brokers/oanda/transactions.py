"""From v20 transactions to facts: the one reading of the account's log, whichever door a transaction came through.

    MARKET_ORDER, LIMIT_ORDER, STOP_ORDER, …   EntryAccepted; nothing where it only closes a trade (its fill tells)
    …_ORDER_REJECT                             EntryRefused; nothing where a change or a twin was refused: what stood still stands
    ORDER_FILL                                 EntryFilled for what it opened, ExitFilled for each trade it closed or reduced
    TAKE_PROFIT_ORDER, STOP_LOSS_ORDER, …      LegStands, and again for the new size after a reduction
    ORDER_CANCEL                               EntryEnded or LegGone; nothing for one that was replaced or went with its trade
    DAILY_FINANCING, DIVIDEND_ADJUSTMENT,      Booked
    TRANSFER_FUNDS
    MARGIN_CALL_ENTER, _EXTEND, _EXIT          Noted
    others about the account alone             nothing
    DELAYED_TRADE_CLOSURE, anything else       Unplaced: the core compares the account with the venue soon

The facts of one transaction are always the same, fill ids included, so it may be told as often as it is seen. A transaction that lacks what its type
must have is ``Malformed``.
"""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal

from brokers.live.facts import Booked, BookingKind, Noted
from brokers.live.venue import (
    EntryAccepted,
    EntryEnded,
    EntryFilled,
    EntryRefused,
    ExitFilled,
    Fact,
    LegGone,
    LegStands,
    Unplaced,
)
from brokers.oanda import wire
from brokers.oanda.memory import KnownOrder, KnownTrade, Memory, Missing, Role
from brokers.oanda.reasons import REPLACED, WENT_WITH_TRADE, cancel_reason, close_reason, exit_leg
from brokers.oanda.wire import Json, Malformed
from trading.money import ZERO
from trading.orders import Leg

_log = logging.getLogger(__name__)

ENTRY_TYPES = frozenset({"MARKET", "LIMIT", "STOP", "MARKET_IF_TOUCHED"})
EXIT_ROLES: Mapping[str, Role] = {
    "TAKE_PROFIT": Role.TAKE_PROFIT,
    "STOP_LOSS": Role.STOP_LOSS,
    "GUARANTEED_STOP_LOSS": Role.STOP_LOSS,
    "TRAILING_STOP_LOSS": Role.TRAILING_STOP,
}
LEGS: Mapping[Role, Leg] = {Role.TAKE_PROFIT: Leg.TAKE_PROFIT, Role.STOP_LOSS: Leg.STOP_LOSS, Role.TRAILING_STOP: Leg.STOP_LOSS}

# Market orders that open nothing: the trade they are about is named in their fill.
_CLOSING_REASONS = frozenset({"TRADE_CLOSE", "POSITION_CLOSEOUT", "MARGIN_CLOSEOUT", "DELAYED_TRADE_CLOSE"})

# Settings of the account: no bracket's business, seen in the next comparison.
_ACCOUNT_TYPES = frozenset(
    {
        "CREATE",
        "CLIENT_CONFIGURE",
        "CLIENT_CONFIGURE_REJECT",
        "TRANSFER_FUNDS_REJECT",
        "ORDER_CANCEL_REJECT",
        "ORDER_CLIENT_EXTENSIONS_MODIFY_REJECT",
        "TRADE_CLIENT_EXTENSIONS_MODIFY_REJECT",
        "RESET_RESETTABLE_PL",
    }
)

_MARGIN_CALLS = {
    "MARGIN_CALL_ENTER": "OANDA has put the account into a margin call: there is too little money for what is open, and OANDA may close it",
    "MARGIN_CALL_EXTEND": "the account's margin call goes on: there is still too little money for what is open, and OANDA may close it",
    "MARGIN_CALL_EXIT": "the account's margin call is over",
}

# Money that no fill moved: which key holds the amount.
_BOOKINGS: Mapping[str, tuple[BookingKind, str]] = {
    "DAILY_FINANCING": (BookingKind.FINANCING, "financing"),
    "DIVIDEND_ADJUSTMENT": (BookingKind.DIVIDEND, "dividendAdjustment"),
    "TRANSFER_FUNDS": (BookingKind.TRANSFER, "amount"),
}


def facts_of(transaction: Json, memory: Memory) -> Sequence[Fact]:
    """What ``transaction`` tells, in the order in which the core should hear it; ``memory`` learns from it.

    Raises:
        Missing: something must be put into ``memory`` first; call again then.
        Malformed: a field is missing or no value of its kind.
    """
    kind = wire.text(transaction, "type")
    wire.identity(transaction, "id")
    if kind == "ORDER_FILL":
        return _fill(transaction, memory)
    if kind == "ORDER_CANCEL":
        return _cancel(transaction, memory)
    if kind.endswith("_ORDER") and (role := EXIT_ROLES.get(kind.removesuffix("_ORDER"))) is not None:
        return _exit_made(transaction, role, memory)
    if kind.endswith("_ORDER") and kind.removesuffix("_ORDER") in ENTRY_TYPES:
        return _entry_made(transaction, memory)
    if kind.endswith("_ORDER_REJECT"):
        return _rejected(transaction, kind)
    if kind in _BOOKINGS:
        return _booked(transaction, kind)
    if kind in _MARGIN_CALLS:
        return [Noted(text=_MARGIN_CALLS[kind], time_ns=_time(transaction))]
    if kind in _ACCOUNT_TYPES:
        return ()
    if kind != "DELAYED_TRADE_CLOSURE":  # whose trades say so themselves
        _log.warning("a transaction of a kind that is not handled: the account will be compared", extra={"type": kind[:64], "id": transaction["id"]})
    return [Unplaced(time_ns=_time(transaction), text=kind[:64])]


def unreadable(transaction: Json, error: Exception) -> Fact:
    """What is told in place of a transaction that is no transaction: reading it again would change nothing, comparing the account does."""
    number = wire.text_or(transaction, "id", "?")[:20]
    _log.error("a transaction cannot be read: the account will be compared", extra={"id": number, "reason": str(error)})
    return Unplaced(text=f"transaction {number} cannot be read: {error}")


def client_id_of(extensions: Json | None) -> str:
    """The id in ``clientExtensions``, empty where there is none."""
    return "" if extensions is None else wire.text_or(extensions, "id")


def exit_fill_id(transaction_id: str, trade_id: str) -> str:
    """What the fill of an exit is called: one transaction may close several trades."""
    return f"{transaction_id}.{trade_id}"


def _entry_made(transaction: Json, memory: Memory) -> Sequence[Fact]:
    order_id = wire.identity(transaction, "id")
    kind = wire.text(transaction, "type")
    if kind == "MARKET_ORDER" and wire.text_or(transaction, "reason") in _CLOSING_REASONS:
        memory.keep_order(KnownOrder(order_id=order_id, role=Role.MARKET_CLOSE))
        return ()
    memory.keep_order(KnownOrder(order_id=order_id, role=Role.ENTRY))
    fact = EntryAccepted(
        client_id=client_id_of(wire.part_or_none(transaction, "clientExtensions")),
        order_ref=order_id,
        replaces=wire.identity_or_none(transaction, "replacesOrderID") or "",
        price=wire.number(transaction, "price") if kind != "MARKET_ORDER" else None,
        expires_ns=wire.time_ns(transaction, "gtdTime") if transaction.get("gtdTime") is not None else None,
        time_ns=_time(transaction),
    )
    return [fact]


def _rejected(transaction: Json, kind: str) -> Sequence[Fact]:
    """A refused entry. The refusal of a change (``intendedReplacesOrderID``), of an exit, or of an id that stands already ends nothing."""
    code = wire.text(transaction, "rejectReason")
    is_entry = kind.removesuffix("_ORDER_REJECT") in ENTRY_TYPES and wire.text_or(transaction, "reason") not in _CLOSING_REASONS
    client_id = client_id_of(wire.part_or_none(transaction, "clientExtensions"))
    if not is_entry or not client_id or transaction.get("intendedReplacesOrderID") is not None or code == "CLIENT_ORDER_ID_ALREADY_EXISTS":
        return ()
    return [EntryRefused(client_id=client_id, code=code, time_ns=_time(transaction))]


def _fill(transaction: Json, memory: Memory) -> Sequence[Fact]:
    fill_id = wire.identity(transaction, "id")
    at = int(fill_id)
    order_id = wire.identity(transaction, "orderID")
    fee = wire.number_or(transaction, "commission", ZERO) + wire.number_or(transaction, "guaranteedExecutionFee", ZERO)
    facts: list[Fact] = []
    opened = wire.part_or_none(transaction, "tradeOpened")
    if opened is not None:
        trade_id, units = wire.identity(opened, "tradeID"), abs(wire.number(opened, "units"))
        memory.keep_trade(KnownTrade(trade_id=trade_id, units=units, as_of=at))
        facts.append(
            EntryFilled(
                client_id=wire.text_or(transaction, "clientOrderID"),
                order_ref=order_id,
                trade_ref=trade_id,
                fill_id=fill_id,
                units=units,
                price=wire.number(opened if opened.get("price") is not None else transaction, "price"),
                fee=fee,
                time_ns=_time(transaction),
                at=at,
            )
        )
        fee = ZERO
    for closed in wire.parts_or_none(transaction, "tradesClosed"):
        facts.append(_traded_out(transaction, closed, fee))
        fee = ZERO  # the fill's commission is one; it is booked with the first trade
        memory.close(wire.identity(closed, "tradeID"), at)
    reduced = wire.part_or_none(transaction, "tradeReduced")
    if reduced is not None:
        facts.append(_traded_out(transaction, reduced, fee))
        trade = memory.reduce(wire.identity(reduced, "tradeID"), abs(wire.number(reduced, "units")), at)
        facts += legs_of(trade, _time(transaction))
    if not facts:
        raise Malformed("a fill opened, closed and reduced nothing")
    return facts


def _traded_out(transaction: Json, closed: Json, fee: Decimal) -> Fact:
    trade_id, reason = wire.identity(closed, "tradeID"), wire.text_or(transaction, "reason")
    return ExitFilled(
        trade_ref=trade_id,
        leg=exit_leg(reason),
        fill_id=exit_fill_id(wire.identity(transaction, "id"), trade_id),
        units=abs(wire.number(closed, "units")),
        price=wire.number(closed if closed.get("price") is not None else transaction, "price"),
        fee=fee,
        # Financing that is settled with the close is booked with it, as the venue books it.
        realized_pnl=wire.number(closed, "realizedPL") + wire.number_or(closed, "financing", ZERO),
        reason=close_reason(reason),
        time_ns=_time(transaction),
        at=wire.counter(transaction, "id"),
    )


def _exit_made(transaction: Json, role: Role, memory: Memory) -> Sequence[Fact]:
    trade_id, at = wire.identity(transaction, "tradeID"), wire.counter(transaction, "id")
    price = ZERO if role is Role.TRAILING_STOP else wire.number_or(transaction, "price", ZERO)
    order = KnownOrder(order_id=wire.identity(transaction, "id"), role=role, trade_id=trade_id, price=price)
    trade = memory.attach(order, at)
    told = [leg for leg in legs_of(trade, _time(transaction)) if leg.order_ref == order.order_id]
    if any(not leg.price for leg in told):
        raise Missing(trade_id=trade_id)  # made by its distance: the venue knows where it stands
    return told


def legs_of(trade: KnownTrade, time_ns: int) -> list[LegStands]:
    """The exits of ``trade`` that work, each for all that is left of it.

    A trailing stop beside a fixed one is not told: the fixed one is the guard that stands at a price, the trailing one only ever comes before it.
    """
    if not trade.units:
        return []
    roles = [Role.STOP_LOSS if Role.STOP_LOSS in trade.exits else Role.TRAILING_STOP, Role.TAKE_PROFIT]
    found = [trade.exits[role] for role in roles if role in trade.exits]
    return [
        LegStands(trade_ref=trade.trade_id, order_ref=order.order_id, leg=LEGS[order.role], units=trade.units, price=order.price, time_ns=time_ns)
        for order in found
    ]


def _booked(transaction: Json, kind: str) -> Sequence[Fact]:
    """A booking of nothing (no position was held at the day's end) is not told."""
    what, key = _BOOKINGS[kind]
    amount = wire.number(transaction, key)
    positions = wire.parts_or_none(transaction, "positionFinancings")
    instruments = {wire.text(each, "instrument"): wire.number(each, "financing") for each in positions}
    if what is BookingKind.DIVIDEND and (instrument := wire.text_or(transaction, "instrument")):
        instruments = {instrument: amount}
    if not amount:
        return ()
    booking_id = wire.identity(transaction, "id")
    return [Booked(kind=what, booking_id=booking_id, amount=amount, instruments=instruments, time_ns=_time(transaction))]


def _cancel(transaction: Json, memory: Memory) -> Sequence[Fact]:
    order_id, reason = wire.identity(transaction, "orderID"), wire.text(transaction, "reason")
    if reason in {REPLACED, WENT_WITH_TRADE} or transaction.get("replacedByOrderID") is not None:
        return ()
    order = memory.order(order_id)
    match order.role:
        case Role.MARKET_CLOSE:
            return ()
        case Role.ENTRY:
            client_id = wire.text_or(transaction, "clientOrderID")
            return [EntryEnded(client_id=client_id, order_ref=order_id, reason=cancel_reason(reason), text=reason[:64], time_ns=_time(transaction))]
        case _:
            memory.detach(order, wire.counter(transaction, "id"))
            return [
                LegGone(order_ref=order_id, trade_ref=order.trade_id, leg=LEGS[order.role], text=reason[:64], time_ns=_time(transaction)),
            ]


def _time(transaction: Json) -> int:
    """When it happened, 0 where that cannot be read: a time only explains, so a wrong one must not hide a fill."""
    try:
        return wire.time_ns(transaction, "time")
    except Malformed:
        return 0
