"""Quotes for pages: of each instrument the latest, at most four times a second. They never enter the ring: an old price is worth nothing.

What arrives between two looks replaces what arrived before it; only what is shown is decoded.
"""

import asyncio
from collections.abc import Iterable

import zmq

from bus.codec import MalformedMessage
from bus.draining import Complaints, Drain
from bus.envelope import decode_event
from bus.frames import event_data
from bus.sockets import subscriber
from bus.stream_client import Client
from bus.topics import QUOTE_PREFIX

INTERVAL_S = 0.25
TOPICS_MAX = 256  # instruments there can be; strangers may publish any


class QuoteBoard:
    """The latest quote of each instrument on the bus at ``address``. ``run`` until cancelled."""

    def __init__(self, address: str, clients: Iterable[Client]) -> None:
        self._clients = clients
        self._socket = subscriber(zmq.Context.instance(), address, [QUOTE_PREFIX])
        self._drain = Drain(self._socket, self._on_message)
        self._latest: dict[bytes, bytes] = {}
        self._changed: set[bytes] = set()
        self._lines: dict[str, bytes] = {}  # by instrument, as last shown
        self._complaints = Complaints("a quote could not be read")

    async def run(self) -> None:
        """Show what changed, four times a second."""
        try:
            while True:
                await asyncio.sleep(INTERVAL_S)
                wanting = [client for client in self._clients if client.quotes and client.is_ready]
                if self._changed and wanting:
                    self._show(wanting)
        finally:
            self._drain.close()
            self._socket.close()

    def show_all(self, client: Client) -> None:
        """What is known now, for a reader that has just come."""
        self._decode(set(self._latest))
        lines = b"".join(line for instrument, line in self._lines.items() if instrument in client.quotes)
        if lines:
            client.send(lines)

    def _on_message(self, frames: list[bytes]) -> None:
        if len(frames) != 2 or (len(self._latest) >= TOPICS_MAX and frames[0] not in self._latest):
            self._complaints.add("not two frames, or too many instruments")
            return
        topic, body = frames
        self._latest[topic] = body
        self._changed.add(topic)

    def _show(self, wanting: list[Client]) -> None:
        changed = self._decode(self._changed)
        self._changed = set()
        joined: dict[frozenset[str], bytes] = {}  # readers of the same page want the same
        for client in wanting:
            if client.quotes not in joined:
                joined[client.quotes] = b"".join(self._lines[instrument] for instrument in sorted(changed & client.quotes))
            if joined[client.quotes] and not client.is_full:
                client.send(joined[client.quotes])

    def _decode(self, topics: set[bytes]) -> set[str]:
        """The instruments of ``topics``, whose lines are then up to date."""
        instruments = set()
        for topic in topics:
            try:
                event = decode_event(self._latest[topic])
            except MalformedMessage as error:
                self._complaints.add(error)
                continue
            instrument = event.payload.get("instrument")
            if isinstance(instrument, str):
                self._lines[instrument] = b"event: quote\n" + event_data(event)
                instruments.add(instrument)
        return instruments
