"""The two servers behind the dashboard, the gateway and market data, and how they are called: over loopback, bounded in time and size.

Reads share kept-alive connections. Changes get a connection of their own each, so that a dead one is not mistaken for a lost answer, and go out
once: aiohttp by itself repeats a DELETE whose connection broke (measured), and closing half a position twice closes three quarters of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import aiohttp
from aiohttp import web
from yarl import URL

from runtime.http import REQUEST_ID, ApiError, client_address
from runtime.http_guard import is_loopback
from runtime.own_servers import own_certificate
from runtime.settings import HttpSettings, Settings

ANSWER_BYTES_MAX = 2 * 1024 * 1024
CONNECT_S_MAX = 2.0
# Above the gateway's own 10 s for a live order: it knows better than we do what became of it.
ANSWER_S_MAX = 14.0
CONNECTIONS_MAX = 100

SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an upstream answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NothingSent(Exception):
    """The upstream could not be reached at all."""


class NoAnswer(Exception):
    """The request may have arrived; its answer did not."""


class AnswerTooLarge(Exception):
    """The answer has more than ANSWER_BYTES_MAX bytes."""


class Upstream:
    """One server, as an async context manager.

    Args:
        name: ``gateway`` or ``market_data``; in the code of what we answer when it is down.
        url: ``http://127.0.0.1:8787``.
        http: with TLS files, the server's own certificate is the only one trusted.
    """

    def __init__(self, name: Literal["gateway", "market_data"], url: str, http: HttpSettings) -> None:
        self.name = name
        self.url = url
        self._http = http
        self._reads: aiohttp.ClientSession | None = None
        self._changes: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        tls = own_certificate(self._http)
        self._reads = self._session(aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ssl=tls))
        self._changes = self._session(aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ssl=tls, force_close=True), _once)
        return self

    @staticmethod
    def _session(connector: aiohttp.TCPConnector, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        # No cookies are kept, and nothing is read from the environment: proxies there are not for loopback.
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_S_MAX, sock_connect=CONNECT_S_MAX),
            auto_decompress=False,
            trust_env=False,
            raise_for_status=False,
            middlewares=middlewares,
        )

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for session in (self._reads, self._changes):
            if session is not None:
                await session.close()

    async def call(self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """Send one request and return its whole answer; redirects are answers, not followed.

        Args:
            target: path and query, encoded as it goes on the wire.
        Raises:
            NothingSent: no connection; safe to try again.
            NoAnswer: the connection broke or the time ran out after the request had gone.
            AnswerTooLarge: over 2 MiB.
        """
        session = self._reads if method in SAFE_METHODS else self._changes
        assert session is not None, "use it as an async context manager"
        try:
            async with session.request(
                method,
                URL(self.url + target, encoded=True),
                headers={"Accept-Encoding": "identity", **(headers or {})},
                data=body or None,
                allow_redirects=False,
            ) as answer:
                content = await _read(answer)
                return Answer(status=answer.status, headers={key.lower(): value for key, value in answer.headers.items()}, body=content)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NothingSent(str(error)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NoAnswer(type(error).__name__) from error

    def down(self) -> ApiError:
        """What we answer when it cannot be reached."""
        name = self.name.replace("_", " ")
        return ApiError(503, f"{self.name.upper()}_DOWN", f"the {name} does not answer; nothing was sent, try again", headers={"Retry-After": "1"})


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Have a broken connection end the request: what aiohttp sees as a connection error it tries again."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError as error:
        raise NothingSent(str(error)) from error
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise NoAnswer(type(error).__name__) from error


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    if (answer.content_length or 0) > ANSWER_BYTES_MAX:
        raise AnswerTooLarge
    parts, size = [], 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            raise AnswerTooLarge
        parts.append(part)
    return b"".join(parts)


def caller_headers(request: web.Request, settings: Settings) -> dict[str, str]:
    """What every call made for ``request`` carries: its id, and where it came from when that is not this machine.

    The gateway trusts its own machine in places (registration, weak passwords on paper), and whoever is behind the dashboard must not pass for it.
    """
    headers = {"X-Request-ID": request[REQUEST_ID]}
    address = client_address(request, settings)
    if address and not is_loopback(address):
        headers["X-Forwarded-For"] = address
    return headers
