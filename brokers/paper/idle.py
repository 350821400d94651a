"""Idle ranges: between which prices a quote changes nothing, so that whoever feeds the engine may leave it out.

Three things wake the engine: a price that a bracket waits for (``triggers``), a time to live that ends, and equity that falls below half the margin
used. The last depends on every instrument at once, so the room above the close-out is shared out: each instrument with positions may use an equal
part of it before the whole is reckoned again. A range is only ever too narrow, never too wide; what happens on a quote is decided elsewhere,
exactly. One consequence: ranges are worked out for all instruments together, and all anew after anything happened in one.
"""

import math
from decimal import Decimal
from typing import NamedTuple

from brokers.paper.books import Books, Share
from brokers.paper.market import Market, Standing
from trading.instruments import Instrument, Instruments
from trading.money import ZERO
from trading.quotes import Quote

_LOW = Decimal("-Infinity")
_HIGH = Decimal("Infinity")
NEVER_NS = 1 << 63

# Booked values are rounded to a millionth; a few of them per instrument cannot be wrong by more than this.
_ROUNDING = Decimal("0.00001")


class IdleRange(NamedTuple):
    """A quote of ``feed`` with ``bid_above < bid < bid_below`` and ``ask_above < ask < ask_below`` before ``until_ns`` changes nothing.

    ``feed`` None means that any feed will do: no order has met one yet. With ``bid_above`` infinite no quote passes.
    """

    bid_above: Decimal
    bid_below: Decimal
    ask_above: Decimal
    ask_below: Decimal
    until_ns: int
    feed: str | None

    def holds(self, bid: Decimal, ask: Decimal) -> bool:
        return self.bid_above < bid < self.bid_below and self.ask_above < ask < self.ask_below

    def scaled(self, scale: int) -> tuple[int, int, int, int]:
        """The bounds for integer prices times ``scale``: ``lowest_bid, highest_bid, lowest_ask, highest_ask``, all of them still idle."""
        return (
            _next_above(self.bid_above, scale),
            -_next_above(-self.bid_below, scale),
            _next_above(self.ask_above, scale),
            -_next_above(-self.ask_below, scale),
        )


ALWAYS_IDLE = IdleRange(bid_above=_LOW, bid_below=_HIGH, ask_above=_LOW, ask_below=_HIGH, until_ns=NEVER_NS, feed=None)
NEVER_IDLE = IdleRange(bid_above=_HIGH, bid_below=_LOW, ask_above=_HIGH, ask_below=_LOW, until_ns=0, feed=None)

# Beyond every scaled price: a bound that no integer price meets.
_INTEGER_MAX = 1 << 62


def _next_above(bound: Decimal, scale: int) -> int:
    """The least integer strictly above ``bound * scale``."""
    if bound.is_infinite():
        return _INTEGER_MAX if bound > 0 else -_INTEGER_MAX
    return math.floor(bound * scale) + 1


def closeout_reach(books: Books, market: Market, instruments: Instruments) -> dict[str, Decimal]:
    """How far each instrument with positions may move, in price, bid down and ask up alike, before a close-out is possible; 0 is not at all.

    Instruments that are not listed may move freely. Positions whose value hangs on another instrument's mid stop both from being idle.
    """
    held = [name for name, share in books.shares.items() if share.long_units or share.short_units]
    if not books.config.on_margin or not held:
        return {}
    valuation = books.valuation()
    if not valuation.is_complete:
        return dict.fromkeys(held, ZERO)
    room = valuation.excess / len(held) - _ROUNDING
    reach: dict[str, Decimal] = {}
    for name in held:
        instrument, standing = instruments[name], market.standing(name)
        route = None if instrument.quote == books.currency else market.route(instrument.quote, books.currency)
        if standing is None or (route is not None and route[0] != name):
            reach[name] = ZERO
            if route is not None:
                reach[route[0]] = ZERO
        elif name not in reach:
            reach[name] = _reach(books.share(name), instrument, standing, room, converts=route is not None)
    return reach


def narrowed(idle: IdleRange, quote: Quote, reach: Decimal) -> IdleRange:
    """``idle`` cut down to ``reach`` round the standing ``quote``: the bid may fall and the ask rise by less than that."""
    if not reach:
        return NEVER_IDLE
    return idle._replace(bid_above=max(idle.bid_above, quote.bid - reach), ask_below=min(idle.ask_below, quote.ask + reach))


def _reach(share: Share, instrument: Instrument, standing: Standing, room: Decimal, *, converts: bool) -> Decimal:
    """The greatest d for which no quote with bid >= now - d and ask <= now + d can use up ``room``.

    With L and S the units held, M half the margin per unit of price and s the spread now: the bid can fall and the ask rise by d, which costs at most
    (L + S) d; the mid can rise by d + s / 2, which sets at most M (d + s / 2) more aside. Where the quote currency is converted at this same mid, m,
    the money at stake N / m moves besides by at most |N| (d + s / 2) / (m * m'), with m' >= 0.9 m ensured by capping d; margin is then constant.
    """
    if room <= 0:
        return ZERO
    quote = standing.quote
    held = share.long_units + share.short_units
    half_spread = quote.spread / 2
    mid = quote.mid
    if not converts:
        half_margin = max(share.long_units, share.short_units) * (instrument.margin_rate or ZERO) / 2
        return max(ZERO, (room - half_margin * half_spread) / (held + half_margin))
    at_stake = abs(share.long_units * quote.bid - share.long_cost + share.short_cost - share.short_units * quote.ask)
    least_mid = mid * 9 / 10
    cap = mid / 10 - half_spread
    per_price = held / least_mid + at_stake / (mid * least_mid)
    return max(ZERO, min(cap, (room - at_stake * half_spread / (mid * least_mid)) / per_price))
