"""The one way out of the arena: HTTP and websockets to a venue (S-H8).

Addresses are fixed in code; the environment may move them only to https (wss) or to this machine (``venue_url``). TLS is verified, no redirect is
followed, no proxy or netrc of the environment is believed, no cookie kept. Times and sizes are bounded, and nothing is decompressed: answers are
asked for as they are, and one that comes encoded all the same is refused, so a small answer cannot unpack into a large one.

A request goes out once. aiohttp alone repeats a PUT or DELETE whose kept connection broke (measured), and a trade closed by half twice is closed by
three quarters. What went wrong is sorted by what the caller may do next:

    OutboundError
    ├── NotSent             no byte of the request left: safe to try again
    ├── InDoubt             it began to leave, and no whole answer came: look it up, never send it again blind
    │   └── AnswerUnusable  an answer came (its status is known), but it is cut, too large, encoded or not JSON
    └── StreamEnded         a stream or websocket is over: cut, silent too long, or a line or message beyond its limit
        └── StreamRefused   it never began: the venue answered something else
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from runtime.exact_json import NotExactJson, loads
from runtime.http_guard import is_loopback
from runtime.program import CannotStart

ANSWER_S_MAX = 10.0
CONNECT_S_MAX = 5.0  # name, TCP, TLS and the wait for a free connection; below the whole, so that a slow connect is known to have sent nothing
ANSWER_BYTES_MAX = 1024 * 1024
LINE_BYTES_MAX = 64 * 1024
MESSAGE_BYTES_MAX = 1024 * 1024
CONNECTIONS_MAX = 8
KEEP_ALIVE_S = 20.0  # shorter than servers keep an idle connection: one they close as we send leaves the request in doubt
PING_S = 15.0  # a websocket whose peer answers no ping for half of this more is dead

_SWITCHING_PROTOCOLS = 101
_OK = 200


class OutboundError(Exception):
    """The tree is in the module's docstring. No message holds a header, a body or a secret."""


class NotSent(OutboundError):
    """No connection could be had; nothing of the request left this machine."""


class InDoubt(OutboundError):
    """The request may have arrived."""


class AnswerUnusable(InDoubt):
    """The venue answered ``status``, but what it said cannot be read."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class StreamEnded(OutboundError):
    """No more will come from this stream: open another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer, any status; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's value, numbers as int or Decimal.

        Raises:
            AnswerUnusable: it is not exact JSON (``runtime.exact_json``).
        """
        try:
            return loads(self.body)
        except NotExactJson as error:
            raise AnswerUnusable(f"the answer cannot be read: {error}", self.status) from None

    def json_object(self) -> dict[str, Any]:
        """The body's JSON object.

        Raises:
            AnswerUnusable: it is no exact JSON object.
        """
        value = self.json()
        if type(value) is not dict:
            raise AnswerUnusable("the answer is not a JSON object", self.status)
        return value


class StreamRefused(StreamEnded):
    """Instead of a stream the venue gave ``answer``; its body is empty for a websocket."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"the venue answered {answer.status}, not a stream")
        self.answer = answer


def venue_url(environ: Mapping[str, str], name: str, default: str) -> str:
    """The base address in the environment's ``name``, or ``default``; without a final slash.

    Args:
        default: the venue's own; its scheme (https or wss) says which kind ``name`` may hold.
    Raises:
        CannotStart: the address would leave this machine without TLS, or is no plain base address.
    """
    text = environ.get(name, "")
    if not text:
        return default
    secure = URL(default).scheme
    plain = {"https": "http", "wss": "ws"}[secure]
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise CannotStart(f"{name} is not an address: write {secure}://host, or {plain}://127.0.0.1:port for a simulator") from None
    if url.scheme not in {secure, plain} or not url.host or port is None or url.user is not None or url.query_string or url.fragment:
        raise CannotStart(f"{name} must be {secure}://host, or {plain}://127.0.0.1:port for a simulator, without user, query or fragment")
    if url.scheme == plain and not is_loopback(url.host):
        raise CannotStart(f"{name} would send orders and keys in clear text to {url.host}: use {secure}://, or a simulator on 127.0.0.1")
    return text.rstrip("/")


class Outbound:
    """Calls to one base address, as an async context manager.

    Args:
        base_url: from ``venue_url``.
        connections_max: open at once, streams and websockets included.
        answer_bytes_max: of one answer; more is refused.
    """

    def __init__(self, base_url: str, *, connections_max: int = CONNECTIONS_MAX, answer_bytes_max: int = ANSWER_BYTES_MAX) -> None:
        self.base_url = base_url.rstrip("/")
        self._connections_max = connections_max
        self._answer_bytes_max = answer_bytes_max
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            raise_for_status=False,
            middlewares=(_once,),
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout_s: float = ANSWER_S_MAX
    ) -> Answer:
        """Send one request once and return its whole answer, whatever its status; a redirect is an answer.

        Args:
            target: path and query after the base address, encoded as they go on the wire.
            body: sent as it is; say its Content-Type in ``headers``.
        Raises:
            NotSent, InDoubt, AnswerUnusable: see the module.
        """
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(CONNECT_S_MAX, timeout_s / 2))
        with _translated():
            async with self._open(method, target, headers, body, timeout) as answer:
                return await _whole(answer, self._answer_bytes_max)

    @contextlib.asynccontextmanager
    async def lines(
        self, target: str, *, headers: Mapping[str, str] | None = None, silence_s: float, line_bytes_max: int = LINE_BYTES_MAX
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        r"""A GET whose answer never ends, as its lines without ``\n`` or ``\r\n``; empty lines are left out.

        Args:
            silence_s: no byte for so long ends it.
        Raises:
            NotSent, InDoubt: it could not be opened.
            StreamRefused: the venue answered another status than 200.
            StreamEnded: from the iterator, always in the end.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S_MAX, sock_read=silence_s)
        async with contextlib.AsyncExitStack() as stack:
            with _translated():
                answer = await stack.enter_async_context(self._open("GET", target, headers, b"", timeout))
                if answer.status != _OK:
                    async with asyncio.timeout(ANSWER_S_MAX):
                        raise StreamRefused(await _whole(answer, self._answer_bytes_max))
                _refuse_encoded(answer)
            yield _split(answer.content, line_bytes_max)

    @contextlib.asynccontextmanager
    async def websocket(
        self, target: str = "", *, headers: Mapping[str, str] | None = None, message_bytes_max: int = MESSAGE_BYTES_MAX
    ) -> AsyncIterator["WebSocket"]:
        """An open websocket, closed on leaving; pings are answered and sent, so a dead peer ends it.

        Raises:
            NotSent, InDoubt: it could not be opened.
            StreamRefused: the venue did not switch protocols.
        """
        assert self._session is not None, "use it as an async context manager"
        with _translated():
            try:
                async with asyncio.timeout(ANSWER_S_MAX):
                    socket = await self._session.ws_connect(
                        self._url(target),
                        headers=headers,
                        max_msg_size=message_bytes_max,
                        heartbeat=PING_S,
                        timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                    )
            except aiohttp.WSServerHandshakeError as error:
                raise StreamEnded("the venue's websocket handshake is wrong") from error
        try:
            yield WebSocket(socket)
        finally:
            await socket.close()

    def _open(
        self, method: str, target: str, headers: Mapping[str, str] | None, body: bytes, timeout: aiohttp.ClientTimeout
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        assert self._session is not None, "use it as an async context manager"
        return self._session.request(
            method,
            self._url(target),
            headers={"Accept-Encoding": "identity", **(headers or {})},
            data=body or None,
            allow_redirects=False,
            timeout=timeout,
        )

    def _url(self, target: str) -> URL:
        if target and not target.startswith("/"):
            raise ValueError("a target begins with a slash: without one it would lengthen the host's name")
        return URL(self.base_url + target, encoded=True)


class WebSocket:
    """Text messages both ways; made by ``Outbound.websocket``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        """Send one message.

        Raises:
            StreamEnded: the connection is gone; whether the message arrived is not known.
        """
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await self._socket.send_str(text)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise StreamEnded(f"could not send: {type(error).__name__}") from error

    async def receive(self, silence_s: float) -> bytes:
        """The next message's UTF-8 text.

        Args:
            silence_s: nothing for so long ends the stream; pings do not count.
        Raises:
            StreamEnded: closed, broken, silent too long, not text, or a message beyond its limit.
        """
        try:
            message = await self._socket.receive(silence_s)
        except TimeoutError:
            raise StreamEnded(f"nothing came for {silence_s:g} s") from None
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise StreamEnded(f"the websocket ended: {message.type.name}, code {self._socket.close_code}")
        return str(message.data).encode()


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Run below aiohttp's own repeating and redirecting: a broken connection ends the request, and a websocket is not led elsewhere."""
    with _translated():
        answer = await handler(request)
    if "Sec-WebSocket-Key" in request.headers and answer.status != _SWITCHING_PROTOCOLS:
        answer.close()
        raise StreamRefused(Answer(status=answer.status, headers=_headers(answer), body=b""))
    return answer


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:  # DNS, TCP and TLS are all of these
        raise NotSent(f"no connection: {type(error).__name__}") from error
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        raise InDoubt(f"no answer: {type(error).__name__}") from error


def _headers(answer: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {key.lower(): value for key, value in answer.headers.items()}


def _refuse_encoded(answer: aiohttp.ClientResponse) -> None:
    encoding = answer.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise AnswerUnusable(f"the answer came encoded ({encoding[:20]}), which was not asked for", answer.status)


async def _whole(answer: aiohttp.ClientResponse, bytes_max: int) -> Answer:
    _refuse_encoded(answer)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in answer.content.iter_any():
            size += len(part)
            if size > bytes_max:
                raise AnswerUnusable(f"the answer has more than {bytes_max} bytes", answer.status)
            parts.append(part)
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        raise AnswerUnusable(f"the answer was cut: {type(error).__name__}", answer.status) from error
    return Answer(status=answer.status, headers=_headers(answer), body=b"".join(parts))


async def _split(content: aiohttp.StreamReader, line_bytes_max: int) -> AsyncIterator[bytes]:
    """The lines of ``content``; what is left without an end at a cut is half a message, and dropped."""
    rest = b""
    try:
        async for part in content.iter_any():
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                if len(line) > line_bytes_max:
                    raise StreamEnded(f"a line has more than {line_bytes_max} bytes")
                if line := line.rstrip(b"\r"):
                    yield line
            if len(rest) > line_bytes_max:
                raise StreamEnded(f"a line has more than {line_bytes_max} bytes")
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        raise StreamEnded(f"the stream broke: {type(error).__name__}") from error
    raise StreamEnded("the venue ended the stream")
