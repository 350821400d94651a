"""Publishing what the journal has committed: after the answers, which somebody waits for, have left.

The journal hands over a group's events before it wakes whoever waits for the group. Sent right then, they would hold up every answer by what it
takes to send them; so they wait for the turn of the event loop in which the answers go, and leave after it. Whatever happens in between, the events
are in the journal, and who misses one asks for it.
"""

import asyncio
from types import TracebackType
from typing import Self

from bus.envelope import Event
from bus.publisher import Publisher
from bus.topics import event_topic


class EventsOut:
    """The way of one journal's events to ``publisher``, in order; leaving it sends what is still to go."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[bytes, bytes]] = []

    def take(self, events: list[Event]) -> None:
        """Send ``events`` in the next turn of the loop but one: the next is that of the answers."""
        if not self._waiting:
            self._loop.call_soon(self._loop.call_soon, self._send)
        self._waiting += [(event_topic(event.source, event.type), event.body) for event in events]

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for topic, body in waiting:
            self._publisher.publish(topic, body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._send()
