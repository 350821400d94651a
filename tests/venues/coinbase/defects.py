"""Faults planted in the simulator itself, one at a time, to see that its judge finds them: ``--defect NAME``.

Each puts one wrong piece in the place of a right one; the simulator's own code knows nothing of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

from tests.venues.coinbase import channels, listing, order_views, rest_orders
from tests.venues.coinbase.exchange import Request
from tests.venues.coinbase.matching import Matching
from tests.venues.coinbase.orders import Fill, Order, Status
from tests.venues.coinbase.refusals import BadRequest, Refused
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.coinbase.websocket import Connection
from trading.money import ZERO


def plant(venue: CoinbaseVenue, name: str) -> None:
    """Make ``venue`` wrong in the way of ``name``; before it listens."""
    DEFECTS[name](venue)


def _id_places_twice(venue: CoinbaseVenue) -> None:
    """A ``client_order_id`` used again makes a second order."""
    create = venue.exchange.create

    def twice(request: Request) -> Order:
        venue.account.by_client_id.pop(request.client_order_id, None)
        return create(request)

    _put(venue.exchange, "create", twice)


def _cancel_lies(venue: CoinbaseVenue) -> None:
    """A cancel says success, and the order stays."""
    _put(venue.exchange, "cancel", lambda _order_id: "")


def _edit_lies(venue: CoinbaseVenue) -> None:
    """An edit says success, and the price stays."""

    def edit(order_id: str, *, price: Decimal, size: Decimal) -> None:
        venue.exchange.check_edit(order_id, price=price, size=size)

    _put(venue.exchange, "edit", edit)


def _preview_places(venue: CoinbaseVenue) -> None:
    """A preview places the order it was asked about."""
    check, ids = venue.exchange.check, count(1)

    def place(request: Request) -> Any:
        product = check(request)
        if not request.client_order_id:
            venue.exchange.create(replace(request, client_order_id=f"preview-{next(ids)}"))
        return product

    _put(venue.exchange, "check", place)


def _holds_nothing(venue: CoinbaseVenue) -> None:
    """Resting orders keep nothing back, so that money is spent twice."""
    _put(venue.account, "held", lambda _currency: ZERO)


def _fees_forgotten(venue: CoinbaseVenue) -> None:
    """Fills cost nothing."""
    settle = venue.account.settle
    _put(venue.account, "settle", lambda order, fill: settle(order, replace(fill, fee=ZERO)))


def _stop_never_turns(venue: CoinbaseVenue) -> None:
    """A bracket's stop price is passed and nothing happens."""
    _put(venue.exchange.matching, "_is_due", lambda _order, _last: False)


def _exit_oversells(venue: CoinbaseVenue) -> None:
    """An attached exit sells twice what was bought."""
    lead = venue.exchange.matching._lead_child

    def double(parent: Order) -> None:
        lead(parent)
        child = venue.account.child_of(parent)
        if child is not None and not child.is_final:
            child.size = parent.filled_size * 2

    _put(venue.exchange.matching, "_lead_child", double)


def _exit_missing(venue: CoinbaseVenue) -> None:
    """An attached exit never opens: the position stays naked while its id looks fine."""
    matching = venue.exchange.matching
    opens = matching.open

    def open_parents(order: Order) -> None:
        if not order.originating_order_id:
            opens(order)

    _put(matching, "open", open_parents)


def _refusal_as_success(venue: CoinbaseVenue) -> None:
    """What is refused looks placed: success with an order id that nobody knows."""
    create = venue.exchange.create

    def pretend(request: Request) -> Order:
        try:
            return create(request)
        except Refused:
            venue_order = next(iter(venue.account.orders.values()), None)
            if venue_order is None:
                raise
            return replace(venue_order, order_id=venue.account.new_id(), status=Status.OPEN)

    _put(venue.exchange, "create", pretend)


def _refusal_as_400(venue: CoinbaseVenue) -> None:
    """A refusal is an HTTP error instead of an answer."""
    create = venue.exchange.create

    def fail(request: Request) -> Order:
        try:
            return create(request)
        except Refused as refused:
            raise BadRequest(refused.reason) from None

    _put(venue.exchange, "create", fail)


def _page_loses_a_row(venue: CoinbaseVenue) -> None:
    """Each further page leaves out its first row."""
    del venue
    page = listing.page

    def short(rows: Any, query: Any, **how: Any) -> Any:
        shown, cursor = page(rows, query, **how)
        return (shown[1:] if "cursor" in query else shown), cursor

    _put(rest_orders, "page", short)


def _sequence_hole(venue: CoinbaseVenue) -> None:
    """Every seventh message of a connection skips a number."""
    del venue
    number = Connection._number

    def skip(self: Connection, channel: str, events: Any) -> None:
        if self._sequence % 7 == 6:
            self._sequence += 1
        number(self, channel, events)

    _put(Connection, "_number", skip)


def _no_heartbeat(venue: CoinbaseVenue) -> None:
    """Heartbeats are acknowledged and never come."""
    del venue
    tell = Connection._tell

    def all_but(self: Connection, channel: str, events: Any) -> None:
        if channel != "heartbeats":
            tell(self, channel, events)

    _put(Connection, "_tell", all_but)


def _user_forgets_fills(venue: CoinbaseVenue) -> None:
    """The user channel never counts what was filled."""
    written = order_views.user_order

    def unfilled(order: Order, account: Any, *, in_snapshot: bool) -> dict[str, object]:
        return written(order, account, in_snapshot=in_snapshot) | {"cumulative_quantity": "0", "number_of_fills": "0"}

    del venue
    _put(channels, "user_order", unfilled)


def _any_token(venue: CoinbaseVenue) -> None:
    """Tokens are not looked at."""
    _put(venue.gatekeeper, "check", lambda _token, **_how: venue.key.name)


def _numbers_as_numbers(venue: CoinbaseVenue) -> None:
    """Sizes and prices of fills are JSON numbers, with a float's digits."""
    del venue
    written = order_views.rest_fill

    def floats(fill: Fill, account: Any) -> dict[str, object]:
        return written(fill, account) | {"price": float(fill.price), "size": float(fill.size)}

    _put(rest_orders, "rest_fill", floats)


def _fills_at_any_price(venue: CoinbaseVenue) -> None:
    """A limit trades at the market, beyond its price too."""
    trades = Matching._trades

    def at_any(order: Order, touch: Any) -> bool:
        order.limit_price = None
        return trades(venue.exchange.matching, order, touch)

    _put(venue.exchange.matching, "_trades", at_any)


def _put(owner: object, name: str, wrong: object) -> None:
    """Put ``wrong`` where ``owner`` has its ``name``."""
    assert hasattr(owner, name), name  # a defect that changes nothing would prove a judge blind
    setattr(owner, name, wrong)


DEFECTS: Mapping[str, Callable[[CoinbaseVenue], None]] = {
    "id-places-twice": _id_places_twice,
    "cancel-lies": _cancel_lies,
    "edit-lies": _edit_lies,
    "preview-places": _preview_places,
    "holds-nothing": _holds_nothing,
    "fees-forgotten": _fees_forgotten,
    "stop-never-turns": _stop_never_turns,
    "exit-oversells": _exit_oversells,
    "exit-missing": _exit_missing,
    "refusal-as-success": _refusal_as_success,
    "refusal-as-400": _refusal_as_400,
    "page-loses-a-row": _page_loses_a_row,
    "sequence-hole": _sequence_hole,
    "no-heartbeat": _no_heartbeat,
    "user-forgets-fills": _user_forgets_fills,
    "any-token": _any_token,
    "numbers-as-numbers": _numbers_as_numbers,
    "fills-at-any-price": _fills_at_any_price,
}
