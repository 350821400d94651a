"""The open loop of the load generators: each request leaves when it is due, whatever became of those before it.

An event loop counts its timers in whole milliseconds, which is longer than an order takes, and would have been told as the server's time. So a thread
of its own sleeps until each request is due (exact to about 0.1 ms on a core that is free) and writes it itself; the caller's thread reads the answers
and whatever else it was given to read, and looks at the clock before it looks at the bytes.
"""

import queue
import select
import socket
import sys
import threading
import time
from collections.abc import Callable

PATIENCE_S = 5.0
# The two threads share one interpreter: neither may keep it for the usual 5 ms while the other has something due.
SWITCH_S = 0.0002
# A server takes 128 connections in 5 to 9 ms and answers nobody meanwhile: up to ten of the 35 slowest of 3,500 orders were the first ten. Clients of
# a gateway keep their connections, so the first request is due when they are there.
SETTLE_S = 0.3

Render = Callable[[int, float], bytes]
Take = Callable[[bytes, float], None]


class OpenLoop:
    """Sends what ``render`` gives for a request's number and due time, over ``connections`` keep-alive connections that one server has taken before.

    ``latencies`` are seconds from when a request was due until its whole answer was there; one that found no idle connection has waited for it.
    ``refused`` counts answers other than 2xx.
    """

    def __init__(self, host: str, port: int, connections: int, render: Render) -> None:
        self.latencies: list[float] = []
        self.refused = 0
        self._render = render
        self._idle: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
        self._poll = select.epoll()
        self._readers: dict[int, tuple[socket.socket, Take]] = {}
        for _ in range(connections):
            lane = _Lane(socket.create_connection((host, port)), self._answered)
            lane.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.watch(lane.socket, lane.take)
            self._idle.put(lane)
        time.sleep(SETTLE_S)

    def watch(self, reader: socket.socket, take: Take) -> None:
        """Read ``reader`` as well: ``take`` gets its bytes, and when they were there by ``time.perf_counter``."""
        self._readers[reader.fileno()] = (reader, take)
        self._poll.register(reader, select.EPOLLIN)

    def run(self, per_second: float, count: int, is_done: Callable[[], bool] = lambda: True) -> int:
        """Send ``count`` requests and read until all are answered and ``is_done``, or nothing more is to be hoped for; how many had no answer."""
        sys.setswitchinterval(SWITCH_S)
        began = time.perf_counter()
        sender = threading.Thread(target=self._send_all, args=(began, per_second, count), daemon=True)
        sender.start()
        give_up = began + count / per_second + PATIENCE_S
        while (len(self.latencies) < count or not is_done()) and time.perf_counter() < give_up:
            self.read_once(0.1)
        return count - len(self.latencies)

    def read_once(self, seconds_max: float) -> None:
        """Read what is there, all of it before any of it is looked at: the last of twenty viewers does not wait for nineteen to be understood."""
        arrived = []
        for number, _ in self._poll.poll(seconds_max):
            reader, take = self._readers[number]
            data = reader.recv(1 << 20)
            arrived.append((take, data, time.perf_counter()))
            if not data:
                self._poll.unregister(number)
        for take, data, now in arrived:
            take(data, now)

    def _send_all(self, began: float, per_second: float, count: int) -> None:
        for number in range(count):
            due = began + number / per_second
            request = self._render(number, due)
            if (wait := due - time.perf_counter()) > 0:
                time.sleep(wait)
            self._idle.get().send(request, due)

    def _answered(self, lane: "_Lane", due: float, now: float, *, accepted: bool) -> None:
        self.refused += not accepted
        self.latencies.append(now - due)
        self._idle.put(lane)


class _Lane:
    """One connection, with at most one request in flight."""

    def __init__(self, connected: socket.socket, answered: Callable[..., None]) -> None:
        self.socket = connected
        self._answered = answered
        self._due = 0.0
        self._buffer = b""

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        self.socket.sendall(request)

    def take(self, data: bytes, now: float) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and len(body) >= int(head.lower().split(b"content-length:")[1].split(b"\r\n", 1)[0]):
            self._buffer = b""
            self._answered(self, self._due, now, accepted=head[9:10] == b"2")
