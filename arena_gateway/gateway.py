"""The gateway's parts put together: users, dispatcher, resolver, and the routes over them. What talks to sockets is handed in."""

from collections.abc import Callable, Mapping

from aiohttp import web

from arena_gateway.accounts import Accounts
from arena_gateway.admin_routes import AdminRoutes
from arena_gateway.auth_routes import AuthRoutes
from arena_gateway.beats import Beats
from arena_gateway.book_routes import BookRoutes
from arena_gateway.braking import Braking
from arena_gateway.desk_routes import DeskRoutes
from arena_gateway.dispatch import Client, Dispatcher
from arena_gateway.errors import translate
from arena_gateway.metrics import GatewayMetrics, HeartbeatMetrics
from arena_gateway.order_routes import OrderRoutes
from arena_gateway.placing import Placing
from arena_gateway.refusals import Refusals
from arena_gateway.resolver import Resolver
from arena_gateway.system_routes import Stream, SystemRoutes
from arena_gateway.wanted_state import FILE_NAME, WantedStates
from runtime.http import build_app
from runtime.program import CannotStart
from runtime.routes import Route
from runtime.settings import Settings
from trading.risk_limits import RiskLimits, RiskSettingsError


class Gateway:
    """The parts of one gateway and its application; ``app`` is served by arena_gateway/app.py."""

    def __init__(self, accounts: Accounts, clients: Mapping[str, Client], stream: Stream, beats: Beats) -> None:
        settings = accounts.settings
        self.accounts = accounts
        self.metrics = GatewayMetrics()
        self.metrics.registry.register(HeartbeatMetrics(beats.all))
        self.dispatcher = Dispatcher(clients, mode_of=beats.mode, live_expected=settings.execution_enabled)
        self.resolver = Resolver(self.dispatcher)
        states = WantedStates(settings.data_dir / FILE_NAME)
        self.braking = Braking(self.dispatcher, states, beats, accounts.clock, _limits(settings))
        self.dispatcher.before_order = self.braking.before_order
        self.dispatcher.is_braked = states.brakes
        placing = Placing(self.dispatcher, accounts, self.resolver, self.metrics)
        self.routes: list[Route] = [
            *OrderRoutes(self.dispatcher, accounts, placing).table(),
            *DeskRoutes(self.dispatcher, accounts).table(),
            *BookRoutes(self.dispatcher).table(),
            *AuthRoutes(accounts).table(),
            *AdminRoutes(self.dispatcher, accounts, self.braking).table(),
            *SystemRoutes(accounts, stream, beats, self.metrics.registry, mode=lambda: self.dispatcher.mode).table(),
        ]
        self.app = build_app(
            "gateway",
            settings,
            self.routes,
            host=settings.gateway.host,
            authenticator=accounts,
            translate=translate,
            refused=Refusals(accounts),
            quick=placing.quick_handlers(),
            title="RBOT Arena gateway",
        )
        self.app.on_shutdown.append(self._drain)

    async def _drain(self, _: web.Application) -> None:
        self.dispatcher.draining = True

    def snapshot(self, stream_metrics: Callable[[], Mapping[str, int]]) -> dict[str, object]:
        """What the gateway's heartbeat says."""
        self.metrics.unknown = len(self.resolver)
        return {"mode": self.dispatcher.mode, "metrics": {**self.metrics.flat(), **stream_metrics()}}


def _limits(settings: Settings) -> RiskLimits:
    try:
        return RiskLimits.from_settings(settings.risk)
    except RiskSettingsError as error:
        raise CannotStart(str(error)) from error
