"""The request server: a ROUTER on a private Unix socket that answers whoever may open it, with any of ZeroMQ's asking sockets.

The file permission is the authentication, so the directory must be closed to others and the socket file is 0600. Nothing that arrives can raise
out of the loop, wait for another, or grow without bound: frames, bytes, requests in flight and replies all have limits. A command that comes too
late is refused here, except where the handler must write that down and therefore checks by itself.

Source: docs/protocol.md, section 5; RULES R7, R8, R9, S-Z1, S-Z3, S-Z5.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import zmq

from bus.codec import BODY_BYTES_MAX, REPLY_BYTES_MAX, MalformedMessage
from bus.deadline import DEADLINE_OPS, refuse_if_late
from bus.draining import Complaints, Context, Drain, Socket
from bus.request_messages import BATCH_MAX, INTERNAL, Refused, Request, split_envelope, write_answer, write_batch, write_error
from bus.request_reading import read_requests
from runtime.clock import Clock, SystemClock, boot_id
from runtime.program import CannotStart
from runtime.settings import SOCKET_PATH_BYTES_MAX
from trading.errors import ArenaError, OutcomeUnknown, Unavailable

IN_FLIGHT_MAX = 256  # more than one adapter works off in the shortest deadline is better refused than late
QUEUE_MESSAGES_MAX = 1000  # a peer
HANDSHAKE_MS_MAX = 5000
LINGER_MS = 1000  # for the last replies at a stop
DRAIN_S_MAX = 5.0
# A client with IMMEDIATE set loses what it has received but not read when the connection breaks (measured), so the last replies get time to be read.
FAREWELL_S = 0.1

ADAPTER_BUSY = "ADAPTER_BUSY"

Handler = Callable[[Request], Awaitable[Mapping[str, object]]]
TogetherHandler = Callable[[Sequence[Request]], Awaitable[Sequence[Mapping[str, object] | ArenaError]]]

_log = logging.getLogger(__name__)


class RequestServer:
    """Serves from entering to leaving; leaving finishes what is in flight, within 5 s.

    Args:
        address: ``ipc://`` and a path in a directory of mode 0700. Hold the source's lock: a second bind would steal the path without a word.
        handler: gets each request and returns ``{result, last_event?}`` or raises an ArenaError; many run at once. Anything else it raises is a bug:
            its caller is told OutcomeUnknown ``INTERNAL``, and the log has the traceback.
        name: for the log.
        together: by operation: gets all of its requests in one message at once, and returns for each what ``handler`` would return or raise. A plain
            function may do its first part right away and return an awaitable for the rest.
        late_ops: commands whose lateness the handler checks itself, because it writes that down in its store. Everyone else's is checked here.
        batch_max, in_flight_max: limits, see docs/protocol.md.
    Raises:
        CannotStart: on entering, when the path cannot be bound or other users may enter its directory.
    """

    def __init__(
        self,
        address: str,
        handler: Handler,
        *,
        name: str,
        together: Mapping[str, TogetherHandler] | None = None,
        late_ops: frozenset[str] = frozenset(),
        clock: Clock | None = None,
        kernel_boot_id: str | None = None,
        batch_max: int = BATCH_MAX,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        self._address = address
        self._handler = handler
        self._name = name
        self._together = together or {}
        self._late_ops = late_ops
        self._clock = clock or SystemClock()
        self._boot_id = kernel_boot_id or boot_id()
        self._batch_max = batch_max
        self._in_flight_max = in_flight_max
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._malformed = Complaints(f"malformed requests at {name}")
        self._unsent = 0
        self._requests = 0
        self._replied_at = 0.0  # monotonic
        self._context: Context
        self._socket: Socket
        self._drain: Drain

    async def __aenter__(self) -> Self:
        path = socket_path(self._address)
        # A context of its own: ending it waits until the last replies are out.
        self._context = zmq.Context()
        try:
            self._socket = self._context.socket(zmq.ROUTER)
            _limit(self._socket)
            try:
                self._socket.bind(self._address)
            except zmq.ZMQError as error:
                raise CannotStart(f"cannot listen at {self._address}: {error}") from error
            path.chmod(0o600)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._drain = Drain(self._socket, self._on_message)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._drain.close()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=DRAIN_S_MAX)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=DRAIN_S_MAX)
        await asyncio.sleep(self._replied_at + FAREWELL_S - time.monotonic())
        self._socket.close()
        await asyncio.to_thread(self._context.term)  # at most LINGER_MS

    def metrics(self) -> dict[str, int]:
        """For a heartbeat: flat, and numbers only."""
        return {
            f"{self._name}_requests": self._requests,
            f"{self._name}_in_flight": self._in_flight,
            f"{self._name}_malformed": self._malformed.count,
            f"{self._name}_replies_unsent": self._unsent,
        }

    def _on_message(self, frames: list[bytes]) -> None:
        parts = split_envelope(frames)
        if parts is None:
            self._malformed.add(f"{len(frames)} frames without an empty one before the last")
            return
        envelope, body = parts
        try:
            requests, is_array = read_requests(body, received_boot_ns=self._clock.boot_ns(), batch_max=self._batch_max)
        except MalformedMessage as error:
            self._malformed.add(error)
            self._send(envelope, write_error(None, error))
            return
        batch = _Batch(envelope, len(requests), is_array=is_array, send=self._send)
        together: dict[str, list[tuple[int, Request]]] = {}
        for place, request in enumerate(requests):
            refusal = request if isinstance(request, Refused) else self._refusal_of(request)
            if refusal is None:
                assert isinstance(request, Request)
                self._requests += 1
                self._in_flight += 1
                if request.op in self._together:
                    together.setdefault(request.op, []).append((place, request))
                else:
                    self._spawn(self._answer(batch, place, request))
            else:
                if isinstance(refusal.error, MalformedMessage):
                    self._malformed.add(refusal.error)
                batch.fill(place, write_error(refusal.id, refusal.error))
        for op, placed in together.items():
            self._spawn(self._answer_together(batch, placed, self._begin(op, [request for _, request in placed])))

    def _spawn(self, answering: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refusal_of(self, request: Request) -> Refused | None:
        if self._in_flight >= self._in_flight_max:
            busy = Unavailable("too much is in flight and nothing was done: try again in a moment", code=ADAPTER_BUSY, details={"retry_after_s": 1})
            return Refused(id=request.id, error=busy)
        if request.deadline is not None and request.op not in self._late_ops:
            try:
                refuse_if_late(request.deadline, self._clock, self._boot_id)
            except ArenaError as error:
                return Refused(id=request.id, error=error)
        return None

    async def _answer(self, batch: "_Batch", place: int, request: Request) -> None:
        answer: Mapping[str, object] | ArenaError
        try:
            answer = await self._handler(request)
        except ArenaError as error:
            answer = error
        except Exception:  # noqa: BLE001 (a bug in one request is that request's; what a bug in the store's memory costs, the journal decides)
            answer = self._bug(request.op)
        self._reply(batch, place, request, answer)

    def _begin(self, op: str, requests: Sequence[Request]) -> Awaitable[Sequence[Mapping[str, object] | ArenaError]]:
        """Let the handler begin in this very turn of the loop, as far as it does without waiting."""
        try:
            return self._together[op](requests)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told where the answers are waited for)
            return _failed(error)

    async def _answer_together(
        self, batch: "_Batch", placed: Sequence[tuple[int, Request]], answering: Awaitable[Sequence[Mapping[str, object] | ArenaError]]
    ) -> None:
        answers: Sequence[Mapping[str, object] | ArenaError]
        try:
            answers = await answering
        except ArenaError as error:
            answers = [error] * len(placed)
        except Exception:  # noqa: BLE001 (as above)
            answers = [self._bug(placed[0][1].op)] * len(placed)
        for (place, request), answer in zip(placed, answers, strict=True):
            self._reply(batch, place, request, answer)

    def _bug(self, op: str) -> ArenaError:
        _log.exception("a request met a bug", extra={"op": op, "server": self._name})
        return OutcomeUnknown("the request met a bug; look up what became of it before sending it again", code=INTERNAL)

    def _reply(self, batch: "_Batch", place: int, request: Request, answer: Mapping[str, object] | ArenaError) -> None:
        self._in_flight -= 1
        reply: bytes
        try:
            if isinstance(answer, ArenaError):
                reply = write_error(request.id, answer)
            else:
                reply = write_answer(request.id, answer, batch.reply_bytes_max, is_command=request.op in DEADLINE_OPS)
        except Exception:  # noqa: BLE001 (as above: it holds what does not travel)
            reply = write_error(request.id, self._bug(request.op))
        batch.fill(place, reply)

    def _send(self, envelope: Sequence[bytes], body: bytes) -> None:
        try:
            self._socket.send_multipart([*envelope, body], zmq.NOBLOCK)
            self._replied_at = time.monotonic()
        except zmq.ZMQError:
            self._unsent += 1  # the caller is gone, or does not read: it looks its request up
        self._drain.look()


async def _failed(error: Exception) -> NoReturn:
    raise error


class _Batch:
    """The replies to one message, sent when the last is there."""

    def __init__(self, envelope: list[bytes], size: int, *, is_array: bool, send: Callable[[Sequence[bytes], bytes], None]) -> None:
        self._envelope = envelope
        self._replies: list[bytes | None] = [None] * size
        self._left = size
        self._is_array = is_array
        self._send = send
        self.reply_bytes_max = (REPLY_BYTES_MAX - 8) // size  # each its share, so that the array fits whatever they answer

    def fill(self, place: int, reply: bytes) -> None:
        self._replies[place] = reply
        self._left -= 1
        if self._left == 0:
            replies = [reply for reply in self._replies if reply is not None]
            self._send(self._envelope, write_batch(replies) if self._is_array else replies[0])


def socket_path(address: str) -> Path:
    """The file of an ``ipc://`` address.

    Raises:
        CannotStart: not one, too long, or in a directory that others may enter: whoever opens the socket may trade.
    """
    scheme, _, name = address.partition("://")
    path = Path(name)
    if scheme != "ipc" or not path.is_absolute():
        raise CannotStart(f"{address} is no ipc:// address with an absolute path: requests are guarded by the file's permission")
    if len(name.encode()) > SOCKET_PATH_BYTES_MAX:
        raise CannotStart(
            f"{name} has {len(name.encode())} bytes and a Unix socket path may have {SOCKET_PATH_BYTES_MAX}: choose a shorter ARENA_HOME"
        )
    if not path.parent.is_dir():
        raise CannotStart(f"{path.parent} does not exist")
    if path.parent.stat().st_mode & 0o077:
        raise CannotStart(f"{path.parent} is open to other users: chmod 700 {path.parent}")
    return path


def _limit(socket: Socket) -> None:
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an unknown peer is an error that is counted, not a silent drop
    socket.setsockopt(zmq.MAXMSGSIZE, BODY_BYTES_MAX)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS_MAX)
    socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES_MAX)
    socket.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES_MAX)
    socket.setsockopt(zmq.SNDTIMEO, 0)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    # Never ROUTING_ID: of two peers with the same one, the second is not heard, or takes the first one's replies.
