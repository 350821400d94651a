"""What the venue refuses: sizes off their grid, prices on the wrong side, exits that cannot be. Plain functions; a refusal is raised as Refused.

The order of the checks is the venue's as far as it is known: product, shape, grid, bounds, prices against the market. Money is looked at last, by the
exchange, for only it knows the balances.
"""

from dataclasses import dataclass
from decimal import Decimal

from tests.venues.coinbase.configurations import DOWN, UP, AttachedTerms, OrderType, Terms, TimeInForce
from tests.venues.coinbase.options import Options
from tests.venues.coinbase.products import Product
from tests.venues.coinbase.refusals import Refused
from trading.instruments import Side
from trading.money import is_on_grid

# A GTD order may not outlive this.
END_TIME_NS_MAX = 10 * 365 * 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The market an order meets: best prices and the last trade."""

    bid: Decimal
    ask: Decimal
    last: Decimal

    def price(self, side: Side) -> Decimal:
        """What an order of ``side`` takes."""
        return self.ask if side is Side.BUY else self.bid


def check_order(product: Product, side: Side, terms: Terms, touch: Touch | None, options: Options, *, now_ns: int) -> None:
    """Raise Refused where the venue would not take these terms; ``touch`` None is a market that never traded."""
    product.refuse_if_closed()
    _check_shape(product, side, terms, options)
    _check_grid(product, terms)
    if touch is None:
        raise Refused("MISSING_MARKET_TRADE_DATA", f"{product.product_id} has not traded yet")
    _check_bounds(product, terms, terms.limit_price or touch.price(side))
    _check_end(terms, now_ns)
    if terms.order_type is OrderType.STOP_LIMIT:
        _check_stop(side, terms, touch)
    elif terms.order_type is OrderType.BRACKET:
        _check_bracket(side, terms, touch)
    elif terms.post_only and terms.limit_price is not None and _crosses(side, terms.limit_price, touch):
        raise Refused("INVALID_LIMIT_PRICE_POST_ONLY", "Post only order would take")


def check_attached(product: Product, side: Side, terms: Terms, attached: AttachedTerms, touch: Touch, options: Options) -> None:
    """Raise Refused where these exits cannot be attached to an order of these terms."""
    if not (options.attached_supported and options.brackets_supported):
        raise Refused("BRACKET_ORDER_NOT_SUPPORTED", f"{product.product_id} takes no attached orders")
    if terms.order_type not in {OrderType.MARKET, OrderType.LIMIT}:
        raise Refused("ATTACHED_ORDERS_ONLY_ALLOWED_ON_MARKET_LIMIT", f"not on {terms.key}")
    if attached.has_size:
        raise Refused("ATTACHED_ORDER_SIZE_MUST_BE_NIL", "the size is the parent's")
    if attached.take_profit_price is None or attached.stop_price is None:
        raise Refused("SINGLE_LEGGED_TPSL_NOT_ALLOWED", "both prices are needed")
    if attached.take_profit_price <= 0 or attached.stop_price <= 0:
        raise Refused("ATTACHED_ORDER_MUST_HAVE_POSITIVE_PRICES", "both prices must be above zero")
    if side is Side.SELL:
        raise Refused("INVALID_ORDER_SIDE_FOR_ATTACHED_TPSL", "spot exits sell what was bought")
    if not is_on_grid(attached.take_profit_price, product.price_increment):
        raise Refused("INVALID_ATTACHED_TAKE_PROFIT_PRICE_PRECISION", f"not a multiple of {product.price_increment}")
    if not is_on_grid(attached.stop_price, product.price_increment):
        raise Refused("INVALID_ATTACHED_STOP_LOSS_PRICE_PRECISION", f"not a multiple of {product.price_increment}")
    entry = terms.limit_price or touch.price(side)
    if attached.take_profit_price <= entry:
        raise Refused("INVALID_ATTACHED_TAKE_PROFIT_PRICE", f"must be above {entry}")
    if attached.stop_price >= entry:
        raise Refused("INVALID_ATTACHED_STOP_LOSS_PRICE", f"must be below {entry}")


def _check_shape(product: Product, side: Side, terms: Terms, options: Options) -> None:
    if terms.order_type is OrderType.BRACKET and not options.brackets_supported:
        raise Refused("BRACKET_ORDER_NOT_SUPPORTED", f"{product.product_id} takes no bracket orders")
    if terms.order_type is OrderType.STOP_LIMIT and not options.stop_limits_supported:
        raise Refused("UNSUPPORTED_ORDER_CONFIGURATION", f"{product.product_id} takes no stop orders")
    if terms.order_type is OrderType.MARKET:
        if terms.time_in_force is TimeInForce.FOK:
            raise Refused("UNSUPPORTED_ORDER_CONFIGURATION", "market_market_fok is for perpetuals")
        if side is Side.SELL and terms.quote_size is not None:
            raise Refused("UNSUPPORTED_ORDER_CONFIGURATION", "a market sell is sized in the base currency")
        if product.limit_only:
            raise Refused("UNSUPPORTED_ORDER_CONFIGURATION", f"{product.product_id} takes limit orders only")
    if product.post_only and not terms.post_only:
        raise Refused("UNSUPPORTED_ORDER_CONFIGURATION", f"{product.product_id} takes post only orders only")
    if terms.order_type is OrderType.STOP_LIMIT and terms.stop_direction not in {UP, DOWN}:
        raise Refused("UNSUPPORTED_ORDER_CONFIGURATION", "a stop needs its direction")


def _check_grid(product: Product, terms: Terms) -> None:
    if terms.base_size is not None and not is_on_grid(terms.base_size, product.base_increment):
        raise Refused("INVALID_SIZE_PRECISION", f"base_size is not a multiple of {product.base_increment}")
    if terms.quote_size is not None and not is_on_grid(terms.quote_size, product.quote_increment):
        raise Refused("INVALID_QUOTE_SIZE_PRECISION", f"quote_size is not a multiple of {product.quote_increment}")
    if terms.limit_price is not None:
        if terms.limit_price <= 0:
            raise Refused("INVALID_LIMIT_PRICE", "limit_price must be above zero")
        if not is_on_grid(terms.limit_price, product.price_increment):
            raise Refused("INVALID_PRICE_PRECISION", f"limit_price is not a multiple of {product.price_increment}")
    if terms.stop_price is not None and not is_on_grid(terms.stop_price, product.price_increment):
        raise Refused("INVALID_STOP_PRICE_PRECISION", f"the stop is not a multiple of {product.price_increment}")


def _check_bounds(product: Product, terms: Terms, price: Decimal) -> None:
    if terms.base_size is not None:
        if terms.base_size < product.base_min_size:
            raise Refused("INVALID_BASE_SIZE_TOO_SMALL", f"Minimum size is {product.base_min_size}")
        if terms.base_size > product.base_max_size:
            raise Refused("INVALID_BASE_SIZE_TOO_LARGE", f"Maximum size is {product.base_max_size}")
    value = terms.quote_size if terms.quote_size is not None else (terms.base_size or Decimal(0)) * price
    if value < product.quote_min_size:
        raise Refused("INVALID_QUOTE_SIZE_TOO_SMALL", f"Minimum value is {product.quote_min_size} {product.quote}")
    if value > product.quote_max_size:
        raise Refused("INVALID_QUOTE_SIZE_TOO_LARGE", f"Maximum value is {product.quote_max_size} {product.quote}")


def _check_end(terms: Terms, now_ns: int) -> None:
    if terms.time_in_force is not TimeInForce.GTD:
        return
    if terms.end_time_ns is None:
        raise Refused("GTD_ORDERS_MUST_HAVE_END_TIME", "end_time is missing")
    if terms.end_time_ns <= now_ns:
        raise Refused("END_TIME_IS_IN_THE_PAST", "end_time has passed")
    if terms.end_time_ns > now_ns + END_TIME_NS_MAX:
        raise Refused("END_TIME_TOO_FAR_IN_FUTURE", "end_time is too far away")


def _check_stop(side: Side, terms: Terms, touch: Touch) -> None:
    assert terms.stop_price is not None
    assert terms.limit_price is not None
    if terms.stop_direction == UP and terms.stop_price <= touch.last:
        raise Refused("STOP_PRICE_BELOW_LAST_TRADE_PRICE", f"the last trade was at {touch.last}")
    if terms.stop_direction == DOWN and terms.stop_price >= touch.last:
        raise Refused("STOP_PRICE_ABOVE_LAST_TRADE_PRICE", f"the last trade was at {touch.last}")
    if side is Side.BUY and terms.stop_price > terms.limit_price:
        raise Refused("STOP_PRICE_ABOVE_LIMIT_PRICE", "a buy's limit is at its stop or above")
    if side is Side.SELL and terms.stop_price < terms.limit_price:
        raise Refused("STOP_PRICE_BELOW_LIMIT_PRICE", "a sell's limit is at its stop or below")


def _check_bracket(side: Side, terms: Terms, touch: Touch) -> None:
    """A sell's take-profit is above the market and its stop below, a buy's the other way round."""
    assert terms.stop_price is not None
    assert terms.limit_price is not None
    low, high = (terms.stop_price, terms.limit_price) if side is Side.SELL else (terms.limit_price, terms.stop_price)
    if low >= high:
        raise Refused("INVALID_BRACKET_PRICES", "take-profit and stop are on the wrong sides of each other")
    if not (terms.stop_price < touch.last if side is Side.SELL else terms.stop_price > touch.last):
        raise Refused("STOP_TRIGGER_PRICE_OUT_OF_BOUNDS", f"the last trade was at {touch.last}")
    if not (terms.limit_price > touch.last if side is Side.SELL else terms.limit_price < touch.last):
        raise Refused("BRACKET_LIMIT_PRICE_OUT_OF_BOUNDS", f"the last trade was at {touch.last}")


def _crosses(side: Side, price: Decimal, touch: Touch) -> bool:
    return price >= touch.ask if side is Side.BUY else price <= touch.bid
