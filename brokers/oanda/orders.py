"""What is sent to v20: the JSON of entries, of replacements, of a trade's exits and of closes.

An entry carries its exits (``…OnFill``), so the venue never has it without them: a fill whose exits cannot stand is cancelled by the venue itself.
``positionFill`` is ``OPEN_ONLY``: each bracket is a trade of its own, and none may quietly eat another's units. Market entries are ``FOK``: one
fill or none. There is no ``priceBound``: an order that gapped past its exits is cancelled anyway, and a bound nobody asked for is a refusal nobody
asked for. The client ids are on the order and on the trade it opens; exits have none, since a remainder that fills later would repeat them.
Prices go out as they were given, padded to the instrument's decimals and never rounded. Source: oanda-v20 documentation, "Order definitions".
"""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from brokers.oanda.wire import write_number, write_price, write_time
from trading.orders import BracketOrder, EntryType

TAG = "rbot"
TRADE_SUFFIX = "-t"

_TYPES = {EntryType.LIMIT: "LIMIT", EntryType.STOP: "STOP", EntryType.MARKET: "MARKET"}

Body = dict[str, Any]


def trade_client_id(venue_id: str) -> str:
    """The client id of the trade that the entry called ``venue_id`` opens: v20 keeps ids of orders and trades apart, people do not."""
    return venue_id + TRADE_SUFFIX


def by_name(client_id: str) -> str:
    """How a path names what goes by ``client_id``: others may have used any character in theirs."""
    return f"@{quote(client_id, safe='')}"


def entry(order: BracketOrder, *, venue_id: str, expires_ns: int, decimals: int) -> Body:
    """The body of ``POST /orders`` for ``order``.

    Args:
        venue_id: the order's client id at the venue.
        expires_ns: when what has not filled ends, UTC; a market entry has no such time.
        decimals: the instrument's ``displayPrecision``.
    """
    body = _entry(order, order.units, venue_id, expires_ns, decimals)
    return {"order": {**body, "clientExtensions": {"id": venue_id, **_about(order)}}}


def replacement(order: BracketOrder, units: Decimal, *, venue_id: str, expires_ns: int, decimals: int) -> Body:
    """The body of the ``PUT`` that puts ``order`` with ``units`` in the place of a resting entry.

    The entry's own client id is carried over by the venue; naming it again beside the order that still has it could be refused.
    """
    return {"order": _entry(order, units, venue_id, expires_ns, decimals)}


def _about(order: BracketOrder) -> Body:
    """What a person reads beside an order or a trade at the venue."""
    return {"tag": TAG, "comment": order.client_order_id}


def _entry(order: BracketOrder, units: Decimal, venue_id: str, expires_ns: int, decimals: int) -> Body:
    body: Body = {
        "type": _TYPES[order.entry_type],
        "instrument": order.instrument,
        "units": write_number(units * order.side.sign),
        "positionFill": "OPEN_ONLY",
        "tradeClientExtensions": {"id": trade_client_id(venue_id), **_about(order)},
    }
    # What a hand at the venue placed without an exit (0 here) or a date gets none by being changed.
    if order.take_profit_price:
        body["takeProfitOnFill"] = _at_price(order.take_profit_price, decimals)
    if order.stop_loss_price:
        body["stopLossOnFill"] = _at_price(order.stop_loss_price, decimals)
    if order.trailing_stop_distance is not None:
        body["trailingStopLossOnFill"] = _at_distance(order.trailing_stop_distance, decimals)
    if order.entry_price is None:
        return {**body, "timeInForce": "FOK"}
    date = {"timeInForce": "GTD", "gtdTime": write_time(expires_ns)} if expires_ns else {"timeInForce": "GTC"}
    return {**body, "price": write_price(order.entry_price, decimals), "triggerCondition": "DEFAULT", **date}


def exits(
    *,
    decimals: int,
    stop_loss_price: Decimal | None = None,
    take_profit_price: Decimal | None = None,
    trailing_stop_distance: Decimal | None = None,
) -> Body:
    """The body of ``PUT /trades/{spec}/orders``: each exit that is named is made or replaced, the others stay as they are."""
    body: Body = {}
    if take_profit_price is not None:
        body["takeProfit"] = _at_price(take_profit_price, decimals)
    if stop_loss_price is not None:
        body["stopLoss"] = _at_price(stop_loss_price, decimals)
    if trailing_stop_distance is not None:
        body["trailingStopLoss"] = _at_distance(trailing_stop_distance, decimals)
    return body


def close(units: Decimal | None) -> Body:
    """The body of ``PUT /trades/{spec}/close``: ``units`` of it, or all that is left, whatever that is by then."""
    return {"units": "ALL" if units is None else write_number(units)}


def _at_price(price: Decimal, decimals: int) -> Body:
    return {"price": write_price(price, decimals), "timeInForce": "GTC"}


def _at_distance(distance: Decimal, decimals: int) -> Body:
    return {"distance": write_price(distance, decimals), "timeInForce": "GTC"}
