"""The request client: asks one server, and knows the difference between "not sent", "refused" and "unknown".

ZeroMQ would queue what is sent to a server that is down and deliver it when it comes up, long after anybody wants it. So nothing is queued for an
absent server (IMMEDIATE: the call fails at once and nothing was sent), a frozen one is noticed by heartbeats within three seconds, and what still
lies in a buffer then dies of its deadline at the receiver. Each request has an id of its own; a reply that comes after its caller has gone is
counted and dropped.

Commands of one turn of the loop leave in one message and come back in one: at 64 callers that saves a third of the work.

Source: docs/protocol.md, section 5; RULES R7, R8.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

import zmq

from bus.codec import BODY_BYTES_MAX, REPLY_LIMITS, Limits, MalformedMessage, is_flat_and_plain, pack, pack_plain
from bus.deadline import stamp
from bus.draining import Complaints, Context, Drain, Socket
from bus.reply_reading import read_outcomes
from bus.request_messages import BATCH_MAX, VERSION, Reply, write_batch
from runtime.clock import Clock, SystemClock, boot_id
from runtime.program import CannotStart
from trading.errors import ArenaError, InvalidRequest, OutcomeUnknown, Unavailable

PENDING_MAX = 1024
# So many commands leave before their turn of the loop is over: the server works on them while the rest of the turn is still being read.
SEND_AT_ONCE = 16
QUEUE_MESSAGES_MAX = 64  # of up to 64 requests each
# A socket that takes nothing is not connected; or its queue is full, which can only be while requests of ours are on their way, and which a server
# that lives empties as soon as it gets a processor.
SEND_S_MAX = 0.02
FULL_QUEUE_S_MAX = 1.0
RESEND_S = 0.001
RECONNECT_MS = 100
RECONNECT_MS_MAX = 1000
HEARTBEAT_MS = 1000
HEARTBEAT_TIMEOUT_MS = 3000
HANDSHAKE_MS_MAX = 5000
SWEEP_S = 0.025  # how exactly a timeout is kept; one timer for all is cheaper than one each

ADAPTER_DOWN = "ADAPTER_DOWN"

_ARRAY_HEADER_BYTES_MAX = 3
# As plain numbers: pyzmq's own are enums, and putting two together costs more than sending.
_AT_ONCE = int(zmq.NOBLOCK)
_MORE_FOLLOWS = int(zmq.NOBLOCK | zmq.SNDMORE)


class _Pending(NamedTuple):
    future: asyncio.Future[Reply]
    expires_at: float  # loop time
    op: str


@dataclass(frozen=True, slots=True)
class _Unsent:
    request_ids: list[str]
    body: bytes
    give_up_at: float  # loop time


class RequestClient:
    """A connection to one server, made from entering to leaving and remade by itself whenever it breaks.

    Args:
        address: the server's, ``ipc://`` or what else ZeroMQ connects to.
        limits: of replies.
    """

    def __init__(self, address: str, *, clock: Clock | None = None, limits: Limits = REPLY_LIMITS) -> None:
        self._address = address
        self._clock = clock or SystemClock()
        self._boot_id = boot_id()
        self._limits = limits
        self._pending: dict[str, _Pending] = {}
        self._outgoing: list[tuple[str, bytes]] = []
        self._unsent: deque[_Unsent] = deque()
        self._id_prefix = secrets.token_hex(4)
        self._id_number = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_open = False
        self._bad_replies = Complaints("replies that nobody waits for, or that cannot be read")
        self._loop: asyncio.AbstractEventLoop
        self._context: Context
        self._socket: Socket
        self._drain: Drain

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        _limit(self._socket, self._limits)
        try:
            self._socket.connect(self._address)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise CannotStart(f"{self._address} is no address that can be connected to: {error}") from error
        self._drain = Drain(self._socket, self._on_message)
        self._is_open = True
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._is_open = False
        self._drain.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pending in self._pending.values():
            _fail(pending.future, OutcomeUnknown(f"the program stopped before {pending.op} was answered; look it up"))
        self._pending.clear()
        self._socket.close()
        await asyncio.to_thread(self._context.term)

    @property
    def is_connected(self) -> bool:
        """Whether a message sent now would leave."""
        events = self._socket.getsockopt(zmq.EVENTS)
        self._drain.look()  # asking may have swallowed the descriptor's edge
        return bool(int(events) & zmq.POLLOUT)

    @property
    def late_replies(self) -> int:
        """How many replies came after their caller had gone, or could not be read."""
        return self._bad_replies.count

    async def wait_connected(self, timeout_s: float) -> bool:
        """Whether the server was there within ``timeout_s``. A call needs no such wait: it fails at once when nobody is there."""
        give_up_at = self._loop.time() + timeout_s
        while not self.is_connected:
            if self._loop.time() >= give_up_at:
                return False
            await asyncio.sleep(0.005)
        return True

    async def call(
        self,
        op: str,
        args: Mapping[str, object],
        *,
        actor: Mapping[str, object] | None = None,
        ttl_ms: int | None = None,
        timeout_s: float,
    ) -> Reply:
        """Ask for ``op`` and return its answer.

        Args:
            args: plain values and Decimals.
            actor: ``{user, role, live}``, whom the server believes; None is somebody on this host.
            ttl_ms: for commands: the server refuses to begin after so long. Commands of one turn of the loop travel together.
            timeout_s: how long to wait for the answer.
        Raises:
            ArenaError: of the kind and code that the server answered.
            InvalidRequest: it cannot be sent.
            Unavailable: ``ADAPTER_DOWN``, the server is not there (or ``ADAPTER_BUSY``, too much waits for it already); nothing was sent.
            OutcomeUnknown: sent, and no answer came in time.
        """
        request_id = self._next_id()
        body = self._body(request_id, op, args, actor, ttl_ms)
        future = self._expect(request_id, op, timeout_s)
        if ttl_ms is None:
            self._send([request_id], body)
        else:
            self._collect(request_id, body)
        try:
            return await future
        finally:
            self._pending.pop(request_id, None)

    def begin(
        self, op: str, args: Mapping[str, object], *, actor: Mapping[str, object] | None, ttl_ms: int, timeout_s: float
    ) -> asyncio.Future[Reply]:
        """Send the command ``op`` with this turn of the loop; its future ends as :meth:`call` does, and is not to be cancelled.

        Args:
            args: as all others for :meth:`call`.
        Raises:
            InvalidRequest, Unavailable: as :meth:`call`, where that is known before anything is sent.
        """
        request_id = self._next_id()
        body = self._body(request_id, op, args, actor, ttl_ms)
        future = self._expect(request_id, op, timeout_s)
        self._collect(request_id, body)
        return future

    def _next_id(self) -> str:
        if not self._is_open:
            raise Unavailable("the connection is closed", code=ADAPTER_DOWN)
        if len(self._pending) >= PENDING_MAX:
            raise Unavailable("too many requests wait for an answer and nothing was sent: try again in a moment", code="ADAPTER_BUSY")
        self._id_number += 1
        return f"{self._id_prefix}-{self._id_number}"

    def _expect(self, request_id: str, op: str, timeout_s: float) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._pending[request_id] = _Pending(future, self._loop.time() + timeout_s, op)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        return future

    def _body(self, request_id: str, op: str, args: Mapping[str, object], actor: Mapping[str, object] | None, ttl_ms: int | None) -> bytes:
        """The bytes of a request. Plain values are written faster; a limited grant, say, is a Decimal.

        Raises:
            InvalidRequest: it holds what does not travel, or too much.
        """
        message: dict[str, object] = {"v": VERSION, "id": request_id, "op": op, "args": args}
        if actor is not None:
            message["actor"] = actor
        if ttl_ms is not None:
            message |= stamp(ttl_ms, self._clock, self._boot_id)
        write = pack_plain if is_flat_and_plain(args) and (actor is None or is_flat_and_plain(actor)) else pack
        try:
            body = write(message)
        except ValueError as error:
            raise InvalidRequest(f"{op} cannot be sent: {error}") from error
        if len(body) > BODY_BYTES_MAX - _ARRAY_HEADER_BYTES_MAX:
            raise InvalidRequest(f"{op} has {len(body)} bytes and a request at most {BODY_BYTES_MAX}")
        return body

    def _collect(self, request_id: str, body: bytes) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append((request_id, body))
        if len(self._outgoing) == SEND_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        """Send what this turn has collected, in as few messages as its size allows."""
        outgoing, self._outgoing = self._outgoing, []
        if not self._is_open:
            return
        ids: list[str] = []
        bodies: list[bytes] = []
        size = _ARRAY_HEADER_BYTES_MAX
        for request_id, body in outgoing:
            if request_id not in self._pending:  # given up before it left
                continue
            if len(ids) == BATCH_MAX or size + len(body) > BODY_BYTES_MAX:
                self._send(ids, bodies[0] if len(bodies) == 1 else write_batch(bodies))
                ids, bodies, size = [], [], _ARRAY_HEADER_BYTES_MAX
            ids.append(request_id)
            bodies.append(body)
            size += len(body)
        if ids:
            self._send(ids, bodies[0] if len(bodies) == 1 else write_batch(bodies))

    def _send(self, request_ids: list[str], body: bytes) -> None:
        if self._unsent or not self._try_to_send(body):
            if not self._unsent:
                self._loop.call_later(RESEND_S, self._resend)
            patience_s = FULL_QUEUE_S_MAX if self._some_are_on_their_way(request_ids) else SEND_S_MAX
            self._unsent.append(_Unsent(request_ids, body, self._loop.time() + patience_s))

    def _some_are_on_their_way(self, request_ids: list[str]) -> bool:
        """Whether requests other than these, and those that wait with them, have left and have no answer yet."""
        not_sent = len(request_ids) + len(self._outgoing) + sum(len(unsent.request_ids) for unsent in self._unsent)
        return len(self._pending) > not_sent

    def _try_to_send(self, body: bytes) -> bool:
        try:
            self._socket.send(b"", _MORE_FOLLOWS)
            self._socket.send(body, _AT_ONCE)
        except zmq.ZMQError:
            return False
        finally:
            self._drain.look()
        return True

    def _resend(self) -> None:
        """Send what the socket takes now, in order, and fail what has waited too long: nothing of it was sent."""
        now = self._loop.time()
        while self._unsent and self._is_open:
            first = self._unsent[0]
            waiting = [self._pending[request_id] for request_id in first.request_ids if request_id in self._pending]
            if waiting and not self._try_to_send(first.body):
                if now < first.give_up_at:
                    self._loop.call_later(RESEND_S, self._resend)
                    return
                for pending in waiting:
                    _fail(pending.future, _down())
                self._forget(first.request_ids)
            self._unsent.popleft()

    def _forget(self, request_ids: list[str]) -> None:
        for request_id in request_ids:
            self._pending.pop(request_id, None)

    def _on_message(self, frames: list[bytes]) -> None:
        if len(frames) != 2 or frames[0]:
            self._bad_replies.add(f"{len(frames)} frames")
            return
        try:
            outcomes = read_outcomes(frames[1], self._limits)
        except MalformedMessage as error:
            self._bad_replies.add(error)
            return
        for request_id, outcome in outcomes:
            pending = self._pending.pop(request_id, None) if isinstance(request_id, str) else None
            if pending is None or pending.future.done():
                self._bad_replies.add("late")
                continue
            if isinstance(outcome, ArenaError):
                pending.future.set_exception(outcome)
            else:
                pending.future.set_result(outcome)

    def _sweep(self) -> None:
        now = self._loop.time()
        expired = [request_id for request_id, pending in self._pending.items() if pending.expires_at <= now]
        for request_id in expired:
            pending = self._pending[request_id]
            _fail(pending.future, OutcomeUnknown(f"{pending.op} was sent and has no answer yet; look it up, do not send it again"))
        self._forget(expired)
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep) if self._pending else None


def _down() -> Unavailable:
    return Unavailable("the adapter is not there and nothing was sent: try again in a moment", code=ADAPTER_DOWN, details={"retry_after_s": 1})


def _fail(future: asyncio.Future[Reply], error: ArenaError) -> None:
    if not future.done():
        future.set_exception(error)


def _limit(socket: Socket, limits: Limits) -> None:
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES_MAX)
    socket.setsockopt(zmq.SNDTIMEO, 0)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS_MAX)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
    socket.setsockopt(zmq.MAXMSGSIZE, limits.body_bytes)
    # Never ROUTING_ID, see bus/request_server.py.
