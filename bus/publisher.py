"""Publishing: one PUB socket that hands messages to the proxy and never waits.

Facts (events, heartbeats) and quotes go through two publishers, so that a flood of quotes evicts no fact. A message that finds no proxy or a full
queue is dropped: the bus is a doorbell, the journal keeps what must not be lost.
"""

from types import TracebackType

import zmq

from bus.curve import ClientKeys
from bus.sockets import LINGER_MS_MAX, connect, new_socket


class Publisher:
    """A connection to the proxy's publisher side; ``with`` or ``close()`` ends it, handing over what is queued within a second.

    Args:
        address: the proxy's XSUB address, ``settings.bus_pub_address``.
        context: tests hand in their own; a process has one.
        keys: for a bus that takes publishers over TCP; they are on its list of publishers.
    """

    def __init__(self, address: str, *, context: "zmq.Context[zmq.Socket[bytes]] | None" = None, keys: ClientKeys | None = None) -> None:
        self._socket = new_socket(context or zmq.Context.instance(), zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, LINGER_MS_MAX)
        if keys is not None:
            keys.apply(self._socket)
        connect(self._socket, address)
        self.published = 0

    def publish(self, topic: bytes, body: bytes) -> None:
        """Queue one message. Returns at once; never raises for want of a proxy or a reader."""
        self._socket.send(topic, zmq.SNDMORE)
        self._socket.send(body)
        self.published += 1

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
