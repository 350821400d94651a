"""Orders and fills as the REST API and the websocket's user channel write them: the same facts under different names."""

from collections.abc import Mapping
from decimal import Decimal

from tests.venues.coinbase.account import Account
from tests.venues.coinbase.configurations import OrderType
from tests.venues.coinbase.orders import FINAL, Fill, Order, Status
from tests.venues.coinbase.wire import rfc3339, text
from trading.instruments import Side
from trading.money import ZERO, floor_to

_PERCENT_STEP = Decimal("0.01")


def rest_order(order: Order, account: Account) -> dict[str, object]:
    """The ``order`` object of the REST API: every number a string, booleans as such."""
    return {
        "order_id": order.order_id,
        "product_id": order.product.product_id,
        "user_id": account.user_id,
        "order_configuration": order.configuration,
        "side": order.side,
        "client_order_id": order.client_order_id,
        "status": order.status,
        "time_in_force": order.terms.time_in_force,
        "created_time": rfc3339(order.created_ns),
        "completion_percentage": _completion(order),
        "filled_size": text(order.filled_size),
        "average_filled_price": text(_average(order)),
        "fee": "",
        "number_of_fills": str(order.fill_count),
        "filled_value": text(order.filled_value),
        "pending_cancel": order.status is Status.CANCEL_QUEUED,
        "size_in_quote": order.terms.quote_size is not None,
        "total_fees": text(order.fees),
        "size_inclusive_of_fees": order.terms.quote_size is not None,
        "total_value_after_fees": text(_value_after_fees(order)),
        "trigger_status": _trigger_status(order),
        "order_type": order.terms.order_type,
        "reject_reason": order.reject_reason or "REJECT_REASON_UNSPECIFIED",
        "settled": order.status is Status.FILLED,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": order.cancel_message,
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": text(order.hold(account.options.taker_fee_rate)[1]),
        "is_liquidation": False,
        "last_fill_time": None if order.last_fill_ns is None else rfc3339(order.last_fill_ns),
        "edit_history": list(order.edits),
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": account.portfolio_id,
        "originating_order_id": order.originating_order_id,
        "attached_order_id": order.attached_order_id,
        "attached_order_configuration": order.attached_configuration,
    } | _surprises(account)


def rest_fill(fill: Fill, account: Account) -> dict[str, object]:
    """A row of the fills list; of an order sized by its value, ``size`` is in the quote currency. Recorded: trade times end with milliseconds."""
    return {
        "entry_id": fill.entry_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "trade_time": rfc3339(fill.time_ns - fill.time_ns % 1_000_000),
        "trade_type": "FILL",
        "price": text(fill.price),
        "size": text(fill.size * fill.price if fill.in_quote else fill.size),
        "commission": text(fill.fee),
        "product_id": fill.product_id,
        "sequence_timestamp": rfc3339(fill.time_ns),
        "liquidity_indicator": "MAKER" if fill.is_maker else "TAKER",
        "size_in_quote": fill.in_quote,
        "user_id": account.user_id,
        "side": fill.side,
        "retail_portfolio_id": account.portfolio_id,
    }


def user_order(order: Order, account: Account, *, in_snapshot: bool) -> dict[str, object]:
    """An order of the user channel: cumulative, every value a string, booleans too.

    ``order_type`` was recorded as ``Limit`` and as ``LIMIT``: a snapshot writes the one, an update the other.
    """
    stop = order.terms.stop_price
    return {
        "avg_price": text(_average(order)),
        "cancel_reason": order.cancel_message,
        "client_order_id": order.client_order_id,
        "completion_percentage": _completion(order),
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": text(order.filled_size),
        "filled_value": text(order.filled_value),
        "leaves_quantity": text(order.remaining),
        "limit_price": "0" if order.limit_price is None else text(order.limit_price),
        "number_of_fills": str(order.fill_count),
        "order_id": order.order_id,
        "order_side": order.side,
        "order_type": _title(order.terms.order_type) if in_snapshot else order.terms.order_type,
        "outstanding_hold_amount": text(order.hold(account.options.taker_fee_rate)[1]),
        "post_only": "true" if order.terms.post_only else "false",
        "product_id": order.product.product_id,
        "product_type": "SPOT",
        "reject_reason": order.reject_reason,
        "retail_portfolio_id": account.portfolio_id,
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": order.status,
        "stop_price": "" if stop is None else text(stop),
        "time_in_force": order.terms.time_in_force,
        "total_fees": text(order.fees),
        "total_value_after_fees": text(_value_after_fees(order)),
        "trigger_status": _trigger_status(order),
        "creation_time": rfc3339(order.created_ns),
        "end_time": "0001-01-01T00:00:00Z" if order.terms.end_time_ns is None else rfc3339(order.terms.end_time_ns),
        "start_time": "0001-01-01T00:00:00Z",
    } | _surprises(account)


def money(value: Decimal, currency: str) -> Mapping[str, str]:
    return {"value": text(value), "currency": currency}


def _surprises(account: Account) -> dict[str, object]:
    """What no document has: a member of any type, and a value of an enum."""
    if not account.options.surprises:
        return {}
    return {"a_later_member": {"nested": [1, None]}, "product_type": "A_LATER_TYPE", "order_placement_source": "A_LATER_SOURCE"}


def _average(order: Order) -> Decimal:
    return order.average_price.quantize(Decimal("1E-10")) if order.filled_size else ZERO


def _completion(order: Order) -> str:
    return text(floor_to(order.filled_size / order.size * 100, _PERCENT_STEP)) if order.size else "0"


def _value_after_fees(order: Order) -> Decimal:
    """What a buy cost with its fees, what a sell brought without them; before it trades, what it would at its limit."""
    value = order.filled_value
    if not order.filled_size and order.status not in FINAL:
        value = order.size * (order.limit_price or ZERO)
    return value + order.fees if order.side is Side.BUY else value - order.fees


def _trigger_status(order: Order) -> str:
    if order.terms.stop_price is None:
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if order.is_triggered else "STOP_PENDING"


def _title(order_type: OrderType) -> str:
    return order_type.replace("_", " ").title()
