"""The shapes market data answers with, and how they are made. The same types write the OpenAPI document.

Prices and sizes are ``Decimal`` here and numbers in the JSON; a time is RFC 3339 text beside, where charts want it, whole seconds since 1970.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from market_data.book import QuoteBook, Standing
from market_data.candles import Candle, Ohlc
from market_data.feeds.base import Feed, FeedState
from runtime.clock import NS_PER_S
from runtime.timestamps import to_text
from trading.instruments import Instrument

# From well to worst.
_BAD = (FeedState.RUNNING, FeedState.STARTING, FeedState.RECONNECTING, FeedState.ENDED, FeedState.REFUSED, FeedState.FAILED)


class QuoteAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A latest quote. ``source`` is the venue; ``age_ms`` counts from receipt; ``stale`` prices are good for looking at only."""

    instrument: str
    source: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    ts: str
    age_ms: int
    stale: bool
    synthetic: bool
    feed: str


class QuotesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``unquoted`` names the instruments asked for that have had no quote since the start."""

    ok: bool
    quotes: list[QuoteAnswer]
    unquoted: list[str]


class OhlcAnswer(msgspec.Struct, frozen=True, kw_only=True):
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class CandleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch that began at ``ts`` (``time`` in seconds since 1970); while not ``complete`` it still changes."""

    ts: str
    time: int
    bid: OhlcAnswer
    ask: OhlcAnswer
    mid: OhlcAnswer
    count: int
    complete: bool


class CandlesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Candles of one feed, oldest first; stretches without a quote have none."""

    ok: bool
    instrument: str
    granularity: str
    feed: str
    candles: list[CandleAnswer]


class InstrumentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What can be traded where, on which grid; ``quoted`` says whether a feed has given it a price."""

    name: str
    venue: str
    asset_class: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    units_min: Decimal
    units_max: Decimal
    price_decimals: int
    margin_rate: Decimal | None
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    calendar: str
    quoted: bool


class InstrumentsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    instruments: list[InstrumentAnswer]


class FeedAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the quotes come from, and whether they come; ``detail`` says why not. ``counts``: of a live feed, since the start."""

    name: str
    state: str
    detail: str
    counts: dict[str, int] = {}


class AgeAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``closed``: the market is, or its venue has halted it, so no price is due."""

    age_ms: int
    stale: bool
    closed: bool = False


class HealthAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``ok`` says the program lives. The rest is told where reads are open: ``status`` is ``degraded`` while prices are stale or candles not kept.

    ``feed`` sums up ``feeds``: the state of the one that is worst off.
    """

    ok: bool
    program: str
    status: str | None = None
    feed: FeedAnswer | None = None
    feeds: list[FeedAnswer] | None = None
    instruments: dict[str, AgeAnswer] | None = None
    trouble: str | None = None


def quote_answer(standing: Standing, venue: str, book: QuoteBook, now_boot_ns: int) -> QuoteAnswer:
    quote = standing.quote
    return QuoteAnswer(
        instrument=quote.instrument,
        source=venue,
        bid=quote.bid,
        ask=quote.ask,
        bid_size=quote.bid_size,
        ask_size=quote.ask_size,
        ts=to_text(quote.time_ns),
        age_ms=standing.age_ms(now_boot_ns),
        stale=book.is_stale(standing, now_boot_ns),
        synthetic=quote.synthetic,
        feed=quote.feed,
    )


def feed_answer(feed: Feed) -> FeedAnswer:
    return FeedAnswer(name=feed.name, state=feed.status.state.value, detail=feed.status.detail, counts=dict(feed.counts()))


def feeds_answer(feeds: Sequence[Feed]) -> FeedAnswer:
    """All of them as one: names joined, the worst state, what each has to say."""
    worst = max((feed.status.state for feed in feeds), key=_BAD.index)
    told = [f"{feed.name}: {feed.status.detail}" if len(feeds) > 1 else feed.status.detail for feed in feeds if feed.status.detail]
    return FeedAnswer(name=",".join(feed.name for feed in feeds), state=worst.value, detail="; ".join(told))


def candle_answer(candle: Candle, latest_ns: int | None) -> CandleAnswer:
    """``latest_ns`` is the market's time, that of the instrument's latest quote; None before the first one, when no candle is growing."""
    end_s = candle.start_s + candle.granularity.seconds
    return CandleAnswer(
        ts=to_text(candle.start_s * NS_PER_S),
        time=candle.start_s,
        bid=_ohlc(candle.bid),
        ask=_ohlc(candle.ask),
        mid=_ohlc(candle.mid),
        count=candle.count,
        complete=latest_ns is None or latest_ns >= end_s * NS_PER_S,
    )


def instrument_answer(instrument: Instrument, latest: Mapping[str, Standing]) -> InstrumentAnswer:
    return InstrumentAnswer(
        name=instrument.name,
        venue=instrument.venue,
        asset_class=instrument.asset_class.value,
        base=instrument.base,
        quote=instrument.quote,
        tick=instrument.tick,
        step=instrument.step,
        units_min=instrument.units_min,
        units_max=instrument.units_max,
        price_decimals=instrument.price_decimals,
        margin_rate=instrument.margin_rate,
        maker_fee_rate=instrument.maker_fee_rate,
        taker_fee_rate=instrument.taker_fee_rate,
        calendar=instrument.calendar.value,
        quoted=instrument.name in latest,
    )


def _ohlc(prices: Ohlc) -> OhlcAnswer:
    return OhlcAnswer(open=prices.open, high=prices.high, low=prices.low, close=prices.close)
