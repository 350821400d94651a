"""Accounts as people look at them: money, positions, and what an order would cost.

    equity = balance + open P&L + what is held besides, at mid

``balance`` is settled money: what was paid in plus every realised P&L less every fee, at a live venue plus financing. ``open_pnl`` is what closing
everything now would realise: longs at the bid, shorts at the ask, before exit fees, converted at mid. Every figure says how old its oldest quote is
(``as_of_ns``) and whether that is too old to act on (``stale``). docs/glossary.md defines each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from trading.instruments import Side
from trading.money import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One venue account at one moment, money in ``currency``.

    ``cash`` is what could be paid with now if nothing were reserved: at Coinbase the balance less what open longs cost plus what open shorts
    brought; at OANDA the balance. ``reserved`` is kept back for resting orders and for buying back shorts. ``holdings`` is every currency held
    besides, those of open brackets included; ``holdings_value`` counts only those that no bracket will sell. ``financing`` is what a live venue has
    credited (below zero: charged) for positions held overnight, dividends included: part of the balance beside ``realized_pnl`` and ``fees``.
    ``awaited`` are the instruments whose quotes its equity rests on and that have not come since the start: what they would value is left out.
    """

    venue: str
    mode: str
    currency: str
    balance: Decimal
    cash: Decimal
    reserved: Decimal
    open_pnl: Decimal
    equity: Decimal
    margin_used: Decimal
    margin_available: Decimal
    holdings: Mapping[str, Decimal] = field(default_factory=dict)
    holdings_value: Decimal
    realized_pnl: Decimal
    fees: Decimal
    financing: Decimal = ZERO
    pending_orders: int
    open_trades: int
    as_of_ns: int
    stale: bool
    awaited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What one instrument holds on one side, over all its brackets; ``mark_price`` is what closing gets per unit, None before the first quote."""

    venue: str
    instrument: str
    side: Side
    units: Decimal
    average_price: Decimal
    mark_price: Decimal | None
    open_pnl: Decimal
    margin_used: Decimal
    order_ids: tuple[str, ...]
    as_of_ns: int
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an order would cost and could lose, before it is placed; money in the account's currency, None where no quote says.

    ``entry_price`` is the order's own, or what the market asks now. ``cost`` is the margin set aside, or the money paid. ``loss_at_stop`` and
    ``gain_at_target`` are net of both fees, the loss as a positive number; a gap may cost more. ``reward_risk`` is one over the other.
    """

    instrument: str
    side: Side
    units: Decimal
    currency: str
    entry_price: Decimal | None
    spread: Decimal | None
    notional: Decimal | None
    cost: Decimal | None
    available: Decimal
    entry_fee: Decimal | None
    exit_fee: Decimal | None
    loss_at_stop: Decimal | None
    gain_at_target: Decimal | None
    reward_risk: Decimal | None
    warnings: tuple[str, ...] = ()
