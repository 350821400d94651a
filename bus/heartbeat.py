"""Heartbeats: each program says once a second that it lives, how it is, and how far its journal has come.

A heartbeat has no sequence number and never enters a journal; losing one means nothing. A consumer that sees ``last_seq`` ahead of its own knows that
it has missed an event, and one that hears nothing for three seconds asks the owner itself (R24).
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, cast

from bus.envelope import encode_event
from bus.publisher import Publisher
from bus.topics import heartbeat_topic
from runtime.clock import Clock

INTERVAL_S = 1.0
STOPPING = "stopping"


class HeartbeatTask:
    """Publishes ``<program>.heartbeat.`` at once, then each ``interval_s``, and a last one with status ``stopping``.

    Args:
        program: ``oanda``, ``gateway``, …; the narrator's is ``rick``, the source it owns.
        publisher: the one for facts, so that heartbeats keep their place among the program's events.
        snapshot: what to say now: any of ``epoch, first_seq, last_seq, mode, trading_state, status, metrics``; what is left out is null, or
            ``ok`` and an empty map.
        instance: 16 hex digits, new at each start: two of them taking turns tell a consumer that two processes speak for one source.
    """

    def __init__(
        self,
        program: str,
        publisher: Publisher,
        snapshot: Callable[[], Mapping[str, object]],
        clock: Clock,
        interval_s: float = INTERVAL_S,
        *,
        instance: str | None = None,
    ) -> None:
        self._program = program
        self._topic = heartbeat_topic(program)
        self._publisher = publisher
        self._snapshot = snapshot
        self._clock = clock
        self._interval_s = interval_s
        self.instance = instance or secrets.token_hex(8)
        self._said: dict[str, object] = {}

    async def run(self) -> None:
        """Beat until cancelled; the last beat says ``stopping``. An error of ``snapshot`` is a bug and comes out here."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                self.beat()
                due = max(due + self._interval_s, loop.time())  # after a stall go on from now: nobody needs the missed ones
                await asyncio.sleep(due - loop.time())
        except asyncio.CancelledError:
            self.beat(status=STOPPING)
            raise

    def beat(self, *, status: str | None = None) -> None:
        """Publish one now."""
        said = self._snapshot()
        payload: dict[str, object] = {
            "epoch": said.get("epoch"),
            "first_seq": said.get("first_seq"),
            "last_seq": said.get("last_seq"),
            "instance": self.instance,
            "mode": said.get("mode"),
            "trading_state": said.get("trading_state"),
            "status": status or said.get("status") or "ok",
            "metrics": said.get("metrics") or {},
        }
        self._said = payload
        self._publish(payload, self._publisher)

    def beat_degraded(self, publisher: Publisher) -> None:
        """Say again what was said last, but ``degraded``, through ``publisher``; from any thread.

        Nothing of the journal: how far it has come only the loop knows, and a number from before that is heard after a newer one looks as if the
        journal had gone backwards.
        """
        said = self._said
        if said and said["status"] != STOPPING:
            metrics = dict(cast("Mapping[str, object]", said["metrics"]), arena_degraded=1)
            self._publish({**said, "epoch": None, "first_seq": None, "last_seq": None, "status": "degraded", "metrics": metrics}, publisher)

    def _publish(self, payload: dict[str, object], publisher: Publisher) -> None:
        publisher.publish(self._topic, encode_event(self._program, "heartbeat", payload, self._clock.wall_ns()))


class StandIn:
    """Beats for a program whose loop cannot: from the thread that waits with it, over a connection of its own, made at the first beat.

    Args:
        address: as for ``Publisher``.
    """

    def __init__(self, address: str) -> None:
        self.heartbeat: HeartbeatTask | None = None  # whose part to take
        self._address = address
        self._publisher: Publisher | None = None

    def beat(self) -> None:
        """One beat that says ``degraded``; always on the same thread."""
        if self.heartbeat is not None:
            if self._publisher is None:
                self._publisher = Publisher(self._address)
            self.heartbeat.beat_degraded(self._publisher)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._publisher is not None:
            self._publisher.close()
