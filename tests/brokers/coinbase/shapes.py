"""JSON as the venue writes it, for tests of what reads it."""

from typing import Any

from brokers.coinbase.answers import VenueFill, VenueOrder, fill, order

CLIENT_ID = "5f3c9f0e-8a41-4c7e-9b1d-2a6f10c4e8d7"
GTD = {"limit_limit_gtd": {"base_size": "0.01", "limit_price": "60000", "end_time": "2026-11-24T00:00:00Z", "post_only": False}}


def order_json(order_id: str = "o1", **changes: Any) -> dict[str, Any]:
    """A resting buy of 0.01 BTC at 60000."""
    return {
        "order_id": order_id,
        "client_order_id": CLIENT_ID,
        "product_id": "BTC-USD",
        "user_id": "u",
        "side": "BUY",
        "order_configuration": GTD,
        "status": "OPEN",
        "time_in_force": "GOOD_UNTIL_DATE_TIME",
        "created_time": "2026-11-23T12:00:00.123456Z",
        "completion_percentage": "0",
        "filled_size": "0",
        "average_filled_price": "0",
        "fee": "",
        "number_of_fills": "0",
        "filled_value": "0",
        "pending_cancel": False,
        "size_in_quote": False,
        "total_fees": "0",
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": "LIMIT",
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "reject_message": "",
        "cancel_message": "",
        "product_type": "SPOT",
        "originating_order_id": "",
        "attached_order_id": "",
        "attached_order_configuration": None,
        "a_field_of_tomorrow": {"x": 1},
    } | changes


def venue_order(order_id: str = "o1", **changes: Any) -> VenueOrder:
    return order(order_json(order_id, **changes))


def fill_json(entry_id: str = "f1", order_id: str = "o1", **changes: Any) -> dict[str, Any]:
    """0.01 BTC bought at 60000 for a fee of 3.60."""
    return {
        "entry_id": entry_id,
        "trade_id": "t1",
        "order_id": order_id,
        "trade_time": "2026-11-23T12:00:01Z",
        "trade_type": "FILL",
        "price": "60000",
        "size": "0.01",
        "commission": "3.60",
        "product_id": "BTC-USD",
        "sequence_timestamp": "2026-11-23T12:00:01Z",
        "liquidity_indicator": "TAKER",
        "size_in_quote": False,
        "side": "BUY",
    } | changes


def venue_fill(entry_id: str = "f1", order_id: str = "o1", **changes: Any) -> VenueFill:
    return fill(fill_json(entry_id, order_id, **changes))


def bracket_json(order_id: str, client_order_id: str, *, size: str = "0.01", **changes: Any) -> dict[str, Any]:
    """A sell bracket: target 65000, stop 58000."""
    configuration = {"trigger_bracket_gtc": {"base_size": size, "limit_price": "65000", "stop_trigger_price": "58000"}}
    return order_json(
        order_id,
        client_order_id=client_order_id,
        side="SELL",
        order_configuration=configuration,
        created_time="2026-11-23T12:00:02Z",
        order_type="BRACKET",
        trigger_status="STOP_PENDING",
        **changes,
    )


def venue_bracket(order_id: str, client_order_id: str, **changes: Any) -> VenueOrder:
    return order(bracket_json(order_id, client_order_id, **changes))
