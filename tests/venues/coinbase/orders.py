"""One order at the venue, as its matching sees it. How it is written is in ``order_views``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tests.venues.coinbase.configurations import AttachedTerms, Configuration, OrderType, Terms
from tests.venues.coinbase.products import Product
from trading.instruments import Side
from trading.money import ZERO, ceil_to, floor_to

# The stop side of a bracket is a limit this far beyond the price that triggered it.
STOP_REACH = Decimal("0.05")


class Status(StrEnum):
    PENDING = "PENDING"
    QUEUED = "QUEUED"
    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    CANCEL_QUEUED = "CANCEL_QUEUED"


FINAL = frozenset({Status.FILLED, Status.CANCELLED, Status.EXPIRED, Status.FAILED})
WAITING = frozenset({Status.PENDING, Status.QUEUED})
# A cancel that is on its way does not take the order out of the book.
ON_BOOK = frozenset({Status.OPEN, Status.CANCEL_QUEUED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade of one order. ``price`` times ``size`` is what changed hands, ``fee`` comes on top, in the quote currency.

    ``in_quote`` is whether the order was sized by its value: the venue then lists the fill's size in the quote currency too.
    """

    entry_id: str
    trade_id: str
    order_id: str
    product_id: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    is_maker: bool
    in_quote: bool
    time_ns: int


@dataclass(slots=True, kw_only=True)
class Order:
    """An order and what became of it.

    ``size`` is in base units; an attached exit's follows its parent's fills, a market buy by ``quote_size`` learns its own when it trades.
    ``rests`` is whether it has waited in the book, so that it trades as a maker. ``limit_price`` is what it trades at now, None at any price;
    ``reserve_price`` is what a market buy keeps money back by while it waits.
    """

    order_id: str
    client_order_id: str
    product: Product
    side: Side
    terms: Terms
    configuration: Configuration
    created_ns: int
    size: Decimal
    limit_price: Decimal | None
    reserve_price: Decimal = ZERO
    status: Status = Status.PENDING
    rests: bool = False
    is_triggered: bool = False
    filled_size: Decimal = ZERO
    filled_value: Decimal = ZERO
    fees: Decimal = ZERO
    fill_count: int = 0
    last_fill_ns: int | None = None
    cancel_message: str = ""
    reject_reason: str = ""
    attached: AttachedTerms | None = None
    attached_configuration: Configuration | None = None
    attached_order_id: str = ""
    originating_order_id: str = ""
    edits: list[Mapping[str, object]] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def remaining(self) -> Decimal:
        """What may still trade, in base units."""
        return ZERO if self.is_final else self.size - self.filled_size

    @property
    def average_price(self) -> Decimal:
        return self.filled_value / self.filled_size if self.filled_size else ZERO

    @property
    def waits_for_stop(self) -> bool:
        """Whether it is a stop whose price has not been reached, so that it is not in the book at all."""
        return self.terms.order_type is OrderType.STOP_LIMIT and not self.is_triggered

    @property
    def is_protection(self) -> bool:
        """Whether it is in the book with a stop, reached or not."""
        return self.status in ON_BOOK and self.terms.stop_price is not None

    def stop_limit_price(self) -> Decimal:
        """What a bracket's stop turns into: about 5% through the stop price, on the grid."""
        assert self.terms.stop_price is not None
        step = self.product.price_increment
        if self.side is Side.SELL:
            return floor_to(self.terms.stop_price * (1 - STOP_REACH), step)
        return ceil_to(self.terms.stop_price * (1 + STOP_REACH), step)

    def hold(self, taker_fee_rate: Decimal) -> tuple[str, Decimal]:
        """The currency it keeps back, and how much: a sell what it sells, a buy its worst price and the taker's fee."""
        if self.side is Side.SELL:
            return self.product.base, self.remaining
        if self.is_final:
            return self.product.quote, ZERO
        if self.terms.quote_size is not None:
            return self.product.quote, self.terms.quote_size - self.filled_value - self.fees
        price = self.limit_price or self.reserve_price
        if self.terms.order_type is OrderType.BRACKET and not self.is_triggered:
            price = max(price, self.stop_limit_price())
        return self.product.quote, self.remaining * price * (1 + taker_fee_rate)
