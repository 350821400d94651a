"""Listening on the bus: one SUB socket, opened and closed with its owner, read whenever it has something.

What cannot be decoded is counted and dropped; nothing that arrives ends the reading.
"""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import zmq

from bus.codec import MalformedMessage
from bus.draining import Complaints, Context, Drain
from bus.sockets import subscriber


class Listening:
    """An async context manager: while it is open, ``take`` is called on the loop with each message's body.

    Args:
        take: may raise MalformedMessage.
        complaint: what the log says of messages that are none.
    """

    def __init__(
        self, address: str, topics: Iterable[bytes], take: Callable[[bytes], None], *, complaint: str, context: Context | None = None
    ) -> None:
        self._address = address
        self._topics = list(topics)
        self._take = take
        self._context = context or zmq.Context.instance()
        self.malformed = Complaints(complaint)

    async def __aenter__(self) -> Self:
        self._socket = subscriber(self._context, self._address, self._topics)
        self._drain = Drain(self._socket, self._read)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._drain.close()
        self._socket.close()

    def _read(self, frames: list[bytes]) -> None:
        try:
            if len(frames) != 2:
                raise MalformedMessage("a message has two frames")
            self._take(frames[1])
        except MalformedMessage as error:
            self.malformed.add(error)
