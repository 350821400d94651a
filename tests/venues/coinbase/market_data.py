"""Market data of the REST API: books, trades and candles, all from the standing quotes and what they were before."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from multidict import MultiMapping

from runtime.clock import NS_PER_S
from tests.venues.coinbase.matching import Matching
from tests.venues.coinbase.products import Product, Products
from tests.venues.coinbase.refusals import BadRequest
from tests.venues.coinbase.wire import rfc3339, text
from tests.venues.common.clock import VenueClock
from tests.venues.common.quotes import QuoteBoard
from trading.quotes import Quote

# How many trades of a book are remembered: hours of a walk, and what any test sets by hand.
TRADES_MAX = 20_000
# What is written where a quote has no size, which is to say without limit.
ENDLESS = "1000"
CANDLES_MAX = 350
GRANULARITIES = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "TWO_HOUR": 7200,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A print at the mid of a quote: what moves the last trade price here."""

    trade_id: str
    price: Decimal
    time_ns: int


class MarketData:
    """What any client may look at."""

    def __init__(self, products: Products, board: QuoteBoard, clock: VenueClock, matching: Matching) -> None:
        self._products = products
        self._board = board
        self._clock = clock
        self._matching = matching
        self._trades: dict[str, deque[Trade]] = {}
        self._count = 0
        board.on_quote(lambda standing: self._note(standing.quote))

    def _note(self, quote: Quote) -> None:
        touch = self._matching.touch(self._products.find(quote.instrument))
        assert touch is not None  # a quote has just been set
        self._count += 1
        trade = Trade(trade_id=str(self._count), price=touch.last, time_ns=self._clock.now_ns())
        self._trades.setdefault(quote.instrument, deque(maxlen=TRADES_MAX)).append(trade)

    def product(self, product: Product) -> dict[str, object]:
        """The product object, its price and a halt put in."""
        touch = self._matching.touch(product)
        shown = product.wire(price=None if touch is None else touch.last)
        if touch is not None:
            shown["mid_market_price"] = text((touch.bid + touch.ask) / 2)
        if not self._matching.is_trading(product.product_id) and product.status == "online" and not product.cancel_only:
            shown["trading_disabled"] = True
        return shown

    def pricebook(self, product: Product) -> dict[str, object]:
        """Both sides, one level deep, under the name of the book."""
        standing = self._board.standing(product.book)
        if standing is None:
            return {"product_id": product.book, "bids": [], "asks": [], "time": rfc3339(self._clock.now_ns())}
        quote = standing.quote
        return {
            "product_id": product.book,
            "bids": [{"price": text(quote.bid), "size": size_text(standing.bid_left)}],
            "asks": [{"price": text(quote.ask), "size": size_text(standing.ask_left)}],
            "time": rfc3339(quote.time_ns),
        }

    def product_book(self, product: Product) -> dict[str, object]:
        touch = self._matching.touch(product)
        if touch is None:
            return {"pricebook": self.pricebook(product), "last": "", "mid_market": "", "spread_bps": "", "spread_absolute": ""}
        mid, spread = (touch.bid + touch.ask) / 2, touch.ask - touch.bid
        return {
            "pricebook": self.pricebook(product),
            "last": text(touch.last),
            "mid_market": text(mid),
            "spread_bps": text((spread / mid * 10_000).quantize(Decimal("0.001"))),
            "spread_absolute": text(spread),
        }

    def ticker(self, product: Product, limit: int) -> dict[str, object]:
        touch = self._matching.touch(product)
        return {
            "trades": self.trades(product, limit),
            "best_bid": "" if touch is None else text(touch.bid),
            "best_ask": "" if touch is None else text(touch.ask),
        }

    def trades(self, product: Product, limit: int) -> list[Mapping[str, object]]:
        """The newest ``limit`` trades, newest first."""
        newest = list(self._trades.get(product.book, ()))[-limit:]
        return [
            {
                "trade_id": trade.trade_id,
                "product_id": product.book,
                "price": text(trade.price),
                "size": "0.001",
                "time": rfc3339(trade.time_ns),
                "side": "BUY",
                "exchange": "",
            }
            for trade in reversed(newest)
        ]

    def candles(self, product: Product, query: MultiMapping[str]) -> list[Mapping[str, str]]:
        """Candles of the trades between ``start`` and ``end`` (unix seconds), newest first. Raises BadRequest."""
        seconds = GRANULARITIES.get(query.get("granularity", ""))
        if seconds is None:
            raise BadRequest(f'parsing field "granularity": {query.get("granularity")!r}')
        bounds = [query.get(name, "") for name in ("start", "end")]
        if not all(bound.isdecimal() for bound in bounds):
            raise BadRequest("start and end are unix seconds")
        start, end = (int(bound) for bound in bounds)
        if (end - start) // seconds > CANDLES_MAX:
            raise BadRequest(f"number of candles requested should be less than {CANDLES_MAX}")
        buckets: dict[int, list[Trade]] = {}
        for trade in self._trades.get(product.book, ()):
            at = trade.time_ns // NS_PER_S
            if start <= at < end:
                buckets.setdefault(at - at % seconds, []).append(trade)
        return [_candle(begin, buckets[begin]) for begin in sorted(buckets, reverse=True)]


def size_text(size: Decimal | None) -> str:
    """A quoted size; one without limit as a large one."""
    return ENDLESS if size is None else text(size)


def _candle(begin: int, trades: list[Trade]) -> Mapping[str, str]:
    prices = [trade.price for trade in trades]
    return {
        "start": str(begin),
        "low": text(min(prices)),
        "high": text(max(prices)),
        "open": text(prices[0]),
        "close": text(prices[-1]),
        "volume": text(Decimal("0.001") * len(trades)),
    }
