"""What the gateway counts, and what all programs say of themselves in their heartbeats, in one Prometheus page."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from arena_gateway.beats import Beat

# From under a sync of a good disk to the deadline of a live order.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0)


class GatewayMetrics:
    """The gateway's own; ``flat`` is what its heartbeat carries. Counting an order costs a bisection: it happens on every one."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._answers: Counter[tuple[str, str]] = Counter()
        self.unknown = 0

    def order_answered(self, broker: str, code: str, seconds: float) -> None:
        """One placement was answered; ``code`` is ok or the refusal's."""
        buckets = self._buckets.get(broker)
        if buckets is None:
            buckets = self._buckets[broker] = [0] * (len(_BUCKETS) + 1)
        buckets[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds[broker] = self._seconds.get(broker, 0.0) + seconds
        self._answers[broker, code] += 1

    def flat(self) -> dict[str, int | float]:
        answered = sum(self._answers.values())
        return {
            "arena_orders_answered_total": answered,
            "arena_orders_refused_total": answered - sum(count for (_, code), count in self._answers.items() if code == "ok"),
            "arena_orders_unknown": self.unknown,
        }

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        seconds = HistogramMetricFamily("arena_order_seconds", "From an order's arrival to its answer.", labels=["broker"])
        for broker, counts in self._buckets.items():
            sums = list(accumulate(counts))
            named = [(str(edge), count) for edge, count in zip((*_BUCKETS, "+Inf"), sums, strict=True)]
            seconds.add_metric([broker], named, self._seconds[broker])
        answers = CounterMetricFamily("arena_order_answers", "Answers to placements, by code.", labels=["broker", "code"])
        for (broker, code), count in sorted(self._answers.items()):
            answers.add_metric([broker, code], count)
        unknown = GaugeMetricFamily("arena_orders_unknown_pending", "Placements whose outcome is being asked for.", value=self.unknown)
        return [seconds, answers, unknown]


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
