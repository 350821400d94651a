"""What people are shown of a bracket, a fill, a trade, an instrument: plain maps from values, in the shapes of ``bus.replies``.

Numbers stay Decimals here; the codec turns them into wire numbers when a reply leaves, the same way for every reader.
"""

from collections.abc import Sequence
from decimal import Decimal

from brokers.base import Mark
from runtime.timestamps import to_text
from trading.accounts import Account, Position, Preview
from trading.brackets import ARENA, Bracket, Fill, Trade, legs_of
from trading.events import seconds
from trading.instruments import Instrument
from trading.money import fits_wire, nearest

View = dict[str, object]

ORDER_IDS_MAX = 200  # of one position; a list of orders gives the rest


def order_view(bracket: Bracket, broker: str) -> View:
    """An ``OrderView``."""
    order = bracket.order
    return {
        "order_id": bracket.order_id,
        "client_order_id": order.client_order_id,
        "broker": broker,
        "mode": bracket.mode,
        "status": str(bracket.status),
        "placed_by": bracket.placed_by,
        "instrument": order.instrument,
        "side": str(order.side),
        "units": order.units,
        "entry_type": str(order.entry_type),
        "entry_price": order.entry_price,
        "stop_loss_price": order.stop_loss_price or None,
        "take_profit_price": order.take_profit_price or None,
        "trailing_stop_distance": order.trailing_stop_distance,
        "quality_score": order.quality_score,
        "ttl_min": order.ttl_min,
        "ttl_expires_at": seconds(bracket.ttl_expires_ns),
        "origin": bracket.origin,
        "protection": str(bracket.protection),
        "placed_at": to_text(bracket.placed_ns),
        "updated_at": to_text(bracket.updated_ns),
        "opened_at": _time(bracket.opened_ns),
        "closed_at": _time(bracket.closed_ns),
        "filled_units": bracket.filled_units,
        "position_units": bracket.position_units,
        "average_entry_price": bracket.average_entry_price,
        "average_exit_price": bracket.average_exit_price,
        "realized_pnl": bracket.realized_pnl,
        "fees": bracket.fees,
        "close_reason": None if bracket.close_reason is None else str(bracket.close_reason),
        "cancel_reason": bracket.cancel_reason,
        "feed": bracket.feed or None,
        "legs": legs_of(bracket),
    }


def void_view(client_order_id: str, placed_by: str, broker: str, mode: str, reason: str | None) -> View:
    """The ``OrderView`` of a client_order_id that never became an order and never will."""
    return {
        **dict.fromkeys(_ORDER_FIELDS),
        "client_order_id": client_order_id,
        "broker": broker,
        "mode": mode,
        "status": "VOID",
        "placed_by": placed_by,
        "protection": "none",
        "origin": ARENA,
        "filled_units": 0,
        "position_units": 0,
        "realized_pnl": 0,
        "fees": 0,
        "cancel_reason": reason,
        "legs": [],
    }


def fill_view(fill: Fill) -> View:
    """A ``FillView``."""
    return {
        "fill_id": fill.fill_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "placed_by": fill.placed_by,
        "mode": fill.mode,
        "leg": str(fill.leg),
        "instrument": fill.instrument,
        "side": str(fill.side),
        "units": fill.units,
        "price": fill.price,
        "bid": fill.bid,
        "ask": fill.ask,
        "fee": fill.fee,
        "realized_pnl": fill.realized_pnl,
        "liquidity": str(fill.liquidity),
        "filled_at": to_text(fill.time_ns),
    }


def trade_view(trade: Trade) -> View:
    """A ``TradeView``."""
    return {
        "order_id": trade.order_id,
        "client_order_id": trade.client_order_id,
        "placed_by": trade.placed_by,
        "mode": trade.mode,
        "instrument": trade.instrument,
        "side": str(trade.side),
        "units": trade.units,
        "entry_price": trade.entry_price,
        "exit_price": trade.exit_price,
        "realized_pnl": trade.realized_pnl,
        "fees": trade.fees,
        "net_pnl": trade.net_pnl,
        "risk_money": trade.risk_money,
        "r_multiple": trade.r_multiple,
        "quality_score": trade.quality_score,
        "close_reason": str(trade.close_reason),
        "opened_at": to_text(trade.opened_ns),
        "closed_at": to_text(trade.closed_ns),
        "held_s": seconds(trade.held_ns),
    }


def instrument_view(instrument: Instrument) -> View:
    """An ``InstrumentView``."""
    return {
        "instrument": instrument.name,
        "broker": instrument.venue,
        "asset_class": str(instrument.asset_class),
        "base": instrument.base,
        "quote": instrument.quote,
        "tick": instrument.tick,
        "step": instrument.step,
        "units_min": instrument.units_min,
        "units_max": instrument.units_max,
        "price_decimals": instrument.price_decimals,
        "margin_rate": instrument.margin_rate,
        "maker_fee_rate": instrument.maker_fee_rate,
        "taker_fee_rate": instrument.taker_fee_rate,
        "calendar": str(instrument.calendar),
    }


def account_view(account: Account, account_id: str) -> View:
    """An ``AccountView``; an amount of more digits than travel is shown as near as can be."""
    return {
        "broker": account.venue,
        "account": account_id,
        "mode": account.mode,
        "currency": account.currency,
        "balance": nearest(account.balance),
        "cash": nearest(account.cash),
        "reserved": nearest(account.reserved),
        "open_pnl": nearest(account.open_pnl),
        "equity": nearest(account.equity),
        "margin_used": nearest(account.margin_used),
        "margin_available": nearest(account.margin_available),
        "holdings": {name: nearest(amount) for name, amount in account.holdings.items()},
        "holdings_value": nearest(account.holdings_value),
        "realized_pnl": nearest(account.realized_pnl),
        "fees": nearest(account.fees),
        "financing": nearest(account.financing),
        "pending_orders": account.pending_orders,
        "open_trades": account.open_trades,
        "as_of": _time(account.as_of_ns),
        "stale": account.stale,
    }


def position_view(position: Position, protection: str) -> View:
    """A ``PositionView``."""
    return {
        "broker": position.venue,
        "instrument": position.instrument,
        "side": str(position.side),
        "units": position.units,
        "average_price": position.average_price,
        "mark_price": position.mark_price,
        "open_pnl": position.open_pnl,
        "margin_used": position.margin_used,
        "protection": protection,
        "order_ids": list(position.order_ids[:ORDER_IDS_MAX]),
        "as_of": _time(position.as_of_ns),
        "stale": position.stale,
    }


def open_view(bracket: Bracket) -> View:
    """An ``OpenItem``."""
    return {
        "order_id": bracket.order_id,
        "instrument": bracket.instrument,
        "side": str(bracket.side),
        "remaining_units": bracket.remaining_units,
        "position_units": bracket.position_units,
        "status": str(bracket.status),
    }


def preview_view(preview: Preview, mark: Mark | None, warnings: Sequence[str]) -> View:
    """A ``Previewed``."""
    return {
        "instrument": preview.instrument,
        "side": str(preview.side),
        "units": preview.units,
        "currency": preview.currency,
        "entry_price": preview.entry_price,
        "bid": None if mark is None else mark.quote.bid,
        "ask": None if mark is None else mark.quote.ask,
        "spread": preview.spread,
        "notional": _told(preview.notional),
        "cost": _told(preview.cost),
        "available": preview.available,
        "entry_fee": _told(preview.entry_fee),
        "exit_fee": _told(preview.exit_fee),
        "loss_at_stop": _told(preview.loss_at_stop),
        "gain_at_target": _told(preview.gain_at_target),
        "reward_risk": _told(preview.reward_risk),
        "warnings": list(warnings),
        "stale": mark is None or not mark.is_fresh,
    }


def _told(value: Decimal | None) -> Decimal | None:
    """None for what an absurd order comes to: it has more digits than a number that travels."""
    return value if value is not None and fits_wire(value) else None


def _time(ns: int) -> str | None:
    return to_text(ns) if ns else None


_ORDER_FIELDS = (
    *("order_id", "client_order_id", "broker", "mode", "status", "placed_by", "instrument", "side", "units", "entry_type", "entry_price"),
    *("stop_loss_price", "take_profit_price", "trailing_stop_distance", "quality_score", "ttl_min", "ttl_expires_at", "protection", "origin"),
    *(
        "placed_at",
        "updated_at",
        "opened_at",
        "closed_at",
        "filled_units",
        "position_units",
        "average_entry_price",
        "average_exit_price",
        "realized_pnl",
        "fees",
    ),
    *("close_reason", "cancel_reason", "feed", "legs"),
)
