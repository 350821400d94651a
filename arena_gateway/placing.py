"""Placing an order: the way of the one request that must be fast.

Body to the letter, its id (given, from ``Idempotency-Key``, or minted here and returned in every answer), the caller's rate, then the adapter, which
checks the order, makes it durable and answers. 201 is that answer; the same id and body again is 200 with the same bytes; no answer in time is 202
UNKNOWN, and the resolver asks until it is known.

``place`` takes any request and makes every refusal. ``begin`` takes plain orders of good callers from the server's quick way (runtime/http_quick.py),
at half the price, and leaves whatever it does not know to ``place``. From the adapter's answer on they are one.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from aiohttp import web

from arena_gateway.accounts import Accounts
from arena_gateway.dispatch import Dispatcher, actor_of
from arena_gateway.errors import api_error
from arena_gateway.metrics import GatewayMetrics
from arena_gateway.plain_orders import read_plain_order
from arena_gateway.resolver import Resolver
from arena_gateway.wire import given_id, ticket_args, unknown_told
from runtime.http import REQUEST_ID, ApiError, Asked, Begun, Reply, Told, client_address, error_answer, error_data, json_answer
from runtime.http_body import BODY_BYTES_MAX, parse_object, read_body
from runtime.limits import TokenBuckets
from runtime.routes import PRINCIPAL, Access, Principal
from trading.errors import ArenaError, OutcomeUnknown

# Ids whose repeats are free of charge; an older one costs a token when it is repeated, nothing worse.
REPEATS_MAX = 65_536
ROLE: Access = "trader"


class MintedIds:
    """Client order ids for whoever gives none, 32 hex digits: the time, this gateway's number, a count.

    The time comes first: neighbours in time are neighbours in the adapter's index, and a placement among a million touches the page that the last one
    touched. The count tells two of one nanosecond apart, and the number two gateways.
    """

    def __init__(self) -> None:
        self._gateway = secrets.token_hex(4)
        self._count = 0

    def next(self) -> str:
        self._count = (self._count + 1) & 0xFFFF_FFFF
        return f"{time.time_ns():016x}{self._gateway}{self._count:08x}"


class _Order(NamedTuple):
    """A placement on its way: what its answer needs."""

    broker: str
    client_order_id: str
    principal: Principal
    address: str
    request_id: str
    started: float


class Placing:
    """Places orders at the adapters of ``dispatcher``."""

    def __init__(self, dispatcher: Dispatcher, accounts: Accounts, resolver: Resolver, metrics: GatewayMetrics) -> None:
        self._dispatcher = dispatcher
        self._accounts = accounts
        self._resolver = resolver
        self._metrics = metrics
        self._settings = accounts.settings
        self._rate = TokenBuckets(self._settings.auth.orders_per_s_max, self._settings.auth.orders_burst_max, time.monotonic)
        self._placed: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._minted = MintedIds()

    async def place(self, request: web.Request) -> web.StreamResponse:
        """Any placement."""
        order = _Order(
            request.match_info["broker"],
            self._minted.next(),
            request[PRINCIPAL],
            client_address(request, self._settings),
            request[REQUEST_ID],
            time.perf_counter(),
        )
        try:
            self._dispatcher.check_broker(order.broker)
            body = parse_object(await read_body(request, BODY_BYTES_MAX))
            order = order._replace(client_order_id=given_id(body, request.headers.get("Idempotency-Key")) or order.client_order_id)
            args = ticket_args(body, order.client_order_id)
            is_repeat = self._admit(order)
        except (ApiError, ArenaError) as error:
            return error_answer(self._refuse(order, error), order.request_id, extra={"client_order_id": order.client_order_id})
        result: Mapping[str, Any] | ApiError | ArenaError
        try:
            result = await self._dispatcher.command(order.broker, "order.place", args, order.principal)
        except (ApiError, ArenaError) as error:
            result = error
        except asyncio.CancelledError:
            self._note(order, OutcomeUnknown.default_code)
            raise
        told = self._settle(order, result, is_repeat=is_repeat)
        return json_answer(told.data, told.status, told.headers)

    def begin(self, broker: str, asked: Asked) -> Begun | None:
        """A plain placement, sent with this turn of the loop; None, and nothing has happened, for any other."""
        started = time.perf_counter()
        args = read_plain_order(asked.body)
        principal = None if args is None else self._accounts.directory.find(asked.token)
        if args is None or principal is None or not principal.has_role(ROLE) or not self._dispatcher.takes_at_once(broker):
            return None
        if "client_order_id" not in args:
            args["client_order_id"] = self._minted.next()
        order = _Order(broker, str(args["client_order_id"]), principal, asked.address, asked.request_id, started)
        try:
            is_repeat = self._admit(order)
        except ApiError:
            return None
        return self._dispatcher.begin_order(broker, args, principal), partial(self._settle_reply, order, is_repeat)

    def _settle_reply(self, order: _Order, is_repeat: bool, reply: Reply) -> Told:
        try:
            result = reply.result().result
        except (ApiError, ArenaError) as error:
            result = error
        return self._settle(order, result, is_repeat=is_repeat)

    def _admit(self, order: _Order) -> bool:
        """Count the order against its user's rate, and return whether it repeats one. ApiError 429, and nothing counted, when there are too many."""
        key = (order.principal.user, order.broker, order.client_order_id)
        if key in self._placed:
            return True
        wait_s = self._rate.take(order.principal.user)
        if wait_s:
            raise ApiError(
                429,
                "RATE_LIMITED",
                f"more than {self._settings.auth.orders_per_s_max} orders a second: slow down",
                headers={"Retry-After": str(wait_s)},
            )
        self._placed[key] = None
        if len(self._placed) > REPEATS_MAX:
            self._placed.popitem(last=False)
        return False

    def _settle(self, order: _Order, result: Mapping[str, Any] | ApiError | ArenaError, *, is_repeat: bool) -> Told:
        """The answer to an order that was sent, or was not because of ``result``."""
        if isinstance(result, OutcomeUnknown):
            self._note(order, result.code)
            self._resolver.add(order.broker, order.client_order_id, actor_of(order.principal, order.broker) or {})
            location = f"/brokers/{order.broker}/orders?client_order_id={order.client_order_id}"
            return unknown_told(order.request_id, result, location, client_order_id=order.client_order_id)
        if isinstance(result, (ApiError, ArenaError)):
            # Nothing stands under this id: trying it again is no repeat, and is paid for.
            self._placed.pop((order.principal.user, order.broker, order.client_order_id), None)
            refusal = self._refuse(order, result)
            return Told(refusal.status, refusal.headers, error_data(refusal, order.request_id, {"client_order_id": order.client_order_id}))
        self._note(order, "ok")
        answer = {
            "ok": True,
            "order_id": result["order_id"],
            "status": result["status"],
            "mode": result["mode"],
            "ttl_expires_at": result["ttl_expires_at"],
            "client_order_id": result["client_order_id"],
            "event_id": result["event_id"],
        }
        location = f"/brokers/{order.broker}/orders/{result['order_id']}"
        if result.get("replayed") is not True:
            return Told(201, {"Location": location}, answer)
        if not is_repeat:
            self._rate.give_back(order.principal.user)
        return Told(200, {"Idempotent-Replayed": "true", "Location": location}, answer)

    def _refuse(self, order: _Order, error: ApiError | ArenaError) -> ApiError:
        self._note(order, error.code)
        return error if isinstance(error, ApiError) else api_error(error)

    def _note(self, order: _Order, outcome: str) -> None:
        """Count it and write down who did it; written within a second, as a transaction each would be too slow."""
        if order.broker in self._dispatcher.brokers:
            self._metrics.order_answered(order.broker, outcome, time.perf_counter() - order.started)
        self._accounts.audit_from(order.address, order.principal, "order.place", subject=f"{order.broker}/{order.client_order_id}", outcome=outcome)

    def quick_handlers(self) -> dict[str, "partial[Begun | None]"]:
        """``begin`` by path."""
        return {f"/brokers/{broker}/orders": partial(self.begin, broker) for broker in self._dispatcher.brokers}
