"""From a route to an adapter and back: who asks, by when, and what it means when no answer comes.

One request socket a broker. A command carries a deadline (3 s in paper, 10 s live) that its adapter checks; the gateway waits exactly that long. What
then has no answer is UNKNOWN, never failed. A read that has no answer changed nothing, so it is simply not available.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from runtime.http_answers import ApiError
from runtime.routes import Principal
from trading.errors import ArenaError, NotFound, OutcomeUnknown, Unavailable

PAPER_TTL_MS = 3_000
LIVE_TTL_MS = 10_000
READ_S_MAX = 5.0
# Whoever brakes must know within two seconds: an adapter reports after one how far it has come.
STATE_TTL_MS = 1_500
STATE_S_MAX = 1.7
PUSH_S_MAX = 1.0

log = logging.getLogger(__name__)


class ReplyLike(Protocol):
    """What a request client returns."""

    @property
    def result(self) -> Any: ...


class Client(Protocol):
    """``bus.requests.RequestClient``, and the fakes of the tests."""

    @property
    def is_connected(self) -> bool: ...

    async def call(
        self, op: str, args: Mapping[str, object], *, actor: Mapping[str, object] | None = None, ttl_ms: int | None = None, timeout_s: float
    ) -> ReplyLike: ...

    def begin(
        self, op: str, args: Mapping[str, object], *, actor: Mapping[str, object] | None, ttl_ms: int, timeout_s: float
    ) -> "asyncio.Future[Any]": ...


class Dispatcher:
    """Calls adapters.

    Args:
        clients: by broker.
        mode_of: a broker's mode as its heartbeats say, None before the first.
        live_expected: whether a broker that was not heard yet must be taken for live.
    """

    def __init__(self, clients: Mapping[str, Client], *, mode_of: Callable[[str], str | None], live_expected: bool) -> None:
        self._clients = clients
        self._mode_of = mode_of
        self._live_expected = live_expected
        self.draining = False
        # What must be said to an adapter before an order goes there; arena_gateway/braking.py puts it in place.
        self.before_order: Callable[[str], Awaitable[None]] | None = None
        self.is_braked: Callable[[str], bool] = _never  # whether that is anything

    @property
    def brokers(self) -> tuple[str, ...]:
        return tuple(self._clients)

    def check_broker(self, broker: str) -> str:
        """``broker`` when there is one of that name; NotFound BROKER_NOT_FOUND."""
        if broker not in self._clients:
            raise NotFound(
                f"there is no broker {broker[:64]}: use {' or '.join(self._clients)}", code="BROKER_NOT_FOUND", details={"known": list(self._clients)}
            )
        return broker

    def is_live(self, broker: str) -> bool:
        mode = self._mode_of(broker)
        return self._live_expected if mode is None else mode == "live"

    @property
    def mode(self) -> str:
        """``live`` when money is real, or may be, at any broker; else ``paper``."""
        return "live" if any(self.is_live(broker) for broker in self._clients) else "paper"

    async def read(self, broker: str, op: str, args: Mapping[str, object], principal: Principal | None) -> dict[str, Any]:
        """The result of an operation that changes nothing.

        Raises:
            ArenaError: the adapter's refusal; ADAPTER_SLOW when it did not answer.
        """
        try:
            reply = await self._clients[broker].call(op, args, actor=actor_of(principal, broker), timeout_s=READ_S_MAX)
        except OutcomeUnknown:
            raise Unavailable(f"{broker} did not answer in time: try again", code="ADAPTER_SLOW", details={"broker": broker}) from None
        result: dict[str, Any] = reply.result
        return result

    async def command(self, broker: str, op: str, args: Mapping[str, object], principal: Principal) -> dict[str, Any]:
        """The result of an operation that must not run late.

        Raises:
            ArenaError: the adapter's refusal; OutcomeUnknown when no answer came before the deadline.
            ApiError: 503 while this gateway stops.
        """
        if self.draining:
            raise ApiError(503, "SHUTTING_DOWN", "the gateway is stopping and nothing was sent: try again", headers={"Retry-After": "2"})
        if op == "order.place" and self.before_order is not None:
            await self.before_order(broker)
        ttl_ms = LIVE_TTL_MS if self.is_live(broker) else PAPER_TTL_MS
        reply = await self._clients[broker].call(op, args, actor=actor_of(principal, broker), ttl_ms=ttl_ms, timeout_s=ttl_ms / 1000)
        result: dict[str, Any] = reply.result
        return result

    def takes_at_once(self, broker: str) -> bool:
        """Whether :meth:`begin_order` may be used: nothing has to be refused, and nothing to be said to the adapter first."""
        return not self.draining and not self.is_braked(broker)

    def begin_order(self, broker: str, args: Mapping[str, object], principal: Principal) -> "asyncio.Future[Any]":
        """The reply to a placement of plain values, sent with this turn of the loop; its errors are those of :meth:`command`."""
        ttl_ms = LIVE_TTL_MS if self.is_live(broker) else PAPER_TTL_MS
        try:
            return self._clients[broker].begin("order.place", args, actor=actor_of(principal, broker), ttl_ms=ttl_ms, timeout_s=ttl_ms / 1000)
        except ArenaError as error:
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            return refused

    def is_connected(self, broker: str) -> bool:
        """Whether what is sent to the adapter now would leave."""
        return self._clients[broker].is_connected

    async def set_state(self, broker: str, args: Mapping[str, object], principal: Principal) -> dict[str, Any]:
        """Set a broker's trading state; what it says within two seconds.

        Raises:
            ArenaError: the adapter's refusal, or OutcomeUnknown. One that comes to it later still brakes, and cancels and closes nothing.
        """
        call = self._clients[broker].call
        reply = await call("trading_state.set", args, actor=actor_of(principal, broker), ttl_ms=STATE_TTL_MS, timeout_s=STATE_S_MAX)
        result: dict[str, Any] = reply.result
        return result

    async def push_state(self, broker: str, args: Mapping[str, object], actor: Mapping[str, object]) -> None:
        """Tell an adapter to be at least so strict.

        Raises:
            ArenaError: it is not there, or did not say that it is; nothing else was sent.
        """
        try:
            await self._clients[broker].call("trading_state.set", args, actor=actor, timeout_s=PUSH_S_MAX)
        except OutcomeUnknown:
            raise Unavailable(f"{broker} did not answer in time: try again", code="ADAPTER_SLOW", details={"broker": broker}) from None

    async def resolve(self, broker: str, client_order_id: str, actor: Mapping[str, object]) -> str:
        """The status that ``order.resolve`` gives. ArenaError when the adapter cannot say."""
        reply = await self._clients[broker].call("order.resolve", {"client_order_id": client_order_id}, actor=actor, timeout_s=READ_S_MAX)
        return str(reply.result["status"])


def _never(_: str) -> bool:
    return False


def actor_of(principal: Principal | None, broker: str) -> dict[str, object] | None:
    """Who asks, as the adapters take it. Nobody (an open read) is a viewer: without an actor an adapter would take us for somebody on the host."""
    if principal is None:
        return {"user": "anonymous", "role": "viewer", "live": False}
    actor: dict[str, object] = {"user": principal.user, "role": principal.role, "live": broker in principal.live}
    limit = principal.live_notional_max.get(broker)
    return actor if limit is None or not actor["live"] else {**actor, "live_notional_max": limit}
