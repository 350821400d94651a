"""Defects to plant, one at a time, so that the judges can be judged: each must turn one of them red.

The venue's own code knows nothing of them; a defect wraps one of its methods.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.venues.oanda.book import Order
from tests.venues.oanda.log import Batch
from tests.venues.oanda.specs import Spec
from tests.venues.oanda.wire import Doc
from trading.instruments import Side

if TYPE_CHECKING:
    from tests.venues.oanda.venue import OandaVenue

Defect = Callable[["OandaVenue"], None]


class _LaxSpec(Spec):
    """An instrument that takes any number of decimals."""

    def has_too_many_decimals(self, value: Decimal) -> bool:
        return False


def _numbers_instead_of_text(venue: "OandaVenue") -> None:
    _shape_fill(venue, lambda fill: fill.update(price=float(fill["price"]), accountBalance=float(fill["accountBalance"])))


def _no_last_transaction_id(venue: "OandaVenue") -> None:
    venue.shaper = lambda _request, doc: {key: value for key, value in doc.items() if key != "lastTransactionID"}


def _hole_in_the_sequence(venue: "OandaVenue") -> None:
    log = venue.account.log
    log.next_id = lambda: log.last_id + (2 if log.transactions[-1]["type"] == "ORDER_FILL" else 1)  # type: ignore[method-assign]  # planted


def _units_without_their_sign(venue: "OandaVenue") -> None:
    _shape_fill(venue, lambda fill: fill.update(units=fill["units"].lstrip("-")))


def _stop_not_attached(venue: "OandaVenue") -> None:
    create = venue.account.create_order

    def without_stops(batch: Batch, request: Any, reason: str, **extra: object) -> Any:
        return None if reason == "ON_FILL" and request.type == "STOP_LOSS" else create(batch, request, reason, **extra)

    venue.account.create_order = without_stops  # type: ignore[method-assign]  # planted


def _any_precision_taken(venue: "OandaVenue") -> None:
    specs = venue.account.specs
    specs.update({name: _LaxSpec(spec.instrument) for name, spec in specs.items()})


def _other_exit_left_standing(venue: "OandaVenue") -> None:
    cancel = venue.account.cancel_order

    def leave(batch: Batch, order: Order, reason: str, **extra: object) -> Doc:
        return {} if reason == "LINKED_TRADE_CLOSED" else cancel(batch, order, reason, **extra)

    venue.account.cancel_order = leave  # type: ignore[method-assign]  # planted


def _cancel_that_cancels_nothing(venue: "OandaVenue") -> None:
    cancel = venue.account.cancel_order

    def pretend(batch: Batch, order: Order, reason: str, **extra: object) -> Doc:
        if reason != "CLIENT_REQUEST":
            return cancel(batch, order, reason, **extra)
        return batch.write("ORDER_CANCEL", orderID=str(order.id), clientOrderID=order.client_id, reason=reason)

    venue.account.cancel_order = pretend  # type: ignore[method-assign]  # planted


def _exits_not_related(venue: "OandaVenue") -> None:
    def shape(_request: web.Request, doc: Doc) -> Doc:
        return {**doc, "relatedTransactionIDs": doc["relatedTransactionIDs"][:2]} if "orderFillTransaction" in doc else doc

    venue.shaper = shape


def _cancels_kept_off_the_stream(venue: "OandaVenue") -> None:
    venue.streams.is_told = lambda transaction: transaction["type"] != "ORDER_CANCEL"


def _buys_at_the_bid(venue: "OandaVenue") -> None:
    price = venue.account.market_price
    venue.account.market_price = lambda instrument, side: price(instrument, Side.SELL if side is Side.BUY else Side.BUY)  # type: ignore[method-assign]  # planted


def _shape_fill(venue: "OandaVenue", change: Callable[[Doc], None]) -> None:
    """Change the fill of every answer that has one; the log keeps it as it was."""

    def shape(_request: web.Request, doc: Doc) -> Doc:
        if "orderFillTransaction" not in doc:
            return doc
        fill = dict(doc["orderFillTransaction"])
        change(fill)
        return {**doc, "orderFillTransaction": fill}

    venue.shaper = shape


DEFECTS: dict[str, Defect] = {
    "numbers-instead-of-text": _numbers_instead_of_text,
    "no-last-transaction-id": _no_last_transaction_id,
    "hole-in-the-sequence": _hole_in_the_sequence,
    "units-without-their-sign": _units_without_their_sign,
    "stop-not-attached": _stop_not_attached,
    "any-precision-taken": _any_precision_taken,
    "other-exit-left-standing": _other_exit_left_standing,
    "cancel-that-cancels-nothing": _cancel_that_cancels_nothing,
    "exits-not-related": _exits_not_related,
    "cancels-kept-off-the-stream": _cancels_kept_off_the_stream,
    "buys-at-the-bid": _buys_at_the_bid,
}


def plant(venue: "OandaVenue", name: str) -> None:
    """Plant the defect called ``name``."""
    DEFECTS[name](venue)
