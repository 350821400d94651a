"""What the venue says, read: orders, fills, products, accounts and answers to a create, from parsed JSON to values.

Every number the venue sends is a decimal in quotes, every time RFC 3339. A field that decides about money and is missing or of another kind makes the
whole answer unreadable (``Malformed``): it then stands for "not known", never for nothing or zero. Fields and values that are new are passed over; a
status that is new counts as "still working", which is the side on which nothing is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from runtime.timestamps import from_text
from trading.instruments import Side
from trading.money import ZERO

Json = Mapping[str, object]

# No price, size or value of this venue has more characters; longer ones are not worth an exact arithmetic.
_NUMBER_CHARS_MAX = 64


class Malformed(ValueError):
    """An answer without a field it must have, or with one of another kind. What it was about remains unknown."""


class VenueStatus(StrEnum):
    """An order's own status. ``NEW_WORD`` stands for one that was not known when this was written."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    OPEN = "OPEN"
    CANCEL_QUEUED = "CANCEL_QUEUED"
    EDIT_QUEUED = "EDIT_QUEUED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    NEW_WORD = "UNKNOWN_ORDER_STATUS"

    @property
    def is_final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset({VenueStatus.FILLED, VenueStatus.CANCELLED, VenueStatus.EXPIRED, VenueStatus.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """How an order is to trade: the venue's name of its kind (``limit_limit_gtd``) and that kind's numbers, None where it has none."""

    kind: str
    base_size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None  # the trigger of a stop and of a bracket
    end_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """An order as REST tells of it. ``filled_size``, ``filled_value`` and ``fees`` are totals; ``reason`` is the venue's own text of why it ended."""

    order_id: str
    client_order_id: str
    product_id: str
    side: Side
    status: VenueStatus
    configuration: Configuration
    filled_size: Decimal
    average_price: Decimal
    fees: Decimal
    created_ns: int
    is_triggered: bool = False
    rests: bool = False  # triggered, and seen not to trade since (``resting``): as an exit it guards nothing
    is_cancelling: bool = False
    originating_order_id: str = ""
    attached_order_id: str = ""
    attached: Configuration | None = None  # the exits that wait for an entry's fill
    reason: str = ""
    number_of_fills: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFill:
    """One execution; ``fee`` in the quote currency, ``size`` in the base currency."""

    entry_id: str
    order_id: str
    product_id: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    time_ns: int
    is_maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What the account has of one currency: free, and set aside for orders."""

    currency: str
    available: Decimal
    hold: Decimal

    @property
    def total(self) -> Decimal:
        return self.available + self.hold

    def __add__(self, other: "Holding") -> "Holding":
        """Two wallets of one currency as one."""
        return Holding(currency=self.currency, available=self.available + other.available, hold=self.hold + other.hold)


def order(data: object) -> VenueOrder:
    """One element of ``orders``, or ``order`` of a single look-up."""
    found = mapping(data, "order")
    return VenueOrder(
        order_id=text(found, "order_id"),
        client_order_id=optional_text(found, "client_order_id"),
        product_id=text(found, "product_id"),
        side=side(found, "side"),
        status=status(found),
        configuration=configuration(found.get("order_configuration")),
        filled_size=number(found, "filled_size"),
        average_price=number_or_zero(found, "average_filled_price"),
        fees=number_or_zero(found, "total_fees"),
        created_ns=time_ns(found, "created_time"),
        is_triggered=optional_text(found, "trigger_status") == "STOP_TRIGGERED",
        is_cancelling=found.get("pending_cancel") is True,
        originating_order_id=optional_text(found, "originating_order_id"),
        attached_order_id=optional_text(found, "attached_order_id"),
        attached=configuration(found["attached_order_configuration"]) if found.get("attached_order_configuration") else None,
        reason=_first_reason(found, "cancel_message", "reject_message", "reject_reason"),
        number_of_fills=int(number_or_zero(found, "number_of_fills")),
    )


def configuration(data: object) -> Configuration:
    """``order_configuration``: exactly one kind with its numbers."""
    kinds = [(kind, members) for kind, members in mapping(data, "order_configuration").items() if members is not None]
    if len(kinds) != 1:
        raise Malformed(f"order_configuration has {len(kinds)} kinds; it must have one")
    kind, members = kinds[0]
    found = mapping(members, kind)
    stop = "stop_trigger_price" if "stop_trigger_price" in found else "stop_price"
    return Configuration(
        kind=kind,
        base_size=_optional_number(found, "base_size"),
        quote_size=_optional_number(found, "quote_size"),
        limit_price=_optional_number(found, "limit_price"),
        stop_price=_optional_number(found, stop),
        end_ns=time_ns(found, "end_time") if found.get("end_time") else None,
    )


def fill(data: object) -> VenueFill:
    """One element of ``fills``. A size in quote currency is turned into units of the base."""
    found = mapping(data, "fill")
    price, size = number(found, "price"), number(found, "size")
    if price <= 0 or size <= 0:
        raise Malformed(f"a fill of {size} at {price} is none")
    if found.get("size_in_quote") is True:
        size = (size / price).quantize(Decimal("0.00000001"))
    return VenueFill(
        entry_id=text(found, "entry_id"),
        order_id=text(found, "order_id"),
        product_id=text(found, "product_id"),
        side=side(found, "side"),
        price=price,
        size=size,
        fee=number(found, "commission"),
        time_ns=time_ns(found, "trade_time"),
        is_maker=optional_text(found, "liquidity_indicator") == "MAKER",
    )


def holding(data: object) -> Holding:
    """One element of ``accounts``."""
    found = mapping(data, "account")
    return Holding(currency=text(found, "currency"), available=_amount(found, "available_balance"), hold=_amount(found, "hold"))


def _amount(found: Json, name: str) -> Decimal:
    return number(mapping(found.get(name), name), "value")


def mapping(data: object, what: str) -> Json:
    if not isinstance(data, Mapping):
        raise Malformed(f"{what} is no object")
    return data


def items(data: object, name: str) -> Sequence[object]:
    """The list ``name`` of an answer. One that is missing is not an empty one."""
    found = mapping(data, "answer").get(name)
    if not isinstance(found, list):
        raise Malformed(f"{name} is no list")
    return found


def text(found: Json, name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} is missing")
    return value


def optional_text(found: Json, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def number(found: Json, name: str) -> Decimal:
    """A finite Decimal from text or from a JSON number that was read exactly."""
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or len(str(value)) > _NUMBER_CHARS_MAX:
        raise Malformed(f"{name} is no number")
    try:
        read = Decimal(value)
    except InvalidOperation:
        raise Malformed(f"{name} is no number") from None
    if not read.is_finite() or abs(read.adjusted()) > _NUMBER_CHARS_MAX:
        raise Malformed(f"{name} is no number")
    return read


def number_or_zero(found: Json, name: str) -> Decimal:
    """As ``number``; absent and empty are zero, as the venue leaves out what has not happened yet."""
    return ZERO if _is_absent(found, name) else number(found, name)


def _optional_number(found: Json, name: str) -> Decimal | None:
    return None if _is_absent(found, name) else number(found, name)


def _is_absent(found: Json, name: str) -> bool:
    value = found.get(name)
    return value is None or value == ""


def side(found: Json, name: str) -> Side:
    value = text(found, name)
    if value not in set(Side):
        raise Malformed(f"{name} is {value[:16]!r}")
    return Side(value)


def status(found: Json) -> VenueStatus:
    value = text(found, "status")
    return VenueStatus(value) if value in set(VenueStatus) else VenueStatus.NEW_WORD


def time_ns(found: Json, name: str) -> int:
    try:
        return from_text(text(found, name))
    except ValueError as error:
        raise Malformed(f"{name}: {error}") from None


def _first_reason(found: Json, *names: str) -> str:
    return next((value for name in names if (value := optional_text(found, name)) and not value.startswith("REJECT_REASON_UNSPECIFIED")), "")
