"""The desk's brake, its users and its audit log.

HALTED and REDUCING may be set by every trader: braking must never wait for somebody. ACTIVE takes an admin, or a trader while everything concerned is
paper. A broker that cannot be reached is named with what it last said, and told when it comes back; the others are braked all the same.
"""

import asyncio

from aiohttp import web

from arena_gateway.accounts import Accounts
from arena_gateway.answers import TradingStateAnswer, TradingStateSetAnswer
from arena_gateway.auth_answers import AuditAnswer, UsersAnswer
from arena_gateway.auth_routes import user_view
from arena_gateway.braking import Braking
from arena_gateway.dispatch import Dispatcher
from arena_gateway.errors import api_error
from arena_gateway.requests import AuditQuery, TradingStateBody
from runtime.http import ApiError, json_answer, read_json, read_query
from runtime.routes import PRINCIPAL, Route
from trading.errors import ArenaError


class AdminRoutes:
    """The handlers and their table."""

    def __init__(self, dispatcher: Dispatcher, accounts: Accounts, braking: Braking) -> None:
        self._dispatcher = dispatcher
        self._accounts = accounts
        self._braking = braking

    def table(self) -> list[Route]:
        return [
            Route(
                method="GET", path="/admin/trading-state", handler=self.trading_state, summary="Each broker's trading state", auth="read",
                tag="admin", response=TradingStateAnswer,
            ),
            Route(
                method="POST", path="/admin/trading-state", handler=self.set_trading_state,
                summary="Halt, reduce or resume; optionally cancel entries and close positions", auth="trader", tag="admin",
                request=TradingStateBody, response=TradingStateSetAnswer, also={207: "Some brokers did not: see failed"},
                codes={404: ("BROKER_NOT_FOUND",)}, timeout_s=None,
            ),
            Route(method="GET", path="/admin/users", handler=self.users, summary="All users", auth="admin", tag="admin", response=UsersAnswer),
            Route(
                method="GET", path="/admin/audit", handler=self.audit, summary="Who did what from where, newest first", auth="admin", tag="admin",
                query=AuditQuery, response=AuditAnswer,
            ),
        ]  # fmt: skip

    async def trading_state(self, request: web.Request) -> web.StreamResponse:
        brokers = self._dispatcher.brokers
        results = await asyncio.gather(
            *(self._dispatcher.read(broker, "trading_state.get", {}, request.get(PRINCIPAL)) for broker in brokers), return_exceptions=True
        )
        states: dict[str, object] = {}
        unavailable: list[str] = []
        for broker, result in zip(brokers, results, strict=True):
            if isinstance(result, ArenaError):
                unavailable.append(broker)
            elif isinstance(result, BaseException):
                raise result
            else:
                states[broker] = result
        wanted = {broker: self._braking.wanted(broker).state for broker in brokers}
        return json_answer({"ok": True, "brokers": states, "wanted": wanted, "unavailable": unavailable})

    async def set_trading_state(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, TradingStateBody)
        principal = request[PRINCIPAL]
        brokers = self._dispatcher.brokers if body.broker is None else (self._dispatcher.check_broker(body.broker),)
        live = [broker for broker in brokers if self._dispatcher.is_live(broker)]
        if body.state == "ACTIVE" and live and not principal.has_role("admin"):
            raise ApiError(
                403, "ROLE_REQUIRED", "resuming real trading takes an admin, or arena resume on the host", {"required": "admin", "live": live}
            )
        args = {"state": body.state, "reason": body.reason, "cancel": body.cancel, "flatten": body.flatten}
        done: dict[str, object] = {}
        failed: dict[str, str] = {}
        waiting: dict[str, object] = {}
        for broker, said in (await self._braking.set(brokers, args, principal)).items():
            if isinstance(said, ArenaError):
                failed[broker] = api_error(said).code
                waiting[broker] = self._braking.last_known(broker, said)
            else:
                done[broker] = said
        # Collected, not in a transaction of its own: a full disk must not keep anybody from braking.
        subject = " ".join([body.state, *(["cancel"] if body.cancel else []), *(["flatten"] if body.flatten else []), "at", ",".join(brokers)])
        outcome = "ok" if not failed else " ".join(f"{broker}:{code}" for broker, code in failed.items())
        self._accounts.audit(request, principal, "trading_state.set", subject=subject, outcome=outcome)
        return json_answer({"ok": not failed, "brokers": done, "failed": failed, "waiting": waiting}, 207 if failed else 200)

    async def users(self, _: web.Request) -> web.StreamResponse:
        return json_answer({"ok": True, "users": [user_view(user) for user in self._accounts.directory.users()]})

    async def audit(self, request: web.Request) -> web.StreamResponse:
        query = read_query(request, AuditQuery)
        page = await self._accounts.audit_page(before=query.before, limit=query.limit, actor=query.actor, action=query.action)
        return json_answer({"ok": True, **page})
