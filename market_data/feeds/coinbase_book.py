"""Products that do not trade for a while: their book is asked for by REST, so that a calm product does not look like a dead one.

Coinbase's ``ticker`` speaks when a trade happens; between trades bid and ask move unheard. After ``QUIET_S`` without one the top of the book is asked
for (``/market/product_book``, no key needed), as long as the stream itself lives: the questions follow its heartbeats. What comes back bears the
heartbeat's time, the newest the venue has told.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote as percent_encoded

from market_data.feeds.venue_stream import Message, Price, Unreadable, decimal_of
from runtime.clock import NS_PER_S
from runtime.outbound import AnswerUnusable, Outbound, OutboundError

QUIET_S = 4
# Public requests are limited to ten a second for each address, and while one is on its way the stream is not read.
ASKED_MAX = 5
ANSWER_S_MAX = 2.0
AFTER_TROUBLE_S = 30
_OK = 200

log = logging.getLogger("market_data")


class QuietBooks:
    """The books of one connection's products.

    Args:
        names: our instruments by the name their book is published under.
    """

    def __init__(self, outbound: Outbound, names: Mapping[str, Sequence[str]]) -> None:
        self._outbound = outbound
        self._names = names
        self._heard_ns: dict[str, int] = {}
        self._not_before_ns = 0

    def note(self, messages: Iterable[Message]) -> None:
        """What the stream said: whose price came by itself."""
        for message in messages:
            if isinstance(message, Price):
                self._heard_ns[message.instrument] = message.time_ns

    async def ask(self, now_ns: int) -> Sequence[Message]:
        """The prices of those that have been quiet at ``now_ns``, by the venue's clock."""
        if now_ns < self._not_before_ns:
            return []
        quiet = [product for product, mine in self._names.items() if now_ns - self._heard_ns.get(mine[0], 0) >= QUIET_S * NS_PER_S]
        quiet.sort(key=lambda product: self._heard_ns.get(self._names[product][0], 0))
        found: list[Message] = []
        for product in quiet[:ASKED_MAX]:
            try:
                prices = await self._price(product, now_ns)
            except (OutboundError, Unreadable) as error:
                self._not_before_ns = now_ns + AFTER_TROUBLE_S * NS_PER_S
                log.warning("a quiet product's book could not be asked for", extra={"product": product, "reason": str(error)})
                break
            self.note(prices)
            found += prices
        return found

    async def _price(self, product: str, now_ns: int) -> Sequence[Price]:
        target = f"/api/v3/brokerage/market/product_book?product_id={percent_encoded(product, safe='')}&limit=1"
        answer = await self._outbound.request("GET", target, timeout_s=ANSWER_S_MAX)
        if answer.status != _OK:
            raise AnswerUnusable(f"the venue answered {answer.status}", answer.status)
        book = answer.json_object().get("pricebook")
        bid, ask = (_top(book, side) for side in ("bids", "asks"))
        return [
            Price(
                instrument=name,
                bid=decimal_of(bid.get("price"), "bids.price"),
                ask=decimal_of(ask.get("price"), "asks.price"),
                bid_size=decimal_of(bid.get("size"), "bids.size"),
                ask_size=decimal_of(ask.get("size"), "asks.size"),
                time_ns=now_ns,
                asked=True,
            )
            for name in self._names[product]
        ]


def _top(book: object, side: str) -> Mapping[str, object]:
    levels = book.get(side) if isinstance(book, dict) else None
    if not isinstance(levels, list) or not levels or not isinstance(levels[0], dict):
        raise Unreadable(f"{side} is empty")
    return levels[0]
