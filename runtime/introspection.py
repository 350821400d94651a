"""Tokens at servers that hold no keys: market data and dashboard ask the gateway (``POST /auth/introspect``) and remember the answer for 5 s.

So a revoked token works here for at most 5 s more (S-A6). What is remembered is keyed by the token's hash, bounded, and its expiry is checked on
every hit. The gateway believes only callers on its own machine.
"""

import hashlib
import logging
import ssl
import time
from collections import OrderedDict
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from aiohttp import web

from runtime.http_answers import ApiError
from runtime.routes import Principal

REMEMBERED_S = 5.0
REMEMBERED_MAX = 4_096
ASK_S_MAX = 3.0
TOKEN_CHARS_MAX = 4 * 1024

log = logging.getLogger(__name__)


class Introspection(msgspec.Struct):
    """What the gateway answers about a token."""

    active: bool
    user: str = ""
    role: str = ""
    live: list[str] = msgspec.field(default_factory=list)
    scopes: list[str] | None = None
    token_id: str = ""
    expires_ns: int | None = None


def bearer_token(request: web.BaseRequest) -> str | None:
    """The token in ``Authorization: Bearer …``; None without the header.

    Raises:
        ApiError: 401 for two headers, another scheme, or a token longer than any of ours.
    """
    values = request.headers.getall("Authorization", ())
    if not values:
        return None
    scheme, _, token = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token or len(token) > TOKEN_CHARS_MAX or not token.isascii() or " " in token:
        raise token_invalid()
    return token


def token_invalid() -> ApiError:
    """The one answer for every token that is not good, whatever is wrong with it."""
    return ApiError(
        401, "TOKEN_INVALID", "this token is not valid (any more): log in again", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )


class Introspector:
    """Asks the gateway at ``gateway_url`` who a token belongs to; an async context manager.

    ``principal`` serves as a server's authenticator. ``cookie`` names a cookie that may hold the token instead of the header (browsers cannot send
    headers with an EventSource); it is read for GET only, as a cookie alone never authorises a change (S-A8). ``tls`` says which certificate an https
    gateway must show.
    """

    def __init__(self, gateway_url: str, *, cookie: str | None = None, tls: ssl.SSLContext | bool = True) -> None:
        self._url = gateway_url.rstrip("/") + "/auth/introspect"
        self._cookie = cookie
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._remembered: OrderedDict[bytes, tuple[float, Principal | None]] = OrderedDict()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls), timeout=aiohttp.ClientTimeout(total=ASK_S_MAX), cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def principal(self, request: web.Request) -> Principal | None:
        """Who sends ``request``, None without a token.

        Raises:
            ApiError: 401 for a token the gateway does not accept, 503 when the gateway cannot be asked.
        """
        token = bearer_token(request)
        if token is None and self._cookie is not None and request.method == "GET":
            token = request.cookies.get(self._cookie) or None
        if token is None:
            return None
        found = await self.lookup(token)
        if found is None:
            raise token_invalid()
        return found

    async def lookup(self, token: str) -> Principal | None:
        """The principal of ``token``, or None when the gateway does not accept it.

        Raises:
            ApiError: 503 when the gateway cannot be asked.
        """
        key = hashlib.sha256(token.encode()).digest()
        remembered = self._remembered.get(key)
        if remembered is not None and time.monotonic() - remembered[0] < REMEMBERED_S:
            principal = remembered[1]
        else:
            principal = await self._ask(token)
            self._remembered[key] = (time.monotonic(), principal)
            self._remembered.move_to_end(key)
            if len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        if principal is not None and principal.expires_ns is not None and principal.expires_ns <= time.time_ns():
            return None
        return principal

    async def _ask(self, token: str) -> Principal | None:
        assert self._session is not None, "use it as an async context manager"
        try:
            async with self._session.post(self._url, json={"token": token}, allow_redirects=False) as answer:
                if answer.status != web.HTTPOk.status_code:
                    raise _gateway_down()
                found = msgspec.json.decode(await answer.read(), type=Introspection)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            log.warning("the gateway could not be asked about a token", extra={"error": type(error).__name__})
            raise _gateway_down() from error
        if not found.active:
            return None
        return Principal(
            user=found.user,
            role=found.role,
            live=frozenset(found.live),
            scopes=None if found.scopes is None else frozenset(found.scopes),
            token_id=found.token_id,
            expires_ns=found.expires_ns,
        )


def _gateway_down() -> ApiError:
    return ApiError(503, "GATEWAY_DOWN", "the gateway cannot be asked who you are; try again", headers={"Retry-After": "2"})
