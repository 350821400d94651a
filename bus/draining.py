"""Reading a plain ZeroMQ socket on the event loop.

A future or a task for every message costs more than the message, so the socket's descriptor wakes the loop and what is there is read until nothing is
left. The descriptor is edge-triggered: it says that *something* happened, once. Sending may swallow that, so after every send the socket is
looked at again (``look``), and after a burst that was cut short too.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import zmq

BURST_MESSAGES_MAX = 100  # then the rest of the loop gets its turn
LOG_EVERY_S = 1.0
_READABLE = int(zmq.POLLIN)  # a plain number: with pyzmq's enum the question costs twice as much

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]

_log = logging.getLogger(__name__)


class Drain:
    """Calls ``on_message`` with the frames of each message that arrives, on the running loop, until ``close``.

    ``on_message`` must not raise; if it does, that message is lost, said in the log, and the next one comes all the same.
    """

    def __init__(self, socket: Socket, on_message: Callable[[list[bytes]], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._fd: int = socket.getsockopt(zmq.FD)  # type: ignore[assignment]  # an integer, whatever the stub says of options in general
        self._is_scheduled = False
        self._is_closed = False
        self._loop.add_reader(self._fd, self._read)
        self.look()

    def look(self) -> None:
        """Read in the next turn of the loop, whether the descriptor says so or not."""
        if not self._is_scheduled and not self._is_closed:
            self._is_scheduled = True
            self._loop.call_soon(self._read_scheduled)

    def close(self) -> None:
        """Stop reading; the socket is its owner's to close, after this."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._fd)

    def _read_scheduled(self) -> None:
        self._is_scheduled = False
        # Nearly always there is nothing yet: to ask costs less than half of trying.
        if not self._is_closed and int(self._socket.getsockopt(zmq.EVENTS)) & _READABLE:
            self._read()

    def _read(self) -> None:
        for _ in range(BURST_MESSAGES_MAX):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                self._on_message(frames)
            except Exception:  # noqa: BLE001 (S-Z5: nothing that arrives may end the reading)
                _log.exception("a message could not be handled")
            if self._is_closed:
                return
        self.look()


class Complaints:
    """Counts what was wrong with messages, and says so at most once a second: a flood of rubbish must not become a flood of log lines."""

    def __init__(self, sentence: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        self._sentence = sentence
        self._clock = clock
        self._said_at = -LOG_EVERY_S
        self._said_count = 0

    def add(self, reason: object) -> None:
        self.count += 1
        now = self._clock()
        if now - self._said_at >= LOG_EVERY_S:
            _log.warning(self._sentence, extra={"reason": str(reason)[:200], "times": self.count - self._said_count})
            self._said_at, self._said_count = now, self.count
