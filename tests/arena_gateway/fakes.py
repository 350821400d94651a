"""A gateway on a real port with adapters made of canned answers; what the tests of this folder share."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import web

from arena_gateway.accounts import Accounts, open_accounts
from arena_gateway.beats import Beats
from arena_gateway.gateway import Gateway
from bus.consumer import Heartbeat
from bus.stream_filter import EVERYTHING, Filter
from runtime.clock import ManualClock
from runtime.http import Listener, listening
from runtime.settings import AuthSettings, GatewaySettings, HttpSettings, Settings
from trading.errors import ArenaError, OrderDenied, OutcomeUnknown, Unavailable

SEED_ORDER = {
    "instrument": "EUR_USD",
    "side": "BUY",
    "units": 100,
    "entry_price": 1.1655,
    "stop_loss_price": 1.16,
    "take_profit_price": 1.17,
    "quality_score": 75,
}
EPOCH = "00112233445566aa"
AT = "2025-10-16T05:55:27.021043Z"


def an_order(order_id: str, broker: str = "oanda", **more: object) -> dict[str, Any]:
    """An OrderView."""
    return {
        "order_id": order_id, "client_order_id": f"id-{order_id}", "broker": broker, "mode": "paper", "status": "PENDING", "placed_by": "trader@test",
        "instrument": "EUR_USD", "side": "BUY", "units": 100, "entry_type": "limit", "entry_price": 1.1655, "stop_loss_price": 1.16,
        "take_profit_price": 1.17, "trailing_stop_distance": None, "quality_score": 75, "ttl_min": 360, "ttl_expires_at": 1760637327.021043,
        "protection": "none", "origin": "arena", "placed_at": AT, "updated_at": AT, "opened_at": None, "closed_at": None, "filled_units": 0,
        "position_units": 0, "average_entry_price": None, "average_exit_price": None, "realized_pnl": 0, "fees": 0, "close_reason": None,
        "cancel_reason": None, "feed": "simulated", "legs": [], **more,
    }  # fmt: skip


@dataclass
class Call:
    op: str
    args: Mapping[str, object]
    actor: Mapping[str, object] | None
    ttl_ms: int | None


@dataclass
class FakeAdapter:
    """Answers like an adapter: places with ids that count up, repeats what it has placed, refuses another body. ``answers`` override by operation.

    ``begun`` counts the placements that came the gateway's quick way; ``release`` is waited for before any answer.
    """

    broker: str
    answers: dict[str, object] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    down: bool = False
    silent: bool = False
    begun: int = 0
    release: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self._n = itertools.count(1)
        self._placed: dict[tuple[object, object], tuple[dict[str, object], dict[str, object]]] = {}

    @property
    def is_connected(self) -> bool:
        return not self.down

    async def call(
        self, op: str, args: Mapping[str, object], *, actor: Mapping[str, object] | None = None, ttl_ms: int | None = None, timeout_s: float
    ) -> Any:
        if self.down:
            raise Unavailable(f"{self.broker} is down", code="ADAPTER_DOWN", details={"broker": self.broker})
        self.calls.append(Call(op, dict(args), actor, ttl_ms))
        await (asyncio.sleep(0) if self.release is None else self.release.wait())
        if self.silent:
            raise OutcomeUnknown("no answer came in time")
        answer = self.answers.get(op)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            answer = self._place(args, actor or {}) if op == "order.place" else DEFAULTS[op]
        return SimpleNamespace(result=answer, last_event=None)

    def begin(
        self, op: str, args: Mapping[str, object], *, actor: Mapping[str, object] | None, ttl_ms: int, timeout_s: float
    ) -> "asyncio.Future[Any]":
        if self.down:
            raise Unavailable(f"{self.broker} is down", code="ADAPTER_DOWN", details={"broker": self.broker})
        self.begun += 1
        return asyncio.ensure_future(self.call(op, args, actor=actor, ttl_ms=ttl_ms, timeout_s=timeout_s))

    def _place(self, args: Mapping[str, object], actor: Mapping[str, object]) -> dict[str, object]:
        key = (actor["user"], args["client_order_id"])
        body = {name: value for name, value in args.items() if name != "client_order_id"}
        if key in self._placed:
            known, placed = self._placed[key]
            if known != body:
                raise OrderDenied("same id, other order", code="IDEMPOTENCY_MISMATCH")
            return {**placed, "replayed": True}
        n = next(self._n)
        placed = {
            "order_id": f"paper-{self.broker}-{n}",
            "client_order_id": args["client_order_id"],
            "status": "PENDING",
            "mode": "paper",
            "ttl_expires_at": 1760637327.021043,
            "event_id": f"{self.broker}@{EPOCH}:{n}",
        }
        self._placed[key] = (body, placed)
        return placed


STANDING = {"as_of": AT, "stale": False}

DEFAULTS: dict[str, Any] = {
    "order.list": {"orders": [an_order("paper-oanda-1")], "next": None},
    "order.get": {"order": {**an_order("paper-oanda-1"), "events": []}},
    "order.modify": {"order": {**an_order("paper-oanda-1"), "events": []}},
    "order.cancel": {"order": {**an_order("paper-oanda-1", status="CANCELLED"), "events": []}},
    "order.cancel_all": {"results": [{"order_id": "paper-oanda-1", "ok": True, "status": "CANCELLED"}], "cancelled": 1, "failed": 0},
    "order.resolve": {"client_order_id": "x", "status": "VOID", "order": None, "placement": None},
    "order.preview": {
        "instrument": "EUR_USD", "side": "BUY", "units": 100, "currency": "USD", "entry_price": 1.1655, "bid": 1.1669, "ask": 1.1671,
        "spread": 0.0002, "notional": 116.55, "cost": 3.89, "available": 100000, "entry_fee": 0, "exit_fee": 0, "loss_at_stop": 0.55,
        "gain_at_target": 0.45, "reward_risk": 0.82, "warnings": [], "stale": False,
    },
    "position.list": {"positions": [], **STANDING},
    "position.close": {
        "instrument": "EUR_USD",
        "orders": [],
        "results": [{"order_id": "paper-oanda-1", "ok": True, "status": "CLOSED"}],
        "replayed": False,
    },
    "trade.list": {"trades": [], "next": None, **STANDING},
    "fill.list": {"fills": [], "next": None, **STANDING},
    "equity.list": {"equity": [], "next": None, **STANDING},
    "performance.get": {
        "performance": {
            "broker": "oanda", "mode": "paper", "currency": "USD", "since": None, "trades": 3, "wins": 2, "losses": 1, "net_pnl": 20.1, "fees": 0.3,
            "won": 30.2, "lost": 10.1, "best": 20, "worst": -10.1, "win_rate": 0.6667, "expectancy": 6.7, "expectancy_r": 0.5,
            "profit_factor": 2.9901, "average_held_s": 60.5, "streak": 1, "win_streak_max": 1, "loss_streak_max": 1, "drawdown": 0,
            "drawdown_max": 10.1, "by_instrument": [], "by_quality": [], "by_hour": [], "by_weekday": [], **STANDING,
        }
    },
    "account.get": {
        "account": {
            "broker": "oanda", "account": "paper", "mode": "paper", "currency": "USD", "balance": 100000, "cash": 100000, "reserved": 0,
            "open_pnl": 0, "equity": 100000, "margin_used": 0, "margin_available": 100000, "holdings": {}, "holdings_value": 0, "realized_pnl": 0,
            "fees": 0, "financing": 0, "pending_orders": 0, "open_trades": 0, "as_of": None, "stale": False,
        }
    },
    "instrument.list": {"instruments": []},
    "capabilities.get": {
        "broker": "oanda", "mode": "paper", "account": "paper", "entry_types": ["limit"], "trailing_stop": True, "protection": "adapter",
        "ttl": "adapter", "modify": [], "client_order_id_chars_max": 48, "instruments": ["EUR_USD"], "feed": "simulated",
    },
    "trading_state.get": {"state": "ACTIVE", "reason": "", "set_by": "", "set_at": AT},
    "trading_state.set": {
        "state": "HALTED", "reason": "", "set_by": "trader@test", "set_at": AT, "cancelled": [], "closed": [],
        "complete": True,
        "open_orders": 0, "open_positions": 0, "still_open": [],
    },
}  # fmt: skip


class FakeStream:
    """Stands for the event stream: one event and the end."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"source":"oanda"}\n\n')
        await response.write_eof()
        return response

    async def history(
        self, *, after: str | None = None, before: str | None = None, limit: int = 100, wanted: Filter = EVERYTHING
    ) -> Mapping[str, object]:
        self.wanted = wanted
        return {"ok": True, "events": [], "next": after or before, "complete": True, "notices": [], "sources": {}, "unavailable": []}


def settings_at(home: Path, **more: Any) -> Settings:
    """Settings of an arena in ``home``; sections given replace the defaults."""
    return Settings(home=home, conf=home / "arena.toml", **more)


OPEN_RATE = AuthSettings(orders_per_s_max=1_000, orders_burst_max=1_000)


class Desk:
    """A running gateway and a client of it."""

    def __init__(
        self, gateway: Gateway, accounts: Accounts, adapters: dict[str, FakeAdapter], listener: Listener, http: aiohttp.ClientSession
    ) -> None:
        self.gateway = gateway
        self.accounts = accounts
        self.adapters = adapters
        self.oanda = adapters["oanda"]
        self.url = listener.url
        self.port = listener.port
        self.http = http
        self._tokens: dict[str, str] = {}

    async def call(self, method: str, path: str, *, token: str | None = None, headers: Mapping[str, str] | None = None, **more: Any) -> "Answer":
        """One request; ``json=`` sends JSON, ``data=`` bytes."""
        all_headers = dict(headers or {})
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, self.url + path, headers=all_headers, allow_redirects=False, **more) as response:
            raw = await response.read()
            body = await response.json() if response.content_type == "application/json" else {}
            return Answer(response.status, body, raw, response.headers)

    async def register(self, email: str, role: str = "trader", password: str = "pass") -> "Answer":
        return await self.call("POST", "/auth/register", json={"email": email, "password": password, "role": role})

    async def login(self, email: str, password: str = "pass") -> "Answer":
        return await self.call("POST", "/auth/login", json={"email": email, "password": password})

    async def token(self, role: str = "trader") -> str:
        """An access token of ``<role>@test``, registered at first use; an admin is made in the store, as the command line does."""
        if role not in self._tokens:
            email = f"{role}@test"
            if role == "admin":
                self.accounts._users.add(email, "pass", "admin", by="host", weak_allowed=True)
                await self.accounts.reload()
            else:
                await self.register(email, role)
            self._tokens[role] = str((await self.login(email)).body["access_token"])
        return self._tokens[role]

    async def place(self, order: Mapping[str, object] = SEED_ORDER, *, broker: str = "oanda", **more: Any) -> "Answer":
        return await self.call("POST", f"/brokers/{broker}/orders", token=await self.token(), json=order, **more)


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    raw: bytes
    headers: Mapping[str, str]


@asynccontextmanager
async def open_desk(home: Path, clock: ManualClock | None = None, **settings: Any) -> AsyncIterator[Desk]:
    """A gateway on a free port of 127.0.0.1 with two fake adapters; without a manual clock it runs on the machine's."""
    the_settings = settings_at(home, **{"auth": OPEN_RATE, **settings})
    adapters = {"oanda": FakeAdapter("oanda"), "coinbase": FakeAdapter("coinbase")}
    the_settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with open_accounts(the_settings, clock) as accounts:
        payload = {"status": "ok", "mode": "paper", "trading_state": "ACTIVE", "last_seq": 3, "metrics": {"arena_degraded": 0}}
        beats = {name: Heartbeat(payload=payload, received_ns=accounts.clock.boot_ns()) for name in adapters}
        gateway = Gateway(accounts, adapters, FakeStream(), Beats(lambda: beats, ManualClock(boot_ns=accounts.clock.boot_ns() + 100_000_000)))
        resolving = asyncio.create_task(gateway.resolver.run())
        try:
            async with listening(gateway.app, "127.0.0.1", 0) as listener, aiohttp.ClientSession() as http:
                yield Desk(gateway, accounts, adapters, listener, http)
        finally:
            resolving.cancel()
            with suppress(asyncio.CancelledError):
                await resolving


__all__ = [
    "DEFAULTS", "OPEN_RATE", "SEED_ORDER", "Answer", "ArenaError", "AuthSettings", "Desk", "FakeAdapter", "GatewaySettings", "HttpSettings",
    "an_order", "open_desk", "settings_at",
]  # fmt: skip
