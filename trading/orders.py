"""Orders: what a person asks for (``OrderTicket``) and what we agreed to carry out (``BracketOrder``).

A bracket is one entry with two exits, a stop loss and a take profit, of which filling one cancels the other. ``trading.order_checks.check_ticket``
turns a ticket into a bracket order or says exactly why not. Nothing is ever rounded to make it fit.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter

from trading.errors import InvalidRequest, OrderDenied
from trading.instruments import Side
from trading.values import quickly_made

__all__ = [
    "FINAL_STATUSES",
    "TTL_MIN_DEFAULT",
    "BracketOrder",
    "CloseReason",
    "EntryType",
    "Leg",
    "OrderStatus",
    "OrderTicket",
    "Side",
    "canonical_hash",
    "refuse_odd_numbers",
    "refuse_unknown_fields",
    "ticket_fields",
]

# Minutes an unfilled entry waits when the ticket does not say: six hours, as the first version did.
TTL_MIN_DEFAULT = Decimal(360)


class EntryType(StrEnum):
    """How a bracket gets in: at a price or better, once the market has moved to a price, or at once."""

    LIMIT = "limit"
    STOP = "stop"
    MARKET = "market"


class OrderStatus(StrEnum):
    """Where a bracket stands; ``trading.order_state`` says what may follow what."""

    SUBMITTING = "SUBMITTING"
    PENDING = "PENDING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    VOID = "VOID"
    CANCEL_PENDING = "CANCEL_PENDING"
    UNKNOWN = "UNKNOWN"

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to the bracket any more."""
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({OrderStatus.CLOSED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.VOID})


class CloseReason(StrEnum):
    """What ended an open position: the last of its fills."""

    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_LOSS = "STOP_LOSS"
    MANUAL = "MANUAL"
    KILL_SWITCH = "KILL_SWITCH"
    MARGIN_CLOSEOUT = "MARGIN_CLOSEOUT"
    EXTERNAL = "EXTERNAL"


class Leg(StrEnum):
    """The part of a bracket that a fill or a cancel is about. ``close`` is a market order that ends the position on request."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTicket:
    """An order as it was asked for, field by field as in the body of ``POST /brokers/{broker}/orders``; nothing is checked but the types.

    ``product_id`` and ``size`` are the other names of ``instrument`` and ``units``; one of each pair is given.
    """

    instrument: str | None = None
    product_id: str | None = None
    side: Side
    units: Decimal | None = None
    size: Decimal | None = None
    entry_type: EntryType = EntryType.LIMIT
    entry_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    trailing_stop_distance: Decimal | None = None
    quality_score: Decimal | None = None
    ttl_min: Decimal = TTL_MIN_DEFAULT
    client_order_id: str | None = None


_TICKET_FIELDS = tuple(field.name for field in fields(OrderTicket))
_TICKET_NAMES = frozenset(_TICKET_FIELDS)


def ticket_fields() -> tuple[str, ...]:
    """The names an order body may use, in the order of the documentation."""
    return _TICKET_FIELDS


def refuse_unknown_fields(names: Iterable[str]) -> None:
    """Raise InvalidRequest ``UNKNOWN_FIELD`` when ``names`` holds one that no ticket has: a misspelt stop must not be dropped."""
    if _TICKET_NAMES.issuperset(names):
        return
    unknown = sorted(set(names) - _TICKET_NAMES)
    raise InvalidRequest(
        f"an order has no field {unknown[0]}; remove it or mend its name",
        code="UNKNOWN_FIELD",
        details={"field": unknown[0], "fields": unknown, "known": list(_TICKET_FIELDS)},
    )


# Decimal reads more than people write: 1_1655 would be eleven thousand, and digits of other scripts would pass.
_NUMBER_TEXT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def refuse_odd_numbers(given: Mapping[str, object], read: object) -> None:
    """Raise InvalidRequest ``INVALID_FIELD`` for a text in ``given`` that became a Decimal of ``read`` and is not a number as JSON writes it."""
    for name, value in given.items():
        if type(value) is not str:
            continue
        number = getattr(read, name, None)
        if type(number) is Decimal and number.is_finite() and not _NUMBER_TEXT.fullmatch(value):  # what is not finite has a refusal of its own
            raise InvalidRequest(f"{name} is not a plain number; write it like 1.1655", code="INVALID_FIELD", details={"path": name})


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class BracketOrder:
    """An entry with two exits on the instrument's grids, the stop loss on the losing side of the take profit.

    Before anything has traded the entry price lies between the two (``order_checks.check_exits_around_entry``); a stop of an open position may pass
    it. ``entry_price`` is None for a market entry alone. ``trailing_stop_distance`` is how far, in price, the stop follows the market once the
    entry has filled; it starts at ``stop_loss_price`` and only ever tightens. ``ttl_min`` is minutes of the unfilled entry. An exit of 0 is one that
    an order found at a live venue has not got; a ticket cannot ask for that.
    """

    instrument: str
    side: Side
    units: Decimal
    entry_type: EntryType = EntryType.LIMIT
    entry_price: Decimal | None = None
    stop_loss_price: Decimal
    take_profit_price: Decimal
    trailing_stop_distance: Decimal | None = None
    quality_score: Decimal | None = None
    ttl_min: Decimal = TTL_MIN_DEFAULT
    client_order_id: str = ""

    def __post_init__(self) -> None:
        low, high = (self.stop_loss_price, self.take_profit_price) if self.side is Side.BUY else (self.take_profit_price, self.stop_loss_price)
        if low and high and not low < high:
            raise OrderDenied(
                f"the stop loss of a {self.side} must be {'below' if self.side is Side.BUY else 'above'} its take profit",
                code="STOP_WRONG_SIDE",
                details={"stop_loss_price": self.stop_loss_price, "take_profit_price": self.take_profit_price, "side": str(self.side)},
            )
        if (self.entry_price is None) is not (self.entry_type is EntryType.MARKET):
            raise InvalidRequest(
                "a limit or stop entry has a price and a market entry has none", code="FIELD_NOT_ALLOWED", details={"field": "entry_price"}
            )


def canonical_hash(order: BracketOrder) -> str:
    """A hex digest of what is ordered, without the id it was sent under.

    ``check_ticket`` leaves numbers plain, so it is the same whatever way they were written. Two requests with one ``client_order_id`` and the same
    hash are one order; with another hash they are a mistake (422 ``IDEMPOTENCY_MISMATCH``).
    """
    return hashlib.blake2b((_HASHED_TEXT % _hashed_values(order)).encode(), digest_size=16).hexdigest()


_HASHED_FIELDS = tuple(field.name for field in fields(BracketOrder) if field.name != "client_order_id")
_hashed_values = attrgetter(*_HASHED_FIELDS)
_HASHED_TEXT = "\n".join(f"{name}=%s" for name in _HASHED_FIELDS)
