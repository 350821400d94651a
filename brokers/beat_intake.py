"""Heartbeats of others that an adapter listens to: the gateway, without which nobody can brake, and the other brokers, whose day counts too.

A loss over all brokers can only be held by each of them, the last door before its venue; so each says in its heartbeat what its day has brought, and
counts what the others said. What another one said of today holds while it is silent; of one that has said nothing today nothing is known.
Source: docs/decisions/020-a-day-over-both-brokers.md.
"""

from collections.abc import Callable, Iterable, Mapping

from bus.codec import MalformedMessage, from_wire
from bus.draining import Context
from bus.envelope import decode_event
from bus.listening import Listening
from bus.topics import heartbeat_topic
from runtime.clock import NS_PER_S
from trading.pace import DayResult

GATEWAY = "gateway"

# What a heartbeat's metrics call the day and its result.
DAY = "arena_trading_day"
DAY_PNL = "arena_day_pnl"

# Two looks further apart than this, and it was we who were not running: nobody is silent for that.
LOOK_NS_MAX = 2 * NS_PER_S


class Silence:
    """How long somebody has been silent while we were listening; never before they were first heard."""

    def __init__(self) -> None:
        self._heard = False
        self._is_new = False
        self._looked_ns: int | None = None
        self._silent_ns = 0

    def hear(self) -> None:
        self._heard = self._is_new = True

    def look(self, boot_ns: int) -> int:
        """Nanoseconds of silence by now."""
        since = 0 if self._looked_ns is None else boot_ns - self._looked_ns
        self._looked_ns = boot_ns
        if self._is_new or not self._heard:
            self._is_new, self._silent_ns = False, 0
        elif since <= LOOK_NS_MAX:
            self._silent_ns += since
        return self._silent_ns


class BeatIntake(Listening):
    """Reads heartbeats from the bus; an async context manager.

    Args:
        others: the other brokers.
        on_day: told what another broker's day has brought, on the loop.
    """

    def __init__(self, address: str, others: Iterable[str], on_day: Callable[[str, DayResult], None], *, context: Context | None = None) -> None:
        self._others = tuple(others)
        topics = [heartbeat_topic(program) for program in (GATEWAY, *self._others)]
        super().__init__(address, topics, self._read_beat, complaint="malformed heartbeats", context=context)
        self._on_day = on_day
        self.gateway = Silence()

    def _read_beat(self, body: bytes) -> None:
        event = decode_event(body)
        if event.source == GATEWAY:
            self.gateway.hear()
        elif event.source in self._others:
            result = read_day(event.payload)
            if result is not None:
                self._on_day(event.source, result)


def read_day(payload: Mapping[str, object]) -> DayResult | None:
    """What a heartbeat says of its day; None when it says nothing.

    Raises:
        MalformedMessage: numbers that are none.
    """
    metrics, mode = payload.get("metrics"), payload.get("mode")
    if not isinstance(metrics, Mapping) or DAY not in metrics or DAY_PNL not in metrics or not isinstance(mode, str):
        return None
    day = metrics[DAY]
    if type(day) is not int:
        raise MalformedMessage("a trading day is a whole number")
    try:
        return DayResult(day=day, pnl=from_wire(metrics[DAY_PNL]), mode=mode)
    except (ValueError, TypeError) as error:
        raise MalformedMessage(f"no result of a day: {error}") from None
