"""Socket options every ZeroMQ socket of the bus shares. Each number has its reason; RULES S-Z3, R23, R27.

Contexts are plain ones: ``zmq.asyncio`` costs a future a message. Options are set before bind or connect, later they do nothing.
"""

from collections.abc import Iterator

import zmq

from bus.curve import ClientKeys
from runtime.program import CannotStart

MESSAGE_BYTES_MAX = 64 * 1024  # an event never comes near it; a larger frame closes the peer's connection
QUEUE_MESSAGES_MAX = 10_000  # a second or more of the loudest bus; beyond it a slow subscriber loses messages and heals from the owner
HANDSHAKE_MS_MAX = 5_000  # a peer that connects and says nothing is dropped
# Over TCP the kernel ends a half-open link: after six seconds without a sign of the other machine, as long with something unacknowledged. Not
# ZMTP's own heartbeats: libzmq ends the process when one is due on a connection that is gone while its queue is still full (docs/decisions/060).
KEEPALIVE = {zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 2, zmq.TCP_KEEPALIVE_INTVL: 2, zmq.TCP_KEEPALIVE_CNT: 2, zmq.TCP_MAXRT: 6_000}
RECONNECT_MS = 100
RECONNECT_MS_MAX = 400  # a killed bus is back after a second or two: waits that double beyond this outlast the outage (docs/decisions/061)
LINGER_MS_MAX = 1_000  # what a closing publisher may take to hand over its last messages (R33)


def new_socket(context: "zmq.Context[zmq.Socket[bytes]]", kind: int) -> "zmq.Socket[bytes]":
    """A socket with the limits of the bus, not yet bound or connected; closing it drops what is unsent."""
    socket = context.socket(kind)
    socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES_MAX)
    socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES_MAX)
    socket.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES_MAX)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS_MAX)
    socket.setsockopt(zmq.LINGER, 0)
    return socket


def connect(socket: "zmq.Socket[bytes]", address: str) -> None:
    """Connect, now or whenever the other side is there.

    Raises:
        CannotStart: the address is not one.
    """
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
    for option, value in KEEPALIVE.items():
        socket.setsockopt(option, value)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        raise CannotStart(f"{address} is no ZeroMQ address that can be connected to: {error}") from error


def subscriber(
    context: "zmq.Context[zmq.Socket[bytes]]", address: str, topics: Iterator[bytes] | list[bytes], keys: ClientKeys | None = None
) -> "zmq.Socket[bytes]":
    """A SUB socket for every message whose topic starts with one of ``topics``; with ``keys`` it speaks CURVE."""
    socket = new_socket(context, zmq.SUB)
    if keys is not None:
        keys.apply(socket)
    for topic in topics:
        socket.setsockopt(zmq.SUBSCRIBE, topic)
    connect(socket, address)
    return socket
