"""What the gateway counts, and what all programs say of themselves in their heartbeats, in one Prometheus page."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

# From under a sync of a good disk to the deadline of a live order.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0)

Beat = Mapping[str, object]


class GatewayMetrics:
    """The gateway's own; ``flat`` is what its heartbeat carries."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "arena_order_seconds", "From an order's arrival to its answer.", ["broker"], registry=self.registry, buckets=_BUCKETS
        )
        self._answers = Counter("arena_order_answers", "Answers to placements, by code.", ["broker", "code"], registry=self.registry)
        self._unknown = Gauge("arena_orders_unknown_pending", "Placements whose outcome is being asked for.", registry=self.registry)
        self._seconds_of: dict[str, Histogram] = {}
        self._count_of: dict[tuple[str, str], Counter] = {}
        self.orders = 0
        self.refused = 0

    def order_answered(self, broker: str, code: str, seconds: float) -> None:
        """One placement was answered; ``code`` is ok or the refusal's."""
        key = (broker, code)
        counter = self._count_of.get(key)
        if counter is None:
            if len(self._count_of) > 256:  # codes are a closed set and brokers two; whatever else comes is not worth a series
                return
            counter = self._count_of[key] = self._answers.labels(broker, code)
            self._seconds_of[broker] = self._seconds.labels(broker)
        counter.inc()
        self._seconds_of[broker].observe(seconds)
        self.orders += 1
        if code != "ok":
            self.refused += 1

    def note_unknown(self, count: int) -> None:
        self._unknown.set(count)

    def flat(self) -> dict[str, int | float]:
        return {"arena_orders_answered_total": self.orders, "arena_orders_refused_total": self.refused}


class HeartbeatMetrics:
    """A collector of the flat maps in the programs' heartbeats: one series each, labelled with its program."""

    def __init__(self, beats: Callable[[], Mapping[str, Beat]]) -> None:
        self._beats = beats

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for program, beat in sorted(self._beats().items()):
            metrics = beat.get("metrics")
            values = dict(metrics) if isinstance(metrics, Mapping) else {}
            if isinstance(beat.get("last_seq"), int):
                values.setdefault("arena_last_seq", beat["last_seq"])
            values["arena_up"] = 1
            for name, value in sorted(values.items()):
                if isinstance(value, int | float) and name.replace("_", "").isalnum() and name.isascii():
                    family = families.setdefault(name, _family(name))
                    family.add_sample(name, {"program": program}, float(value))
        return families.values()


def _family(name: str) -> Metric:
    if name.endswith("_total"):
        return CounterMetricFamily(name.removesuffix("_total"), "From the programs' heartbeats.", labels=["program"])
    return GaugeMetricFamily(name, "From the programs' heartbeats.", labels=["program"])
