"""Orders and trades as the account keeps them, and how v20 shows them."""

from dataclasses import dataclass, field
from decimal import Decimal

from tests.venues.oanda.requests import Extensions, OrderRequest
from tests.venues.oanda.wire import Doc, Stamp, money, number, price
from trading.instruments import Side

ZERO = Decimal(0)
# The state of a trade that was to be closed while its market was halted.
DELAYED = "CLOSE_WHEN_TRADEABLE"


def side_of(units: Decimal) -> Side:
    """Signed units say which way."""
    return Side.BUY if units > 0 else Side.SELL


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """One order. ``units`` of an exit are the trade's, the other way round, when it fills."""

    id: int
    request: OrderRequest
    instrument: str
    decimals: int
    created_ns: int
    state: str = "PENDING"
    client: Extensions | None = None
    # For a market-if-touched order: whether the market was above its price when it came.
    came_from_above: bool = False
    trailing_value: Decimal | None = None
    filled_ns: int | None = None
    filling_id: int | None = None
    cancelled_ns: int | None = None
    cancelling_id: int | None = None
    trade_opened: int | None = None
    trade_reduced: int | None = None
    trades_closed: list[int] = field(default_factory=list)
    replaces: int | None = None
    replaced_by: int | None = None
    extra: Doc = field(default_factory=dict)

    @property
    def type(self) -> str:
        return self.request.type

    @property
    def client_id(self) -> str | None:
        return self.client.id if self.client else None

    def as_json(self) -> Doc:
        doc: Doc = {"id": str(self.id), "createTime": Stamp(self.created_ns), "type": self.type, **self.request.as_json(self.decimals), **self.extra}
        if not self.request.is_exit:
            doc["partialFill"] = "DEFAULT_FILL"
        doc["state"] = self.state
        doc.pop("clientExtensions", None)
        if self.client is not None:
            doc["clientExtensions"] = self.client.as_json()
        if self.trailing_value is not None:
            doc["trailingStopValue"] = price(self.trailing_value, self.decimals)
        if self.state == "FILLED" and self.filled_ns is not None:
            doc |= {"fillingTransactionID": str(self.filling_id), "filledTime": Stamp(self.filled_ns)}
            if self.trade_opened is not None:
                doc["tradeOpenedID"] = str(self.trade_opened)
            if self.trade_reduced is not None:
                doc["tradeReducedID"] = str(self.trade_reduced)
            if self.trades_closed:
                doc["tradeClosedIDs"] = [str(each) for each in self.trades_closed]
        if self.state == "CANCELLED" and self.cancelled_ns is not None:
            doc |= {"cancellingTransactionID": str(self.cancelling_id), "cancelledTime": Stamp(self.cancelled_ns)}
        if self.replaces is not None:
            doc["replacesOrderID"] = str(self.replaces)
        if self.replaced_by is not None:
            doc["replacedByOrderID"] = str(self.replaced_by)
        return doc


@dataclass(slots=True, kw_only=True, eq=False)
class Trade:
    """One open or closed trade; ``units`` is what is left of it, signed."""

    id: int
    instrument: str
    decimals: int
    price: Decimal
    opened_ns: int
    initial_units: Decimal
    units: Decimal
    initial_margin: Decimal
    client: Extensions | None = None
    state: str = "OPEN"
    delayed_by: int = 0  # the transaction that put it off
    realized: Decimal = ZERO
    financing: Decimal = ZERO
    closed_ns: int | None = None
    closing_ids: list[int] = field(default_factory=list)
    closed_value: Decimal = ZERO  # closed units, unsigned, times their price: for the average
    exits: dict[str, int] = field(default_factory=dict)  # order ids by exit type

    @property
    def side(self) -> Side:
        return side_of(self.initial_units)

    @property
    def client_id(self) -> str | None:
        return self.client.id if self.client else None

    def as_json(self) -> Doc:
        """Without what depends on the market and without its exits; views adds those."""
        doc: Doc = {
            "id": str(self.id),
            "instrument": self.instrument,
            "price": price(self.price, self.decimals),
            "openTime": Stamp(self.opened_ns),
            "initialUnits": number(self.initial_units),
            "initialMarginRequired": money(self.initial_margin),
            "state": self.state,
            "currentUnits": number(self.units),
            "realizedPL": money(self.realized),
            "financing": money(self.financing),
            "dividendAdjustment": money(ZERO),
        }
        if self.client is not None:
            doc["clientExtensions"] = self.client.as_json()
        if self.closing_ids:
            doc["closingTransactionIDs"] = [str(each) for each in self.closing_ids]
            closed = abs(self.initial_units) - abs(self.units)
            doc["averageClosePrice"] = price((self.closed_value / closed).quantize(Decimal(1).scaleb(-self.decimals)), self.decimals)
        if self.closed_ns is not None:
            doc["closeTime"] = Stamp(self.closed_ns)
        return doc
