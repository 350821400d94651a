"""The HTTP server every program shares: guards, limits, error shape, routes from a table.

    app = build_app("gateway", settings, ROUTES, host=…, port_setting="ARENA_GATEWAY__PORT", authenticator=…)
    await serve(app, settings.gateway.host, settings.gateway.port, stop)

The head of each request is checked before routing (`_Entry`), its row of the table after it (`_endpoint`). There are no middlewares: two plain calls
cost less than the chain, and the order of the checks can be read here.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count

from aiohttp import web

from runtime.http_answers import GUARD_HEADERS, REQUEST_ID, ApiError, error_answer, error_data, file_answer, internal_body, json_answer, json_bytes
from runtime.http_body import read_body, read_json, read_object, read_query
from runtime.http_connection import Connection
from runtime.http_guard import SAFE_METHODS, HeadGuard, check_bind, reads_are_open
from runtime.http_quick import Asked, Begun, QuickHandler, QuickRoutes, Reply, Told
from runtime.http_server import Listener, RequestHandler, bind, open_server, tls_context
from runtime.openapi import DOCS_CSS, docs_page, openapi
from runtime.routes import PRINCIPAL, Authenticator, Handler, Principal, Route
from runtime.settings import Settings
from runtime.shortcuts import Shortcuts

__all__ = [
    "PRINCIPAL",
    "REQUEST_ID",
    "ApiError",
    "Asked",
    "Authenticator",
    "Begun",
    "Listener",
    "Principal",
    "Reply",
    "Route",
    "Told",
    "build_app",
    "client_address",
    "error_answer",
    "error_data",
    "file_answer",
    "json_answer",
    "json_bytes",
    "listening",
    "read_body",
    "read_json",
    "read_object",
    "read_query",
    "serve",
]

Translate = Callable[[Exception], ApiError | None]
Refused = Callable[[web.BaseRequest, ApiError], None]

_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VERSIONS = frozenset({(1, 0), (1, 1)})

log = logging.getLogger(__name__)


class _Server:
    """What one server knows of itself; made by ``build_app``, completed when its port is known."""

    def __init__(
        self, settings: Settings, host: str, *, port_setting: str, authenticator: Authenticator | None, translate: Translate, refused: Refused
    ) -> None:
        self.settings = settings
        self.host = host
        self.port_setting = port_setting
        self.authenticator = authenticator
        self.translate = translate
        self.refused = refused
        self.open_reads = reads_are_open(settings, host)
        self.guard = HeadGuard(host, 0, settings.http)
        self.shortcuts = Shortcuts()
        self.quick: Mapping[str, QuickHandler] = {}
        self._ids = count(1)
        self._prefix = secrets.token_hex(4)

    def next_request_id(self) -> str:
        return f"{self._prefix}-{next(self._ids):x}"


SERVER = web.AppKey("server", _Server)


def head_guard(app: web.Application) -> HeadGuard:
    """The guard of a server that listens: which hosts and origins are its own."""
    return app[SERVER].guard


def _translate_nothing(_: Exception) -> ApiError | None:
    return None


def _note_nothing(_: web.BaseRequest, __: ApiError) -> None:
    return


def build_app(
    name: str,
    settings: Settings,
    routes: Sequence[Route],
    *,
    host: str = "127.0.0.1",
    port_setting: str = "",
    authenticator: Authenticator | None = None,
    translate: Translate = _translate_nothing,
    refused: Refused = _note_nothing,
    quick: Mapping[str, QuickHandler] | None = None,
    title: str = "",
    documented: bool = True,
) -> web.Application:
    """An application that serves ``routes``, ``/openapi.json`` and ``/docs``.

    Args:
        name: the program, ``gateway``.
        host: what will be bound; it decides the read rule.
        port_setting: the setting a person changes when the port is taken; ``ARENA_<NAME>__PORT`` when empty.
        authenticator: asked for every route that is not public; without one every such route answers 401 unless reads are open.
        translate: turns errors of other rooms into ``ApiError``; None from it means 500.
        refused: told of every refusal that is answered, for an audit log; must not raise.
        quick: by path, who may answer a plain POST there without the long way; its row in ``routes`` serves all others.
        documented: whether the server has ``/openapi.json`` and ``/docs``.
    """
    app = web.Application(handler_args={"access_log": None})
    server = _Server(
        settings, host, port_setting=port_setting or f"ARENA_{name.upper()}__PORT", authenticator=authenticator, translate=translate, refused=refused
    )
    server.quick = quick or {}
    app[SERVER] = server
    table = [*routes, *(_document_routes(title or f"RBOT Arena {name}", routes) if documented else ())]
    for route in table:
        endpoint = _endpoint(server, route)
        server.shortcuts.add(app.router.add_route(route.method, route.path, endpoint, expect_handler=_expect), endpoint)
    app.on_response_prepare.append(_complete_headers)
    return app


def _document_routes(title: str, routes: Sequence[Route]) -> list[Route]:
    async def document(_: web.Request) -> web.StreamResponse:
        return file_answer(body, "application/json; charset=utf-8")

    async def page(_: web.Request) -> web.StreamResponse:
        return file_answer(html, "text/html; charset=utf-8")

    async def style(_: web.Request) -> web.StreamResponse:
        return file_answer(DOCS_CSS.encode(), "text/css; charset=utf-8")

    own = [
        Route(method="GET", path="/openapi.json", handler=document, summary="This document", auth="public", tag="documentation"),
        Route(method="GET", path="/docs", handler=page, summary="It as a page", auth="public", tag="documentation", content_type="text/html"),
        Route(method="GET", path="/docs.css", handler=style, summary="Its style sheet", auth="public", tag="documentation", content_type="text/css"),
    ]
    description = openapi(title, [*routes, *own])
    body = json_bytes(description)
    html = docs_page(description).encode()
    return own


async def _expect(request: web.Request) -> None:
    """``Expect: 100-continue`` is answered when the body is asked for; refusals need no body, so nothing is sent before them."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise ApiError(417, "EXPECTATION_FAILED", "only Expect: 100-continue is understood")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0


async def _complete_headers(request: web.Request, response: web.StreamResponse) -> None:
    """The guarding headers on what a handler made itself, streams included."""
    headers = response.headers
    if "Content-Security-Policy" not in headers:
        for key, value in GUARD_HEADERS.items():
            headers.setdefault(key, value)
        headers["Server"] = GUARD_HEADERS["Server"]
    headers["X-Request-ID"] = request.get(REQUEST_ID, "-")
    if request.app[SERVER].guard.tls:
        headers["Strict-Transport-Security"] = "max-age=31536000"


class _Entry:
    """The first call of every request: id, head checks, routing, and every error turned into the one shape."""

    def __init__(self, server: _Server, app: web.Application, inner: RequestHandler) -> None:
        self._server = server
        self._app = app
        self._inner = inner

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = request.headers
        supplied = headers.get("X-Request-ID")
        request_id = supplied if supplied is not None and _REQUEST_ID_FORM.fullmatch(supplied) else self._server.next_request_id()
        request[REQUEST_ID] = request_id
        try:
            self._check_head(request, headers)
            shortcut = None if "Expect" in headers else self._server.shortcuts.find(request.method, request.raw_path)
            if shortcut is None:
                return await self._inner(request)
            endpoint, info = shortcut
            info.add_app(self._app)
            assert isinstance(request, web.Request)
            request._match_info = info  # noqa: SLF001 - what aiohttp's own routing does
            return await endpoint(request)
        except ApiError as error:
            self._server.refused(request, error)
            return error_answer(error, request_id)
        except web.HTTPException as error:
            return error_answer(_of_aiohttp(error), request_id)
        except web.RequestPayloadError:
            return error_answer(ApiError(400, "BODY_MALFORMED", "the body ended early, or its chunks are not HTTP", close=True), request_id)
        except TimeoutError:
            log.warning("a handler took too long", extra={"request_id": request_id, "path": request.path})
            return error_answer(ApiError(503, "TIMED_OUT", "this took too long; try again", headers={"Retry-After": "1"}), request_id)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:  # the last door of a request: it is answered, logged with its id, and the others go on
            translated = self._server.translate(error)
            if translated is not None:
                self._server.refused(request, translated)
                return error_answer(translated, request_id)
            log.exception("a request failed", extra={"request_id": request_id, "method": request.method, "path": request.path})
            return json_answer(internal_body(request_id), 500)

    def _check_head(self, request: web.BaseRequest, headers: Mapping[str, str]) -> None:
        if request.version not in _VERSIONS:
            raise ApiError(505, "HTTP_VERSION_NOT_SUPPORTED", "only HTTP/1.0 and HTTP/1.1 are spoken here", close=True)
        if not self._server.guard.host_is_ours(headers.get("Host")):
            raise ApiError(421, "HOST_NOT_ALLOWED", "this server does not answer to that Host; name it in ARENA_HTTP__ALLOWED_HOSTS", close=True)
        if request.raw_path[:1] != "/":
            raise ApiError(400, "HTTP_MALFORMED", "the request's target must be a path", close=True)
        if "Content-Encoding" in headers:
            raise ApiError(415, "CONTENT_ENCODING_NOT_SUPPORTED", "send the body as it is, without Content-Encoding", close=True)
        if request.method not in SAFE_METHODS:
            self._server.guard.check_change(headers)


def _of_aiohttp(error: web.HTTPException) -> ApiError:
    """aiohttp's own refusals in our shape."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return ApiError(405, "METHOD_NOT_ALLOWED", f"this path takes {allowed}", {"allowed": sorted(error.allowed_methods)}, {"Allow": allowed})
    if error.status == web.HTTPNotFound.status_code:
        return ApiError(404, "ROUTE_NOT_FOUND", "there is no such path; /docs lists those there are")
    return ApiError(error.status, "HTTP_REFUSED", error.reason or "refused", close=error.status >= web.HTTPInternalServerError.status_code)


def _endpoint(server: _Server, route: Route) -> Handler:
    """``route``'s handler behind the checks its row asks for."""
    handler = route.handler
    role = route.auth
    timeout_s = None if route.stream else route.timeout_s
    no_query = route.query is None and not route.stream and not route.free_query
    needs_json = route.request is not None and route.json_only

    async def endpoint(request: web.Request) -> web.StreamResponse:
        if route.stream:
            server.guard.check_stream(request.headers)
        if role != "public":
            await _authorise(server, request, role)
        if no_query and request.query_string:
            raise ApiError(400, "UNKNOWN_PARAMETER", f"this path takes no query parameters, but got {request.query_string[:64]}")
        if needs_json and request.content_type != "application/json":
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "send the body as JSON with Content-Type: application/json")
        if route.stream:
            _leave_request_slot(request)
        if timeout_s is None:
            return await handler(request)
        async with asyncio.timeout(timeout_s):
            return await handler(request)

    return endpoint


async def _authorise(server: _Server, request: web.Request, role: str) -> None:
    """Put the principal into ``request``, or refuse: 401 without a valid token, 403 without the role."""
    principal = None if server.authenticator is None else await server.authenticator.principal(request)
    if principal is None:
        if role == "read" and server.open_reads:
            return
        raise ApiError(401, "TOKEN_REQUIRED", "log in (POST /auth/login) and send Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"})
    request[PRINCIPAL] = principal  # also where it is refused: who that was is written down
    if role != "read" and not principal.has_role(role):
        raise ApiError(403, "ROLE_REQUIRED", f"this needs the role {role}; yours is {principal.role}", {"required": role, "role": principal.role})


def _leave_request_slot(request: web.Request) -> None:
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.leave_slot()


def client_address(request: web.BaseRequest, settings: Settings) -> str:
    """Who really asks: the peer, or what a trusted proxy says in ``X-Forwarded-For`` (its last entry not itself trusted)."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    address = peer[0] if isinstance(peer, tuple) else ""
    trusted = settings.http.trusted_proxies
    if address in trusted:
        for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            if hop.strip() and hop.strip() not in trusted:
                return hop.strip()[:64]
    return address


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[Listener]:
    """Serve ``app`` while the block runs; yields where it is (port 0 takes a free one).

    Raises:
        CannotStart: the bind rule, a taken port, or unusable TLS files.
    """
    server = app[SERVER]
    http = server.settings.http
    check_bind(host, http, setting=server.port_setting.replace("PORT", "HOST"))
    tls = tls_context(http.tls_cert_file, http.tls_key_file)
    sock = bind(host, port, setting=server.port_setting)
    server.guard = HeadGuard(host, sock.getsockname()[1], http)
    quick = QuickRoutes(server.quick, server.guard, server.next_request_id) if server.quick else None
    async with open_server(app, sock, lambda inner: _Entry(server, app, inner), tls=tls, proxies=http.trusted_proxies, quick=quick) as listener:
        log.info("listening", extra={"url": listener.url})
        yield listener


async def serve(app: web.Application, host: str, port: int, stop: asyncio.Event, *, ready: Callable[[Listener], None] | None = None) -> None:
    """Serve ``app`` until ``stop`` is set, then end its streams, give open requests 5 s, and return."""
    async with listening(app, host, port) as listener:
        if ready is not None:
            ready(listener)
        await stop.wait()
