"""Events: the closed set of things a journal may say, and one constructor for each.

Every order event carries who and what it is about: ``order_id, client_order_id, placed_by, instrument, side, units, mode``, where side and units are
the bracket's, whichever leg the event is about. Values are text, whole numbers, booleans, None, Decimals, lists and maps; Decimals become numbers on
the wire. Prices are in the quote currency, ``fee``, ``realized_pnl`` and the like in the account's. Times in payloads (``ttl_expires_at``) are
seconds since 1970 with milliseconds, numbers as the first version sent them.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from trading.brackets import Bracket, Fill, Trade
from trading.orders import BracketOrder, Leg


class EventType(StrEnum):
    """All event types; the journalled ones first, then the three that only pass by."""

    OCO_PLACED = "oco_placed"
    ORDER_FILLED = "order_filled"
    ORDER_PARTIALLY_FILLED = "order_partially_filled"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_REJECTED = "order_rejected"
    ORDER_MODIFIED = "order_modified"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_RESOLVED = "order_resolved"
    BRACKET_CLOSED = "bracket_closed"
    TRADING_STATE_CHANGED = "trading_state_changed"
    PROTECTION_LOST = "protection_lost"
    PROTECTION_RESTORED = "protection_restored"
    FEED_STALE = "feed_stale"
    FEED_RECOVERED = "feed_recovered"
    RECONCILED = "reconciled"
    CLOCK_STEPPED = "clock_stepped"
    SOURCE_RESET = "source_reset"
    PAPER_RESET = "paper_reset"
    NARRATION = "narration"
    HEARTBEAT = "heartbeat"
    QUOTE = "quote"

    @property
    def is_journalled(self) -> bool:
        return self not in _PASSING


_PASSING = frozenset({EventType.HEARTBEAT, EventType.QUOTE})


class CancelReason(StrEnum):
    """Why a leg was cancelled."""

    USER = "user"
    TTL_EXPIRED = "ttl_expired"
    OCO_SIBLING = "oco_sibling"
    KILL_SWITCH = "kill_switch"
    VENUE = "venue"
    STOP_LOSS_ON_FILL = "stop_loss_on_fill"
    TAKE_PROFIT_ON_FILL = "take_profit_on_fill"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    MARKET_HALTED = "market_halted"


class EventDraft(NamedTuple):
    """An event before its journal gives it a place: ``ts_ns`` is when it happened, for people."""

    type: EventType
    payload: Mapping[str, object]
    ts_ns: int


def oco_placed(bracket: Bracket) -> EventDraft:
    """A bracket was accepted. ``entry`` is None for a market entry, ``quality`` None when none was given."""
    order = bracket.order
    return EventDraft(
        EventType.OCO_PLACED,
        {
            "order_id": bracket.order_id,
            "instrument": order.instrument,
            "side": str(order.side),
            "units": order.units,
            "entry": order.entry_price,
            "sl": order.stop_loss_price or None,
            "tp": order.take_profit_price or None,
            "quality": order.quality_score,
            "mode": bracket.mode,
            "ttl_min": order.ttl_min,
            "client_order_id": order.client_order_id,
            "placed_by": bracket.placed_by,
            "entry_type": str(order.entry_type),
            "trailing_stop_distance": order.trailing_stop_distance,
            "ttl_expires_at": seconds(bracket.ttl_expires_ns),
            "status": str(bracket.status),
        },
        bracket.placed_ns,
    )


def order_filled(bracket: Bracket, fill: Fill, *, remaining_units: Decimal) -> EventDraft:
    """A leg traded: ``order_filled`` when nothing of the leg remains, else ``order_partially_filled``.

    ``fill_units`` is what traded now, ``remaining_units`` what the leg still has to do, ``position_units`` what the bracket holds afterwards;
    ``realized_pnl`` is this fill's, before ``fee``; ``liquidity`` is ``maker`` or ``taker``.
    """
    return EventDraft(
        type=EventType.ORDER_PARTIALLY_FILLED if remaining_units else EventType.ORDER_FILLED,
        payload={
            **_about(bracket),
            "price": fill.price,
            "leg": str(fill.leg),
            "fill_id": fill.fill_id,
            "fill_units": fill.units,
            "fee": fill.fee,
            "realized_pnl": fill.realized_pnl,
            "remaining_units": remaining_units,
            "position_units": bracket.position_units,
            "liquidity": str(fill.liquidity),
        },
        ts_ns=fill.time_ns,
    )


def order_cancelled(bracket: Bracket, leg: Leg, reason: str, ts_ns: int) -> EventDraft:
    """A leg will not trade any more; ``reason`` is a CancelReason, ``status`` the bracket's afterwards."""
    return EventDraft(
        type=EventType.ORDER_CANCELLED,
        payload={**_about(bracket), "leg": str(leg), "reason": str(reason), "status": str(bracket.status)},
        ts_ns=ts_ns,
    )


def order_rejected(
    order: BracketOrder, *, order_id: str, placed_by: str, mode: str, code: str, message: str, ts_ns: int, details: Mapping[str, object] | None = None
) -> EventDraft:
    """The venue refused an order, or it came too late; ``code`` says why, ``message`` says it to a person."""
    return EventDraft(
        type=EventType.ORDER_REJECTED,
        payload={
            **_about_order(order, order_id=order_id, placed_by=placed_by, mode=mode),
            "code": code,
            "message": message,
            "details": dict(details or {}),
        },
        ts_ns=ts_ns,
    )


def order_modified(bracket: Bracket, changes: Mapping[str, object], ts_ns: int) -> EventDraft:
    """Prices or time to live were changed; ``changes`` maps each changed field to ``{"from": …, "to": …}``."""
    return EventDraft(
        type=EventType.ORDER_MODIFIED,
        payload={**_about(bracket), "changes": dict(changes), "ttl_expires_at": seconds(bracket.ttl_expires_ns)},
        ts_ns=ts_ns,
    )


def order_unknown(bracket: Bracket, ts_ns: int) -> EventDraft:
    """The venue may or may not have acted; the order is looked up until that is known."""
    return EventDraft(type=EventType.ORDER_UNKNOWN, payload=_about(bracket), ts_ns=ts_ns)


def order_resolved(bracket: Bracket, ts_ns: int) -> EventDraft:
    """What was unknown is known: ``status``."""
    return EventDraft(type=EventType.ORDER_RESOLVED, payload={**_about(bracket), "status": str(bracket.status)}, ts_ns=ts_ns)


def bracket_closed(bracket: Bracket, trade: Trade) -> EventDraft:
    """A position is out of the market. ``realized_pnl`` is before ``fees``, ``r_multiple`` after them; ``held_s`` from first fill to last."""
    return EventDraft(
        type=EventType.BRACKET_CLOSED,
        payload={
            **_about(bracket),
            "close_reason": str(trade.close_reason),
            "realized_pnl": trade.realized_pnl,
            "fees": trade.fees,
            "r_multiple": trade.r_multiple,
            "held_s": seconds(trade.held_ns),
            "entry_price": trade.entry_price,
            "exit_price": trade.exit_price,
        },
        ts_ns=trade.closed_ns,
    )


def trading_state_changed(*, old: str, new: str, reason: str, changed_by: str, ts_ns: int, details: Mapping[str, object] | None = None) -> EventDraft:
    """``trading_state`` is now ``new``; ``changed_by`` is a user or ``risk``, ``watchdog``."""
    return EventDraft(
        type=EventType.TRADING_STATE_CHANGED,
        payload={"old": old, "new": new, "reason": reason, "changed_by": changed_by, "details": dict(details or {})},
        ts_ns=ts_ns,
    )


def protection_lost(bracket: Bracket, *, reason: str, ts_ns: int) -> EventDraft:
    """An open position has no stop of its size: an alarm."""
    return EventDraft(
        type=EventType.PROTECTION_LOST, payload={**_about(bracket), "position_units": bracket.position_units, "reason": reason}, ts_ns=ts_ns
    )


def protection_restored(bracket: Bracket, ts_ns: int) -> EventDraft:
    """The stop is back; ``protection`` says who guards it."""
    return EventDraft(
        type=EventType.PROTECTION_RESTORED,
        payload={**_about(bracket), "position_units": bracket.position_units, "protection": str(bracket.protection)},
        ts_ns=ts_ns,
    )


def feed_stale(
    *, instruments: Sequence[str], reason: str, feed: str, ts_ns: int, age_ms: int | None = None, orders_feed: str | None = None
) -> EventDraft:
    """Nothing fills for ``instruments``: ``reason`` is ``stale`` (``age_ms`` since the last quote) or ``FEED_CHANGED`` (orders came on another)."""
    return EventDraft(
        type=EventType.FEED_STALE,
        payload={"instruments": list(instruments), "reason": reason, "feed": feed, "age_ms": age_ms, "orders_feed": orders_feed},
        ts_ns=ts_ns,
    )


def feed_recovered(*, instruments: Sequence[str], feed: str, ts_ns: int, silent_s: Decimal | None = None) -> EventDraft:
    """Quotes for ``instruments`` decide again, after ``silent_s`` seconds."""
    return EventDraft(type=EventType.FEED_RECOVERED, payload={"instruments": list(instruments), "feed": feed, "silent_s": silent_s}, ts_ns=ts_ns)


def reconciled(*, instrument: str | None, blind_s: Decimal, orders: int, ts_ns: int, details: Mapping[str, object] | None = None) -> EventDraft:
    """We know again how things stand, after ``blind_s`` seconds without a look at the market (``instrument``) or the venue; ``orders`` were open."""
    return EventDraft(
        type=EventType.RECONCILED,
        payload={"instrument": instrument, "blind_s": blind_s, "orders": orders, "details": dict(details or {})},
        ts_ns=ts_ns,
    )


def clock_stepped(*, step_s: Decimal, ts_ns: int) -> EventDraft:
    """The wall clock jumped by ``step_s`` seconds against the boot clock; expiries are held for a minute."""
    return EventDraft(type=EventType.CLOCK_STEPPED, payload={"step_s": step_s}, ts_ns=ts_ns)


def source_reset(*, old_epoch: str | None, old_last: int | None, new_epoch: str, reason: str, ts_ns: int) -> EventDraft:
    """A journal began anew: the first event of every epoch."""
    return EventDraft(
        type=EventType.SOURCE_RESET, payload={"old_epoch": old_epoch, "old_last": old_last, "new_epoch": new_epoch, "reason": reason}, ts_ns=ts_ns
    )


def paper_reset(
    *, venue: str, reset_by: str, cancelled: int, balance: Decimal, currency: str, holdings: Mapping[str, Decimal], ts_ns: int
) -> EventDraft:
    """The paper account starts over at ``balance``; ``cancelled`` brackets were voided with it."""
    return EventDraft(
        type=EventType.PAPER_RESET,
        payload={
            "venue": venue,
            "reset_by": reset_by,
            "cancelled": cancelled,
            "balance": balance,
            "currency": currency,
            "holdings": dict(holdings),
        },
        ts_ns=ts_ns,
    )


def narration(*, text: str, tone: str, source: str, epoch: str, seq: int, order_id: str | None, ts_ns: int) -> EventDraft:
    """Rick's line about one event of one source; ``about`` names it."""
    return EventDraft(
        type=EventType.NARRATION,
        payload={"text": text, "tone": tone, "about": {"source": source, "epoch": epoch, "seq": seq, "order_id": order_id}},
        ts_ns=ts_ns,
    )


def seconds(ns: int) -> Decimal:
    """Nanoseconds as seconds with milliseconds, cut: fifteen digits must do for a date in this century."""
    return Decimal(ns // 1_000_000).scaleb(-3)


def _about(bracket: Bracket) -> dict[str, object]:
    return _about_order(bracket.order, order_id=bracket.order_id, placed_by=bracket.placed_by, mode=bracket.mode)


def _about_order(order: BracketOrder, *, order_id: str, placed_by: str, mode: str) -> dict[str, object]:
    return {
        "order_id": order_id,
        "client_order_id": order.client_order_id,
        "placed_by": placed_by,
        "instrument": order.instrument,
        "side": str(order.side),
        "units": order.units,
        "mode": mode,
    }
