"""What each websocket channel says: snapshots, updates, acknowledgements. Values only; sending is ``websocket``'s."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from tests.venues.coinbase.account import Account
from tests.venues.coinbase.market_data import MarketData, size_text
from tests.venues.coinbase.matching import Matching
from tests.venues.coinbase.options import Options
from tests.venues.coinbase.order_views import user_order
from tests.venues.coinbase.orders import Order
from tests.venues.coinbase.products import Products
from tests.venues.coinbase.wire import rfc3339, rfc3339_nano, text
from tests.venues.common.clock import VenueClock
from tests.venues.common.quotes import QuoteBoard
from trading.quotes import Quote

# The channel as it is subscribed to, and as its messages are named.
CHANNELS = {
    "heartbeats": "heartbeats",
    "ticker": "ticker",
    "ticker_batch": "ticker_batch",
    "level2": "l2_data",
    "market_trades": "market_trades",
    "status": "status",
    "user": "user",
}
PRIVATE = frozenset({"user"})
WITHOUT_PRODUCTS = frozenset({"heartbeats", "user"})

BATCH_S = 5
# Open orders in one snapshot event; a longer list comes as several of them.
SNAPSHOT_ORDERS_MAX = 50

Events = Sequence[Mapping[str, object]]


class Channels:
    """What there is to say, from the venue's state."""

    def __init__(
        self, account: Account, products: Products, board: QuoteBoard, clock: VenueClock, matching: Matching, market_data: MarketData
    ) -> None:
        self._account = account
        self._products = products
        self._board = board
        self._clock = clock
        self._matching = matching
        self._market_data = market_data
        self._levels_before: dict[str, tuple[Decimal, Decimal]] = {}
        self._levels_now: dict[str, tuple[Decimal, Decimal]] = {}

    def note(self, quote: Quote) -> None:
        """A new quote stands; to be told before any update on it is asked for."""
        now = self._levels_now.get(quote.instrument)
        if now is not None:
            self._levels_before[quote.instrument] = now
        self._levels_now[quote.instrument] = (quote.bid, quote.ask)

    @property
    def options(self) -> Options:
        return self._account.options

    def books(self, channel: str, product_ids: object) -> set[str] | None:
        """What a subscription is about: for market data the books behind the products, for ``user`` the products; None if it cannot be."""
        if channel == "heartbeats":
            return {"heartbeats"}
        if not isinstance(product_ids, list) or not all(isinstance(each, str) and each in self._products for each in product_ids):
            return None
        if not product_ids and channel not in WITHOUT_PRODUCTS:
            return None
        return set(product_ids) if channel == "user" else {self._products.find(each).book for each in product_ids}

    def _status(self, book: str) -> Mapping[str, object]:
        """A product as the ``status`` channel shows it: without its switches."""
        product = self._products.find(book)
        return {
            "product_type": "SPOT",
            "id": product.product_id,
            "base_currency": product.base,
            "quote_currency": product.quote,
            "base_increment": text(product.base_increment),
            "quote_increment": text(product.quote_increment),
            "display_name": product.product_id,
            "status": product.status,
            "status_message": "",
            "min_market_funds": text(product.quote_min_size),
        }

    def status_update(self, books: set[str]) -> Events:
        return [{"type": "update", "products": [self._status(book) for book in sorted(books)]}]

    def acknowledged(self, subscriptions: Mapping[str, set[str]]) -> dict[str, list[str]]:
        """All that is subscribed to; ``user`` shows whose orders."""
        return {channel: [self._account.user_id] if channel == "user" else sorted(ids) for channel, ids in subscriptions.items()}

    def snapshots(self, channel: str, products: set[str]) -> Iterator[Events]:
        """The first messages of a subscription."""
        if channel == "user":
            yield from self._user_snapshots(products)
        elif channel == "status":
            yield [{"type": "snapshot", "products": [self._status(book) for book in sorted(products)]}]
        elif channel != "heartbeats":
            for book in sorted(products):
                standing = self._board.standing(book)
                if standing is not None:
                    yield self._market(channel, standing.quote, "snapshot")

    def _user_snapshots(self, products: set[str]) -> Iterator[Events]:
        live = [order for order in self._account.live.values() if not products or order.product.product_id in products]
        for start in range(0, max(1, len(live)), SNAPSHOT_ORDERS_MAX):
            yield self._user("snapshot", live[start : start + SNAPSHOT_ORDERS_MAX])

    def user_update(self, order: Order) -> Events:
        return self._user("update", [order])

    def _user(self, kind: str, orders: Sequence[Order]) -> Events:
        shown = [user_order(order, self._account, in_snapshot=kind == "snapshot") for order in orders]
        return [{"type": kind, "orders": shown, "positions": {"perpetual_futures_positions": [], "expiring_futures_positions": []}}]

    def market_update(self, channel: str, quote: Quote) -> Events:
        return self._market(channel, quote, "update")

    def _market(self, channel: str, quote: Quote, kind: str) -> Events:
        product = self._products.find(quote.instrument)
        if channel == "level2":
            return [{"type": kind, "product_id": product.book, "updates": self._levels(quote, cleared=kind == "update")}]
        if channel == "market_trades":
            return [{"type": kind, "trades": self._market_data.trades(product, 1)}]
        return [{"type": kind, "tickers": [self._ticker(quote, with_book=channel == "ticker")]}]

    def batch(self, books: set[str]) -> Events:
        """The tickers of ``ticker_batch``: in production without best bid and ask."""
        standing = [self._board.standing(book) for book in sorted(books)]
        return [{"type": "update", "tickers": [self._ticker(each.quote, with_book=False) for each in standing if each is not None]}]

    def _ticker(self, quote: Quote, *, with_book: bool) -> Mapping[str, object]:
        touch = self._matching.touch(self._products.find(quote.instrument))
        ticker = {
            "type": "ticker",
            "product_id": quote.instrument,
            "price": "" if touch is None else text(touch.last),
            "volume_24_h": "0",
            "low_24_h": text(quote.bid),
            "high_24_h": text(quote.ask),
            "low_52_w": text(quote.bid),
            "high_52_w": text(quote.ask),
            "price_percent_chg_24_h": "0",
        }
        if with_book:
            ticker |= {
                "best_bid": text(quote.bid),
                "best_bid_quantity": size_text(quote.bid_size),
                "best_ask": text(quote.ask),
                "best_ask_quantity": size_text(quote.ask_size),
            }
        return ticker

    def _levels(self, quote: Quote, *, cleared: bool) -> Sequence[Mapping[str, str]]:
        """One level a side; an update first removes the level that stood before."""
        at = rfc3339(quote.time_ns)
        before = self._levels_before.get(quote.instrument) if cleared else None
        sides = (("bid", quote.bid, quote.bid_size), ("offer", quote.ask, quote.ask_size))
        updates = []
        for place, (side, price, size) in enumerate(sides):
            if before is not None and before[place] != price:
                updates.append({"side": side, "event_time": at, "price_level": text(before[place]), "new_quantity": "0"})
            updates.append({"side": side, "event_time": at, "price_level": text(price), "new_quantity": size_text(size)})
        return updates

    def heartbeat(self, count: int) -> Events:
        counter: int | str = count if self.options.heartbeat_counter == "integer" else str(count)
        return [{"current_time": rfc3339_nano(self._clock.now_ns()), "heartbeat_counter": counter}]
