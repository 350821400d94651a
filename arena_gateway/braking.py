"""The gateway's half of the brake: it keeps what is wanted, tells the adapters, and tells them again.

A state is written down before anybody is told, so an adapter that is down or frozen finds it waiting. Each order to a broker that should brake is
preceded by telling its adapter once more: whatever has become of the adapter meanwhile, no order of this gateway is its first. Besides, every
adapter whose heartbeat shows less than is wanted, and every one that has just come back, is told. An adapter that falls silent for too long is
wanted REDUCING (``risk.heartbeat_lost_s``): somebody should look before it takes new risks. Source: DESIGN section 5, PEERS 1.5.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from arena_gateway.beats import Beats
from arena_gateway.dispatch import Dispatcher
from arena_gateway.wanted_state import Wanted, WantedStates, is_stricter
from runtime.clock import Clock
from runtime.routes import Principal
from trading.errors import ArenaError, OutcomeUnknown
from trading.risk_limits import RiskLimits

# Soon enough to be there before the first order of somebody who waits for an adapter to come back.
LOOK_S = 0.1
# Heartbeats come each second; a look that was itself held up for longer (a suspended machine) says nothing about them.
LOOK_S_MAX = 2.0

GATEWAY_ACTOR: Mapping[str, object] = {"user": "gateway", "role": "admin", "live": False}
BY_WATCHDOG = "watchdog"

log = logging.getLogger(__name__)


class Braking:
    """One gateway's."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        states: WantedStates,
        beats: Beats,
        clock: Clock,
        limits: RiskLimits,
    ) -> None:
        self._dispatcher = dispatcher
        self._states = states
        self._beats = beats
        self._clock = clock
        self._limits = limits
        self._silent_s: dict[str, float] = {}
        self._was_connected: dict[str, bool] = {}

    def wanted(self, broker: str) -> Wanted:
        return self._states.of(broker)

    def want(self, brokers: tuple[str, ...], state: str, reason: str, set_by: str, *, only_stricter: bool = False) -> None:
        """Write it down. A disk that does not take it is no reason not to brake: the adapters keep their own."""
        wanted = Wanted(state=state, reason=reason, set_by=set_by, set_ns=self._clock.wall_ns())
        try:
            self._states.set(brokers, wanted, only_stricter=only_stricter)
        except OSError as error:
            log.error("the wanted trading state could not be written", extra={"reason": str(error)})

    async def set(self, brokers: tuple[str, ...], args: Mapping[str, object], principal: Principal) -> dict[str, dict[str, Any] | ArenaError]:
        """Write it down, tell each adapter, and return what each said, within two seconds."""
        self.want(brokers, str(args["state"]), str(args["reason"]), principal.user)
        calls = [self._dispatcher.set_state(broker, args, principal) for broker in brokers]
        results = await asyncio.gather(*calls, return_exceptions=True)
        said: dict[str, dict[str, Any] | ArenaError] = {}
        for broker, result in zip(brokers, results, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, ArenaError):
                raise result
            said[broker] = result
        return said

    async def before_order(self, broker: str) -> None:
        """Tell the adapter what is wanted when that is less than everything; its own answer to the order then follows.

        Raises:
            ArenaError: it did not take it, so no order goes there: nothing was sent.
        """
        wanted = self.wanted(broker)
        if wanted.brakes:
            await self._push(broker, wanted)

    async def _push(self, broker: str, wanted: Wanted) -> None:
        args = {"state": wanted.state, "reason": wanted.reason, "only_stricter": True}
        actor = {**GATEWAY_ACTOR, "user": wanted.set_by or "gateway"}
        await self._dispatcher.push_state(broker, args, actor)

    async def run(self) -> None:
        """Look at every adapter, a few times a second, until cancelled."""
        last_s = self._clock.boot_ns() / 1e9
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = self._clock.boot_ns() / 1e9
            await self.look(now_s - last_s)
            last_s = now_s

    async def look(self, since_s: float) -> None:
        """One look, ``since_s`` after the last."""
        beats = self._beats.all()
        await asyncio.gather(*(self._look_at(broker, beats.get(broker), since_s) for broker in self._dispatcher.brokers))

    async def _look_at(self, broker: str, beat: Mapping[str, object] | None, since_s: float) -> None:
        if beat is not None and since_s <= LOOK_S_MAX:
            # One whose writer beats for a loop that the disk holds up (bus/heartbeat.py, StandIn) lives, and nobody in it watches anything.
            is_held_up = beat.get("status") == "degraded" and beat.get("last_seq") is None
            self._watch(broker, float(str(beat["age_s"])), since_s, is_held_up=is_held_up)
        wanted, connected = self.wanted(broker), self._dispatcher.is_connected(broker)
        came_back = connected and not self._was_connected.get(broker, False)
        self._was_connected[broker] = connected
        shows = None if beat is None else beat.get("trading_state")
        lags = isinstance(shows, str) and is_stricter(wanted.state, shows)
        if not wanted.brakes or not connected or not (came_back or lags):
            return
        try:
            await self._push(broker, wanted)
        except ArenaError as error:
            self._was_connected[broker] = False  # told again at the next look
            log.warning("a broker could not be told to brake", extra={"broker": broker, "reason": error.message})

    def _watch(self, broker: str, age_s: float, since_s: float, *, is_held_up: bool) -> None:
        """Count how long the adapter has been silent, or held up, while we were listening."""
        self._silent_s[broker] = self._silent_s.get(broker, 0.0) + since_s if is_held_up or age_s > LOOK_S_MAX else 0.0
        limit = self._limits.silence_s_max("live" if self._dispatcher.is_live(broker) else "paper")
        if limit is None or self._silent_s[broker] < limit:
            return
        if is_stricter("REDUCING", self.wanted(broker).state):
            log.error("an adapter is silent: its broker is to reduce only", extra={"broker": broker, "silent_s": round(self._silent_s[broker], 1)})
            reason = f"no heartbeat of {broker} for {limit} s"
            self.want((broker,), "REDUCING", reason, BY_WATCHDOG, only_stricter=True)

    def last_known(self, broker: str, error: ArenaError) -> dict[str, object]:
        """What can be said of a broker that did not answer: what it last said, how long ago, and that it will be told."""
        beat = self._beats.all().get(broker) or {}
        metrics = beat.get("metrics")
        known: Mapping[str, object] = metrics if isinstance(metrics, Mapping) else {}
        age_s = beat.get("age_s")
        return {
            "code": error.code,
            "wanted": self.wanted(broker).state,
            "message": _MAYBE if isinstance(error, OutcomeUnknown) else _NOT_YET,
            "trading_state": beat.get("trading_state"),
            "open_orders": known.get("arena_pending_orders"),
            "open_positions": known.get("arena_open_positions"),
            "age_s": round(float(str(age_s)), 1) if age_s is not None else None,
        }


_NOT_YET = (
    "it cannot be reached: it takes the state when it comes back, before its first order; nothing was cancelled or closed there: ask again then"
)
_MAYBE = "it has not answered in time: it takes the state as soon as it runs again; cancelling and closing may have happened: look, then ask again"
