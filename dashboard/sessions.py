"""Logins of browsers: logging in and out at the gateway, renewing access tokens unseen, and saying who sends a request.

The gateway decides everything about users and tokens; this is only where a browser's cookies become a bearer token. Nothing durable is kept. In
memory is, for a minute, what each spent refresh token became: several tabs renew at once, and the gateway takes a refresh token that comes twice for
a stolen one.
"""

import asyncio
import base64
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

import msgspec
from aiohttp import web

from dashboard.cookies import CSRF_HEADER, RENEW_BEFORE_S, Cookies, Login, new_login
from dashboard.upstreams import Answer, AnswerTooLarge, NoAnswer, NothingSent, Upstream, caller_headers
from runtime.clock import NS_PER_S, Clock
from runtime.http import ApiError, Principal
from runtime.introspection import Introspector, bearer_token
from runtime.routes import Handler
from runtime.settings import Settings

RENEWALS_KEPT_S = 60
RENEWALS_MAX = 1_000

# The Set-Cookie header that the answer to this request shall carry, whatever the answer is made of (carrying_cookies, set_cookie).
SET_COOKIE = web.RequestKey("set_cookie", str)
_LOGIN = web.RequestKey("login", object)
_HEAD_SENT = web.RequestKey("head_sent", bool)

log = logging.getLogger(__name__)


class TokenPair(msgspec.Struct):
    """What the gateway answers to a login and to a refresh."""

    access_token: str
    refresh_token: str


@dataclass(slots=True)
class _Renewal:
    """One refresh token's way to the next: under way, or done and remembered."""

    task: "asyncio.Task[TokenPair | None]"
    started_ns: int


class Sessions:
    """The dashboard's authenticator, and the three session calls.

    Args:
        open_reads: whether reads need no login (S-B7).
    """

    def __init__(self, settings: Settings, *, gateway: Upstream, introspector: Introspector, clock: Clock, open_reads: bool) -> None:
        self.cookies = Cookies(settings)
        self.open_reads = open_reads
        self._settings = settings
        self._gateway = gateway
        self._introspector = introspector
        self._clock = clock
        self._renewals: OrderedDict[bytes, _Renewal] = OrderedDict()

    async def principal(self, request: web.Request) -> Principal | None:
        """Who sends ``request``, by bearer token or cookie; None for somebody unknown where reads are open.

        Raises:
            ApiError: 401 where a login is needed, 503 where one is needed and the gateway cannot be asked.
        """
        try:
            principal = await self._principal(request)
            if principal is None and not self.open_reads:
                raise login_required()
        except ApiError as error:
            if self.open_reads and error.status >= web.HTTPInternalServerError.status_code:
                return None  # whoever it is may read, and a gateway that is down takes nothing else with it
            carry_cookie(request, error.headers)
            raise
        return principal

    async def _principal(self, request: web.Request) -> Principal | None:
        if bearer_token(request) is not None:
            return await self._introspector.principal(request)
        login = await self.login_of(request)
        if login is None:
            return None
        found = await self._introspector.lookup(login.access)
        if found is None:
            login = await self.renewed(request, login)  # revoked, or signed with a key of before
            found = await self._introspector.lookup(login.access) if login is not None else None
        return found

    async def login_of(self, request: web.Request) -> Login | None:
        """The request's login with an access token that is good for a while yet; None without one or where it has ended.

        Raises:
            ApiError: 503, the token had to be renewed and the gateway did not answer.
        """
        kept = request.get(_LOGIN)
        login = kept if isinstance(kept, Login) else self.cookies.read(request)
        if login is None:
            if self.cookies.present(request):
                request[SET_COOKIE] = self.cookies.clearing()
            return None
        if _HEAD_SENT in request:
            return login
        if expires_s(login.access) - self._clock.wall_ns() // NS_PER_S > RENEW_BEFORE_S:
            return login
        return await self.renewed(request, login)

    async def renewed(self, request: web.Request, login: Login) -> Login | None:
        """``login`` with fresh tokens, which the answer will put into the browser; None, and the cookie is taken away, when it has ended.

        None too for a stream that is asked about again: its head is sent, so nobody could tell the browser, whose refresh token would be spent. The
        stream ends instead, the browser comes back, and that request is renewed.
        """
        if _HEAD_SENT in request:
            return None
        pair = await self._renew(login.refresh)
        if pair is None:
            request[SET_COOKIE] = self.cookies.clearing()
            return None
        login = login.with_tokens(pair.access_token, pair.refresh_token)
        request[_LOGIN] = login
        request[SET_COOKIE] = self.cookies.setting(login)
        return login

    def check_change(self, request: web.Request, login: Login | None) -> Login:
        """The login that may change something: there is one, the page is ours, and it knows the CSRF token.

        Raises:
            ApiError: 401 LOGIN_REQUIRED, 403 ORIGIN_NOT_ALLOWED or CSRF_TOKEN_WRONG.
        """
        if login is None:
            raise login_required()
        if "Origin" not in request.headers:  # one that is not ours has been refused before routing
            raise ApiError(403, "ORIGIN_NOT_ALLOWED", "a change by cookie must come from the dashboard's own page, with its Origin")
        if not login.csrf_token_is(request.headers.get(CSRF_HEADER, "")):
            raise ApiError(403, "CSRF_TOKEN_WRONG", f"send the csrf_token of GET /api/session in {CSRF_HEADER}")
        return login

    async def log_in(self, request: web.Request, email: str, password: str) -> Login:
        """Log in at the gateway; its refusals are raised as they are."""
        answer = await self._post(request, "/auth/login", {"email": email, "password": password})
        if answer.status != web.HTTPOk.status_code:
            raise passed_on(answer)
        pair = _token_pair(answer)
        login = new_login(pair.access_token, pair.refresh_token)
        if login is None:
            raise _nonsense()
        request[_LOGIN] = login
        request[SET_COOKIE] = self.cookies.setting(login)
        return login

    async def log_out(self, request: web.Request, login: Login) -> None:
        """Take the cookie away and have the gateway revoke the tokens; a gateway that is down is told nothing, the tokens then end by themselves."""
        request[SET_COOKIE] = self.cookies.clearing()
        try:
            await self._post(request, "/auth/logout", {"refresh_token": login.refresh})
        except ApiError as error:
            log.warning("the gateway could not be told of a log-out", extra={"code": error.code})

    async def me(self, request: web.Request, login: Login) -> Mapping[str, object] | None:
        """The gateway's ``user`` for this login; None when it has ended."""
        answer = await self._call("GET", "/auth/me", {**caller_headers(request, self._settings), "Authorization": f"Bearer {login.access}"})
        if answer.status == web.HTTPUnauthorized.status_code:
            return None
        if answer.status != web.HTTPOk.status_code:
            raise passed_on(answer)
        user = _object(answer.body).get("user")
        return user if isinstance(user, dict) else None

    async def _renew(self, refresh: str) -> TokenPair | None:
        now_ns = self._clock.boot_ns()
        while self._renewals:
            oldest = next(iter(self._renewals.values()))
            if now_ns - oldest.started_ns < RENEWALS_KEPT_S * NS_PER_S and len(self._renewals) <= RENEWALS_MAX:
                break
            self._renewals.popitem(last=False)
        key = hashlib.sha256(refresh.encode()).digest()
        renewal = self._renewals.get(key)
        if renewal is None or (renewal.task.done() and (renewal.task.cancelled() or renewal.task.exception() is not None)):
            renewal = _Renewal(asyncio.create_task(self._ask_for_renewal(refresh)), now_ns)
            renewal.task.add_done_callback(_look_at)
            self._renewals[key] = renewal
        return await asyncio.shield(renewal.task)  # one tab that goes away does not take the others' answer with it

    async def _ask_for_renewal(self, refresh: str) -> TokenPair | None:
        body = json.dumps({"refresh_token": refresh}).encode()
        answer = await self._call("POST", "/auth/refresh", {"Content-Type": "application/json"}, body)
        if answer.status == web.HTTPOk.status_code:
            return _token_pair(answer)
        if answer.status in {web.HTTPUnauthorized.status_code, web.HTTPForbidden.status_code}:
            return None  # too old, used up, ended elsewhere, or the password must be changed first
        raise passed_on(answer)

    async def _post(self, request: web.Request, path: str, body: Mapping[str, object]) -> Answer:
        headers = {**caller_headers(request, self._settings), "Content-Type": "application/json"}
        return await self._call("POST", path, headers, json.dumps(body).encode())

    async def _call(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        try:
            return await self._gateway.call(method, path, headers=headers, body=body)
        except (NothingSent, NoAnswer, AnswerTooLarge) as error:
            raise self._gateway.down() from error


def _look_at(task: "asyncio.Task[TokenPair | None]") -> None:
    """Its error is raised to everybody who waits; when nobody does any more, asyncio need not complain about it."""
    if not task.cancelled():
        task.exception()


def carrying_cookies(handler: Handler) -> Handler:
    """``handler`` with the cookie that changed on the way put on its answer, or on its refusal."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            answer = await handler(request)
        except ApiError as error:
            carry_cookie(request, error.headers)
            raise
        if not answer.prepared:
            carry_cookie(request, answer.headers)
        return answer

    return handle


async def set_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """For ``on_response_prepare``: the same for streams, whose heads leave while their handlers run."""
    carry_cookie(request, response.headers)
    request[_HEAD_SENT] = True


def carry_cookie(request: web.Request, headers: MutableMapping[str, str]) -> None:
    header = request.get(SET_COOKIE)
    if header is not None:
        headers["Set-Cookie"] = header


def login_required() -> ApiError:
    return ApiError(401, "LOGIN_REQUIRED", "log in: POST /api/session with email and password, or send Authorization: Bearer …")


def expires_s(access: str) -> int:
    """When the token says it ends, in seconds since 1970; 0 where it cannot be read. The gateway alone says whether it is good."""
    try:
        part = access.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return int(claims["exp"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return 0


def passed_on(answer: Answer) -> ApiError:
    """An upstream's refusal as ours: the same status, code, message and details."""
    body = _object(answer.body)
    code, message, details = body.get("code"), body.get("message"), body.get("details")
    if answer.status < web.HTTPBadRequest.status_code or not isinstance(code, str) or not isinstance(message, str):
        return _nonsense()
    headers = {"Retry-After": answer.headers["retry-after"]} if "retry-after" in answer.headers else {}
    return ApiError(answer.status, code, message, details if isinstance(details, dict) else {}, headers)


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _token_pair(answer: Answer) -> TokenPair:
    try:
        return msgspec.json.decode(answer.body, type=TokenPair)
    except msgspec.DecodeError as error:
        raise _nonsense() from error


def _nonsense() -> ApiError:
    return ApiError(502, "UPSTREAM_ANSWER_INVALID", "the gateway answered something that is not its interface; is it of the same version?")
