"""Products: what trades, on which grid, and in which state of the market.

``BTC-USDC`` shares the book of ``BTC-USD``: its market data is published under that name, while orders and balances keep their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from tests.venues.coinbase.refusals import Refused, not_found
from tests.venues.coinbase.wire import text

# The switches of a product's market that a control request may set.
SWITCHES = ("trading_disabled", "is_disabled", "cancel_only", "limit_only", "post_only", "auction_mode", "view_only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One pair. Increments and bounds as the venue publishes them; ``alias`` names the product whose book it shares, empty for its own."""

    product_id: str
    base: str
    quote: str
    base_increment: Decimal
    quote_increment: Decimal
    price_increment: Decimal
    base_min_size: Decimal
    base_max_size: Decimal
    quote_min_size: Decimal
    quote_max_size: Decimal
    alias: str = ""
    alias_to: tuple[str, ...] = ()
    status: str = "online"
    trading_disabled: bool = False
    is_disabled: bool = False
    cancel_only: bool = False
    limit_only: bool = False
    post_only: bool = False
    auction_mode: bool = False
    view_only: bool = False

    @property
    def book(self) -> str:
        """The product under whose name its market data is published."""
        return self.alias or self.product_id

    def refuse_if_closed(self) -> None:
        """Raise Refused where no new order can be entered now."""
        if self.is_disabled or self.view_only:
            raise Refused("UNTRADABLE_PRODUCT", f"{self.product_id} cannot be traded")
        if self.trading_disabled:
            raise Refused("TRADING_DISABLED", f"Trading is disabled for {self.product_id}")
        if self.status != "online":
            raise Refused("PRODUCT_TRADING_HALTED", f"{self.product_id} is {self.status}")
        if self.cancel_only:
            raise Refused("ORDER_ENTRY_DISABLED", "Orders can only be cancelled")

    def wire(self, *, price: Decimal | None) -> dict[str, object]:
        """The product object; ``price`` is its last trade, None while there was none."""
        return {
            "product_id": self.product_id,
            "price": "" if price is None else text(price),
            "price_percentage_change_24h": "0",
            "volume_24h": "0",
            "volume_percentage_change_24h": "0",
            "base_increment": text(self.base_increment),
            "quote_increment": text(self.quote_increment),
            "price_increment": text(self.price_increment),
            "quote_min_size": text(self.quote_min_size),
            "quote_max_size": text(self.quote_max_size),
            "base_min_size": text(self.base_min_size),
            "base_max_size": text(self.base_max_size),
            "base_name": self.base,
            "quote_name": self.quote,
            "watched": False,
            "is_disabled": self.is_disabled,
            "new": False,
            "status": self.status,
            "cancel_only": self.cancel_only,
            "limit_only": self.limit_only,
            "post_only": self.post_only,
            "trading_disabled": self.trading_disabled,
            "auction_mode": self.auction_mode,
            "product_type": "SPOT",
            "quote_currency_id": self.quote,
            "base_currency_id": self.base,
            "fcm_trading_session_details": None,
            "mid_market_price": "",
            "alias": self.alias,
            "alias_to": list(self.alias_to),
            "base_display_symbol": self.base,
            "quote_display_symbol": self.quote,
            "view_only": self.view_only,
            "display_name": self.product_id,
            "product_venue": "CBE",
            "approximate_quote_24h_volume": "0",
        }


def _pair(base: str, quote: str, *, base_max: str, alias: str = "", alias_to: tuple[str, ...] = ()) -> Product:
    """A pair on the grid that BTC-USD was recorded with in 2026."""
    return Product(
        product_id=f"{base}-{quote}",
        base=base,
        quote=quote,
        base_increment=Decimal("0.00000001"),
        quote_increment=Decimal("0.01"),
        price_increment=Decimal("0.01"),
        base_min_size=Decimal("0.00000001"),
        base_max_size=Decimal(base_max),
        quote_min_size=Decimal(1),
        quote_max_size=Decimal(150_000_000),
        alias=alias,
        alias_to=alias_to,
    )


PRODUCTS = (
    _pair("BTC", "USD", base_max="3400", alias_to=("BTC-USDC",)),
    _pair("BTC", "USDC", base_max="3400", alias="BTC-USD"),
    _pair("ETH", "USD", base_max="49000"),
)


class Products:
    """The products by id; the state of one is replaced, never changed in place."""

    def __init__(self, products: tuple[Product, ...] = PRODUCTS) -> None:
        self._by_id = {product.product_id: product for product in products}

    def __iter__(self) -> Iterator[Product]:
        return iter(self._by_id.values())

    def __contains__(self, product_id: str) -> bool:
        return product_id in self._by_id

    def find(self, product_id: str) -> Product:
        """The product; raises BadRequest (404) where there is none."""
        if product_id not in self._by_id:
            raise not_found(f"product {product_id} not found")
        return self._by_id[product_id]

    def for_order(self, product_id: str) -> Product:
        """The product an order names; raises Refused where there is none."""
        if product_id not in self._by_id:
            raise Refused("INVALID_PRODUCT_ID", f"Invalid product_id: {product_id}")
        return self._by_id[product_id]

    def set_state(self, product_id: str, **changes: object) -> Product:
        """Open or halt a market: any of SWITCHES, ``status``, or an increment."""
        self._by_id[product_id] = replace(self.find(product_id), **changes)  # type: ignore[arg-type]  # names and types are checked where they come in
        return self._by_id[product_id]
