"""Routes as a table: one row says where, what, who may, which types go in and out. Router, checks and OpenAPI document are all made from it.

A handler is ``async def handler(request: web.Request) -> web.StreamResponse``. Path parameters are in ``request.match_info["broker"]``, who asks in
``request.get(PRINCIPAL)`` (None on public routes and for open reads), the id of the request in ``request[REQUEST_ID]``. It raises ``ApiError`` for
every refusal. It reads a body with ``read_json(request, RequestType)`` and a query with ``read_query(request, QueryType)`` (``runtime.http_body``),
with the same types the row names, so that what is documented is what validates.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# public: anyone who passes the head guard. read: the read rule of S-B7, else any token. The rest: a token with at least that role.
Access = Literal["public", "read", "viewer", "trader", "admin"]
ROLES: Mapping[str, int] = {"viewer": 1, "trader": 2, "admin": 3}

HANDLER_S_MAX = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, as a verified token says it.

    ``live`` lists the brokers this user may trade with real money at, ``live_notional_max`` the most a day there, where that is limited; the gateway
    alone knows it. ``scopes`` is None for a login and a set for an API key. ``expires_ns`` is wall
    time; ``token_id`` names the token for revocation and stays the same over its life.
    """

    user: str
    role: str
    live: frozenset[str] = frozenset()
    live_notional_max: Mapping[str, Decimal] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    token_id: str = ""
    expires_ns: int | None = None

    def has_role(self, role: str) -> bool:
        return ROLES.get(self.role, 0) >= ROLES[role]


PRINCIPAL = web.RequestKey("principal", Principal)


class Authenticator(Protocol):
    """What a server asks about tokens: the gateway asks its own store, the others ask the gateway."""

    async def principal(self, request: web.Request) -> Principal | None:
        """Who sends ``request``; None when it presents no token.

        Raises:
            ApiError: 401 for a token that is not valid, 503 when that cannot be found out.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path.

    Args:
        path: aiohttp's form, ``/orders/{order_id}``.
        request: the type of the JSON body, None for no body. ``json_only``: a body needs ``Content-Type: application/json`` (415 otherwise), which
            a foreign page cannot send without asking first.
        query: the type whose fields are the query parameters; None refuses every parameter unless ``stream`` or ``free_query``.
        response: the type of the success body; with ``status`` it documents the answer, ``also`` further successes as {status: meaning}.
        unknown: when set, what a 202 means: sent, and no answer came.
        codes: what it may refuse with, as {status: (codes…)}, beyond what every route may.
        stream: it stays open: no time limit, the stream rule of S-W4, a slot of its own.
        timeout_s: the handler's time; None when it keeps one itself.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    summary: str
    auth: Access = "read"
    tag: str = "arena"
    request: type | None = None
    json_only: bool = True
    query: type | None = None
    free_query: bool = False
    response: type | None = None
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict)
    unknown: str = ""
    codes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    content_type: str = "application/json"
    stream: bool = False
    timeout_s: float | None = HANDLER_S_MAX
