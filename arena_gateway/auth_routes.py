"""Registering, logging in and out, API keys, and what a token stands for."""

import ipaddress

from aiohttp import web

from arena_gateway.accounts import Accounts
from arena_gateway.api_keys import ApiKey
from arena_gateway.auth_answers import (
    ApiKeyMadeAnswer,
    ApiKeysAnswer,
    ApiKeyView,
    IntrospectionAnswer,
    MeAnswer,
    OkAnswer,
    TokensAnswer,
    UserAnswer,
    UserView,
)
from arena_gateway.registration import terms
from arena_gateway.requests import ApiKeyBody, IntrospectBody, KeyQuery, LoginBody, LogoutBody, RefreshBody, RegisterBody
from arena_gateway.tokens import TOKEN_CHARS_MAX
from arena_gateway.users import User
from runtime.http import ApiError, client_address, head_guard, json_answer, read_json, read_query
from runtime.http_body import AUTH_BODY_BYTES_MAX
from runtime.http_guard import FORWARDING_HEADERS
from runtime.routes import PRINCIPAL, Principal, Route
from runtime.timestamps import to_text

_THROTTLED = {429: ("LOGIN_THROTTLED", "LOGIN_BUSY")}


class AuthRoutes:
    """The handlers and their table."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._settings = accounts.settings

    def table(self) -> list[Route]:
        keys = "/auth/api-keys"
        return [
            Route(
                method="POST", path="/auth/register", handler=self.register, summary="Add a user; who may is decided by auth.registration",
                auth="public", tag="auth", request=RegisterBody, response=UserAnswer, status=201,
                codes={
                    400: ("EMAIL_INVALID", "ROLE_NOT_ALLOWED"), 403: ("REGISTRATION_CLOSED", "INVITE_INVALID"), 409: ("USER_EXISTS",),
                    422: ("PASSWORD_TOO_WEAK",), 429: ("LOGIN_BUSY",),
                },
            ),
            Route(
                method="POST", path="/auth/login", handler=self.login, summary="Tokens for an email and a password", auth="public", tag="auth",
                request=LoginBody, response=TokensAnswer, codes={401: ("LOGIN_FAILED",), 403: ("PASSWORD_CHANGE_REQUIRED",), **_THROTTLED},
            ),
            Route(
                method="POST", path="/auth/refresh", handler=self.refresh, summary="The next tokens; each refresh token is good once", auth="public",
                tag="auth", request=RefreshBody, response=TokensAnswer, codes={401: ("REFRESH_INVALID",), 403: ("PASSWORD_CHANGE_REQUIRED",)},
            ),
            Route(
                method="POST", path="/auth/logout", handler=self.logout, summary="End the session of the access token or of the refresh token",
                auth="public", tag="auth", request=LogoutBody, json_only=False, response=OkAnswer, codes={401: ("TOKEN_REQUIRED", "TOKEN_INVALID")},
            ),
            Route(
                method="GET", path="/auth/me", handler=self.me, summary="Who the token belongs to", auth="viewer", tag="auth", response=MeAnswer,
            ),
            Route(
                method="POST", path=keys, handler=self.create_key, summary="A key for a bot; its secret is shown this once", auth="viewer",
                tag="auth", request=ApiKeyBody, response=ApiKeyMadeAnswer, status=201,
                codes={400: ("SCOPE_NOT_ALLOWED", "EXPIRY_INVALID"), 403: ("LOGIN_REQUIRED",), 409: ("TOO_MANY_KEYS",)},
            ),
            Route(
                method="GET", path=keys, handler=self.list_keys, summary="Your keys", auth="viewer", tag="auth", response=ApiKeysAnswer,
                codes={403: ("LOGIN_REQUIRED",)},
            ),
            Route(
                method="DELETE", path=keys, handler=self.revoke_key, summary="End the key named by ?key_id=", auth="viewer", tag="auth",
                query=KeyQuery, response=OkAnswer, codes={400: ("FIELD_MISSING",), 403: ("LOGIN_REQUIRED",), 404: ("API_KEY_NOT_FOUND",)},
            ),
            Route(
                method="DELETE", path=f"{keys}/{{key_id}}", handler=self.revoke_key, summary="End a key", auth="viewer", tag="auth",
                response=OkAnswer, codes={403: ("LOGIN_REQUIRED",), 404: ("API_KEY_NOT_FOUND",)},
            ),
            Route(
                method="POST", path="/auth/introspect", handler=self.introspect, summary="For the arena's own servers: what a token stands for",
                auth="public", tag="auth", request=IntrospectBody, response=IntrospectionAnswer, codes={403: ("THIS_HOST_ONLY",)},
            ),
        ]  # fmt: skip

    async def register(self, request: web.Request) -> web.StreamResponse:
        offered = terms(
            self._settings,
            peer=_peer(request),
            host=request.headers.get("Host", ""),
            headers=request.headers,
            loopback_hosts=head_guard(request.app).loopback_hosts,
        )
        body = await read_json(request, RegisterBody, AUTH_BODY_BYTES_MAX)
        address = client_address(request, self._settings)
        user = await self._accounts.register(body.email, body.password, body.role, offered, invite=body.invite, address=address)
        return json_answer({"ok": True, "user": user_view(user)}, 201)

    async def login(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, LoginBody, AUTH_BODY_BYTES_MAX)
        return json_answer(await self._accounts.login(body.email, body.password, address=client_address(request, self._settings)))

    async def refresh(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, RefreshBody, AUTH_BODY_BYTES_MAX)
        return json_answer(await self._accounts.refresh(body.refresh_token))

    async def logout(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, LogoutBody, AUTH_BODY_BYTES_MAX)
        principal = await self._accounts.principal(request)
        await self._accounts.logout(principal, body.refresh_token, address=client_address(request, self._settings))
        return json_answer({"ok": True})

    async def me(self, request: web.Request) -> web.StreamResponse:
        principal = request[PRINCIPAL]
        token = {
            "kind": "login" if principal.scopes is None else "api_key",
            "expires_at": _text(principal.expires_ns),
            "scopes": None if principal.scopes is None else sorted(principal.scopes),
        }
        view: dict[str, object] = dict(user_view(self._accounts.user_called(principal.user)))
        # What this token may, which for a key is less than what its user may.
        return json_answer({"ok": True, "user": {**view, "role": principal.role, "live": sorted(principal.live)}, "token": token})

    async def create_key(self, request: web.Request) -> web.StreamResponse:
        user = self._person(request)
        body = await read_json(request, ApiKeyBody, AUTH_BODY_BYTES_MAX)
        address = client_address(request, self._settings)
        key, secret = await self._accounts.create_key(user, name=body.name, scopes=body.scopes, days=body.expires_days, address=address)
        return json_answer({"ok": True, "api_key": _key_view(key), "secret": secret}, 201)

    async def list_keys(self, request: web.Request) -> web.StreamResponse:
        return json_answer({"ok": True, "api_keys": [_key_view(key) for key in await self._accounts.keys_of(self._person(request))]})

    async def revoke_key(self, request: web.Request) -> web.StreamResponse:
        user = self._person(request)
        key_id = request.match_info.get("key_id") or read_query(request, KeyQuery).key_id
        if not key_id:
            raise ApiError(400, "FIELD_MISSING", "say which key: DELETE /auth/api-keys/{key_id}", {"field": "key_id"})
        await self._accounts.revoke_key(user, key_id, address=client_address(request, self._settings))
        return json_answer({"ok": True})

    async def introspect(self, request: web.Request) -> web.StreamResponse:
        if not _is_this_host(request):
            raise ApiError(403, "THIS_HOST_ONLY", "only the arena's own servers on this host ask this")
        body = await read_json(request, IntrospectBody, AUTH_BODY_BYTES_MAX, string_max=TOKEN_CHARS_MAX)
        try:
            principal = self._accounts.directory.resolve(body.token)
            user = self._accounts.user_called(principal.user)
        except ApiError:
            return json_answer({"active": False})
        return json_answer(
            {
                "active": True,
                "user": principal.user,
                "user_id": user.user_id,
                "role": principal.role,
                "live": sorted(principal.live),
                "scopes": None if principal.scopes is None else sorted(principal.scopes),
                "token_id": principal.token_id,
                "expires_ns": principal.expires_ns,
            }
        )

    def _person(self, request: web.Request) -> User:
        """The user of a login: a key must not make, see or end keys."""
        principal: Principal = request[PRINCIPAL]
        if principal.scopes is not None:
            raise ApiError(403, "LOGIN_REQUIRED", "keys are managed with a login, not with a key")
        return self._accounts.user_called(principal.user)


def user_view(user: User) -> UserView:
    """A user as answers show it."""
    return {
        "user_id": user.user_id,
        "email": user.email,
        "role": user.role,
        "live": [broker for broker, _ in user.live],
        "weak_password": user.weak,
        "disabled": user.disabled,
        "created_at": to_text(user.created_ns),
    }


def _key_view(key: ApiKey) -> ApiKeyView:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": to_text(key.created_ns),
        "expires_at": _text(key.expires_ns),
        "last_used_at": _text(key.last_used_ns),
    }


def _text(ns: int | None) -> str | None:
    return None if ns is None else to_text(ns)


def _peer(request: web.BaseRequest) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _is_this_host(request: web.BaseRequest) -> bool:
    """Whether the peer is this machine: loopback, or the very address it connected to; and nobody asked it to ask."""
    if any(name in request.headers for name in FORWARDING_HEADERS):
        return False
    peer = _peer(request)
    own = request.transport.get_extra_info("sockname") if request.transport is not None else None
    try:
        return ipaddress.ip_address(peer.partition("%")[0]).is_loopback or (isinstance(own, tuple) and own[0] == peer)
    except ValueError:
        return False
