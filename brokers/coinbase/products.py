"""Products: what the venue lets trade, on which grids, in which state.

Read from the venue at every start, never written down here: increments change. A product's own values win over ``conf/instruments.toml``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.coinbase.answers import Json, Malformed, mapping, number, number_or_zero, optional_text, text
from brokers.live.venue import VenueRefused
from trading.instruments import Instrument
from trading.money import ceil_to, floor_to, plain

# States of a product in which not every entry is taken, and what to say of it.
_CLOSED_FLAGS: Mapping[str, str] = {
    "is_disabled": "is disabled at the venue",
    "trading_disabled": "cannot be traded at the venue",
    "view_only": "can only be looked at",
    "cancel_only": "takes cancels only at the moment",
    "post_only": "takes resting orders only at the moment",
    "limit_only": "takes limit orders only at the moment",
    "auction_mode": "is in an auction",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product: grids and bounds of price, size and value (``quote_*``, in the quote currency), and why it did not trade when it was read, empty
    otherwise."""

    product_id: str
    base: str
    quote: str
    price_increment: Decimal
    base_increment: Decimal
    base_min_size: Decimal
    base_max_size: Decimal
    quote_min_size: Decimal
    quote_max_size: Decimal
    closed_because: str = ""

    def instrument(self, configured: Instrument, rates: tuple[Decimal, Decimal] | None) -> Instrument:
        """``configured`` with the venue's grids and bounds, and the account's (maker, taker) fee ``rates`` where they are known.

        Raises:
            InstrumentError: values that cannot be an instrument's.
        """
        decimals = max(0, -int(plain(self.price_increment).as_tuple().exponent))
        maker, taker = rates or (configured.maker_fee_rate, configured.taker_fee_rate)
        return replace(
            configured,
            maker_fee_rate=maker,
            taker_fee_rate=taker,
            tick=plain(self.price_increment),
            step=plain(self.base_increment),
            units_min=max(ceil_to(self.base_min_size, self.base_increment), self.base_increment),
            units_max=floor_to(self.base_max_size, self.base_increment),
            price_decimals=decimals,
        )


def product(data: object) -> Product:
    """One product object.

    Raises:
        Malformed: a field is missing, or its value can be nobody's.
    """
    found = mapping(data, "product")
    step = number_or_zero(found, "price_increment") or number(found, "quote_increment")
    read = Product(
        product_id=text(found, "product_id"),
        base=optional_text(found, "base_currency_id") or text(found, "product_id").partition("-")[0],
        quote=optional_text(found, "quote_currency_id") or text(found, "product_id").rpartition("-")[2],
        price_increment=step,
        base_increment=number(found, "base_increment"),
        base_min_size=number(found, "base_min_size"),
        base_max_size=number(found, "base_max_size"),
        quote_min_size=number(found, "quote_min_size"),
        quote_max_size=number(found, "quote_max_size"),
        closed_because=_closed_because(found),
    )
    if min(read.price_increment, read.base_increment) <= 0 or read.base_max_size < read.base_min_size:
        raise Malformed(f"{read.product_id} has increments or bounds that cannot be")
    return read


def refuse(found: Product, *, units: Decimal, price: Decimal, is_market: bool) -> None:
    """Raise VenueRefused when an order of ``units`` worth at most ``price`` each has a value that ``found`` never takes: nothing need be sent then.

    Whether the product trades at this moment only the venue knows.
    """
    value = units * price
    if value < found.quote_min_size:
        raise VenueRefused(
            "UNITS_TOO_SMALL", f"the order is worth {plain(value)} {found.quote}; the venue takes {plain(found.quote_min_size)} and more"
        )
    if not is_market and value > found.quote_max_size:
        raise VenueRefused(
            "UNITS_TOO_LARGE", f"the order is worth {plain(value)} {found.quote}; the venue takes {plain(found.quote_max_size)} at most"
        )


def _closed_because(found: Json) -> str:
    for flag, sentence in _CLOSED_FLAGS.items():
        if found.get(flag) is True:
            return sentence
    state = optional_text(found, "status")
    return "" if state in {"", "online"} else f"is {state[:32]} at the venue"
