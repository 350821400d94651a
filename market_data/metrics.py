"""What market data counts: as Prometheus text on ``/metrics``, and as the flat map of its heartbeat."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from market_data.book import QuoteBook, Standing
from market_data.feeds.base import Feed, FeedState
from market_data.recorder import Recorder
from market_data.stream import QuoteStream
from runtime.clock import Clock
from trading.instruments import Instrument
from trading.sessions import may_be_silent

_SILENT_STATES = frozenset({FeedState.ENDED, FeedState.FAILED, FeedState.RECONNECTING, FeedState.REFUSED})


class MarketMetrics:
    """Reads the numbers off the parts when somebody asks; keeps none itself."""

    def __init__(
        self,
        *,
        feeds: Sequence[Feed],
        instruments: Mapping[str, Instrument],
        book: QuoteBook,
        recorder: Recorder,
        stream: QuoteStream,
        clock: Clock,
    ) -> None:
        self._feeds = feeds
        self._instruments = instruments
        self._book = book
        self._recorder = recorder
        self._stream = stream
        self._clock = clock
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def trouble(self) -> str:
        """Why the program is degraded, in a sentence; empty when it is not."""
        silent = [feed for feed in self._feeds if feed.status.state in _SILENT_STATES]
        if silent:
            who = "" if len(self._feeds) == 1 else " from " + " and ".join(feed.name for feed in silent)
            return f"no quotes come{who}: {'; '.join(feed.status.detail for feed in silent)}"
        stale = self.stale()
        if stale and any(feed.status.state is FeedState.RUNNING for feed in self._feeds):
            return f"stale: {', '.join(stale)}"
        return self._recorder.trouble and f"candles are not kept: {self._recorder.trouble}"

    def status(self) -> str:
        """The word for heartbeats and ``/health``."""
        if self.trouble():
            return "degraded"
        return "starting" if any(feed.status.state is FeedState.STARTING for feed in self._feeds) else "ok"

    def stale(self) -> list[str]:
        """Instruments whose latest quote is stale and should not be: their market is open, and the venue trades them."""
        now_ns = self._clock.boot_ns()
        return [name for name in self._book.stale(now_ns) if not self.is_closed(self._book.latest[name], now_ns)]

    def is_closed(self, standing: Standing, now_boot_ns: int) -> bool:
        """Whether no newer quote is due: the market is closed by the quote's own time and what has passed since, or its venue has halted it.

        A synthetic market never closes.
        """
        quote = standing.quote
        if any(quote.instrument in feed.status.halted for feed in self._feeds):
            return True
        market_ns = quote.time_ns + now_boot_ns - standing.received_boot_ns
        return not quote.synthetic and may_be_silent(self._instruments[quote.instrument].calendar, market_ns)

    def flat(self) -> Mapping[str, int | float]:
        """For the heartbeat; ages in milliseconds, of the oldest quote."""
        now_ns = self._clock.boot_ns()
        ages = [standing.age_ms(now_ns) for standing in self._book.latest.values()]
        return {
            "arena_degraded": int(self.status() == "degraded"),
            "arena_quotes_total": self._book.received,
            "arena_quote_age_ms_max": max(ages, default=0),
            "arena_quotes_stale": len(self.stale()),
            "arena_candles_written_total": self._recorder.written,
            "arena_dropped_total": self._recorder.dropped,
            "arena_sse_clients": self._stream.clients,
        }

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        for name, value in self.flat().items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield kind(name.removesuffix("_total"), _HELP[name], value=value)
        now_ns = self._clock.boot_ns()
        quotes = CounterMetricFamily("arena_instrument_quotes", "Quotes received, by instrument.", labels=["instrument"])
        ages = GaugeMetricFamily("arena_instrument_quote_age_seconds", "Age of the latest quote, by instrument.", labels=["instrument"])
        for name, standing in self._book.latest.items():
            quotes.add_metric([name], standing.number)
            ages.add_metric([name], standing.age_ms(now_ns) / 1000)
        yield quotes
        yield ages
        up = GaugeMetricFamily("arena_feed_up", "1 while quotes come from the feed, or would if its market were open.", labels=["feed"])
        counts = CounterMetricFamily(
            "arena_feed", "Connections of a live feed, and what was wrong with what came over them.", labels=["feed", "what"]
        )
        for feed in self._feeds:
            up.add_metric([feed.name], int(feed.status.state is FeedState.RUNNING))
            for what, number in feed.counts().items():
                counts.add_metric([feed.name, what], number)
        yield up
        yield counts


_HELP = {
    "arena_degraded": "1 while prices are stale, a feed gives none, or candles are not kept.",
    "arena_quotes_total": "Quotes received from the feeds.",
    "arena_quote_age_ms_max": "Age of the oldest instrument's latest quote.",
    "arena_quotes_stale": "Instruments whose latest quote is stale though their market is open.",
    "arena_candles_written_total": "Candles written to disk, unfinished ones each time they changed.",
    "arena_dropped_total": "Candles dropped because the disk refused them for too long.",
    "arena_sse_clients": "Open streams.",
}
