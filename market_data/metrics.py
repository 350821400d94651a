"""What market data counts: as Prometheus text on ``/metrics``, and as the flat map of its heartbeat."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from market_data.book import QuoteBook
from market_data.feeds.base import Feed, FeedState
from market_data.recorder import Recorder
from market_data.stream import QuoteStream
from runtime.clock import Clock


class MarketMetrics:
    """Reads the numbers off the parts when somebody asks; keeps none itself."""

    def __init__(self, *, feed: Feed, book: QuoteBook, recorder: Recorder, stream: QuoteStream, clock: Clock) -> None:
        self._feed = feed
        self._book = book
        self._recorder = recorder
        self._stream = stream
        self._clock = clock
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def trouble(self) -> str:
        """Why the program is degraded, in a sentence; empty when it is not."""
        status = self._feed.status
        if status.state in {FeedState.ENDED, FeedState.FAILED}:
            return f"no quotes come: {status.detail}"
        if status.state is FeedState.RUNNING:
            stale = self._book.stale(self._clock.boot_ns())
            if stale:
                return f"stale: {', '.join(stale)}"
        return self._recorder.trouble and f"candles are not kept: {self._recorder.trouble}"

    def status(self) -> str:
        """The word for heartbeats and ``/health``."""
        if self._feed.status.state is FeedState.STARTING:
            return "starting"
        return "degraded" if self.trouble() else "ok"

    def flat(self) -> Mapping[str, int | float]:
        """For the heartbeat; ages in milliseconds, of the oldest quote."""
        now_ns = self._clock.boot_ns()
        ages = [standing.age_ms(now_ns) for standing in self._book.latest.values()]
        return {
            "arena_degraded": int(self.status() == "degraded"),
            "arena_quotes_total": self._book.received,
            "arena_quote_age_ms_max": max(ages, default=0),
            "arena_quotes_stale": len(self._book.stale(now_ns)),
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


_HELP = {
    "arena_degraded": "1 while prices are stale, the feed has ended, or candles are not kept.",
    "arena_quotes_total": "Quotes received from the feed.",
    "arena_quote_age_ms_max": "Age of the oldest instrument's latest quote.",
    "arena_quotes_stale": "Instruments whose latest quote is stale.",
    "arena_candles_written_total": "Candles written to disk, unfinished ones each time they changed.",
    "arena_dropped_total": "Candles dropped because the disk refused them for too long.",
    "arena_sse_clients": "Open streams.",
}
