"""Heartbeats of others that an adapter listens to: the gateway, without which nobody can brake, and the other brokers, whose day counts too.

A loss over all brokers can only be held by each of them, the last door before its venue; so each says in its heartbeat what its day has brought, and
counts what the others said. What another one said of today holds while it is silent; of one that has said nothing today nothing is known.
Source: docs/decisions/020-a-day-over-both-brokers.md.
"""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

import zmq

from bus.codec import MalformedMessage, from_wire
from bus.draining import Complaints, Context, Drain
from bus.envelope import decode_event
from bus.sockets import subscriber
from bus.topics import heartbeat_topic
from runtime.clock import NS_PER_S, Clock
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


class BeatIntake:
    """Reads heartbeats from the bus; an async context manager.

    Args:
        others: the other brokers.
        on_day: told what another broker's day has brought, on the loop.
    """

    def __init__(
        self, address: str, others: Iterable[str], on_day: Callable[[str, DayResult], None], clock: Clock, *, context: Context | None = None
    ) -> None:
        self._address = address
        self._others = tuple(others)
        self._on_day = on_day
        self._clock = clock
        self._context = context or zmq.Context.instance()
        self.gateway = Silence()
        self.malformed = Complaints("malformed heartbeats")

    async def __aenter__(self) -> Self:
        topics = [heartbeat_topic(program) for program in (GATEWAY, *self._others)]
        self._socket = subscriber(self._context, self._address, topics)
        self._drain = Drain(self._socket, self._read)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._drain.close()
        self._socket.close()

    def _read(self, frames: list[bytes]) -> None:
        try:
            if len(frames) != 2:
                raise MalformedMessage("a message has two frames")
            event = decode_event(frames[1])
            if event.source == GATEWAY:
                self.gateway.hear()
            elif event.source in self._others:
                result = read_day(event.payload)
                if result is not None:
                    self._on_day(event.source, result)
        except MalformedMessage as error:
            self.malformed.add(error)


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
