"""The fault campaign: thousands of orders through a whole live adapter while its venue misbehaves, and a count of what went wrong with the money.

    python -m tests.venues.campaign oanda --orders 10000 --faults 0.3 --seed 7

Bots place, change, cancel and close; the market moves; requests are lost before and after they were carried out, answered with rubbish, with half of
it, late, or not at all; streams stutter, are cut and fall silent; the market halts, the venue goes away, the adapter is stopped and started. Then
everything goes right again, and the venue's own books are held against the arena's. Nobody here decides what is right: the venue's books do.
"""

import argparse
import asyncio
import contextlib
import importlib
import logging
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from brokers.live.venue import client_id_of
from runtime.clock import NS_PER_S
from runtime.program import prepare_home
from runtime.settings import Settings, load_settings
from runtime.timestamps import from_text
from tests.brokers.desk_kit import GRANTED, Bus, Caller, events_of
from tests.venues.campaign_hands import keep_stepping
from tests.venues.campaign_naked import NakedWatch
from tests.venues.campaign_report import UNKNOWN_S_MAX, Report
from tests.venues.campaign_side import Side, opened
from tests.venues.campaign_weather import Weather
from tests.venues.common.paced import run_paced
from tests.venues.common.stepping import SteppingClock
from trading.errors import ArenaError, DeadlinePassed, OrderDenied, OutcomeUnknown, StateConflict, Unavailable

_IN_DOUBT = frozenset({"UNKNOWN", "SUBMITTING"})
_NEVER_THERE = frozenset({"REJECTED", "VOID"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large and how bad. ``faults`` is the share of requests that go wrong, ``stops`` how often the adapter is stopped and started again.

    ``hands``: somebody works at the venue's own page meanwhile; ``steps``: the machine's clock is stepped, and spans by its labels say nothing.
    ``pause_s`` is the longest that a bot thinks before its next order. Where computing takes no time, bots that do not think place a hundred orders a
    second, and what was made "lately" is everything.
    """

    orders: int = 200
    faults: float = 0.3
    seed: int = 1
    bots: int = 20
    stops: int = 1
    slow_s: float = 10.0
    pause_s: float = 0.0
    hands: bool = False
    steps: bool = False


async def run(side: Side, plan: Plan) -> Report:
    """Do what ``plan`` says to ``side``, and count."""
    home = Path(tempfile.mkdtemp(prefix="camp", dir="/tmp"))
    try:
        settings = load_settings({"ARENA_HOME": str(home / "var"), "ARENA_STORE__FREE_MB_MIN": "1"})
        prepare_home(settings)
        with Bus(settings):
            async with side.running():
                return await _Campaign(side, plan, settings).run()
    finally:
        shutil.rmtree(home, ignore_errors=True)


class _Campaign:
    def __init__(self, side: Side, plan: Plan, settings: Settings) -> None:
        self.side = side
        self.plan = plan
        self.settings = settings
        self.report = Report(orders=plan.orders)
        self.dice = Random(plan.seed)
        self.placed: list[str] = []
        self.instance = ""
        self.hand = side.hand() if plan.hands else None
        self.weather = Weather(side.faults, plan.faults, plan.slow_s, self.dice)
        self.besides: list[Callable[[], Coroutine[Any, Any, NoReturn]]] = [self._market, self.weather.change, self._watch]
        if self.hand is not None:
            hand = self.hand
            self.besides.append(lambda: hand.go_on(self.dice))
        if plan.steps:
            side.clock = SteppingClock(side.clock)
            self.besides.append(lambda: keep_stepping(side.clock, self.dice))
        self._todo = iter(range(plan.orders))

    async def run(self) -> Report:
        began = self._now_s()
        self.side.faults.reseed(self.plan.seed)
        parts = self.plan.stops + 1
        per_part = -(-self.plan.orders // parts)
        for part in range(parts):
            async with self._opened() as ask, self._beside(*(each() for each in self.besides)):
                self.weather.strike()
                await asyncio.gather(*(self._bot(ask, per_part, Random(f"{self.plan.seed}-{part}-{bot}")) for bot in range(self.plan.bots)))
            self.side.faults.clear()  # a start is made in fair weather, with whatever was left in the middle
        self.report.seconds = self._now_s() - began
        async with self._opened() as ask, self._beside(self._watch()):
            await self._settle(ask)
            await self._judge(ask)
        return self.report

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Caller]:
        if isinstance(self.side.clock, SteppingClock):
            self.side.clock.off_s = 0  # an adapter does not begin with a clock that is an hour off: Coinbase's says so and waits
        async with opened(self.side, self.settings) as (broker, ask):
            self.instance = broker._account.instance
            yield ask

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    @asynccontextmanager
    async def _beside(self, *wanted: Any) -> AsyncIterator[None]:
        running_tasks = [asyncio.create_task(each) for each in wanted]
        try:
            yield
        finally:
            for task in running_tasks:
                task.cancel()
            for outcome in await asyncio.gather(*running_tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome

    # ── what goes on meanwhile ──

    async def _market(self) -> None:
        while True:
            self.side.move(self.dice)
            await asyncio.sleep(0.05)

    async def _watch(self) -> None:
        """Look at the venue's own books for positions without a stop."""
        watch = NakedWatch(self.report)
        while True:
            naked = self.side.naked()
            naked -= frozenset() if self.hand is None else self.hand.excused()
            watch.see(self._now_s(), naked, is_shut=self.weather.is_shut)
            await asyncio.sleep(0.1)

    # ── who trades ──

    async def _bot(self, ask: Caller, orders: int, dice: Random) -> None:
        mine: list[str] = []
        for _ in range(-(-orders // self.plan.bots)):
            number = next(self._todo, None)
            if number is None:
                return
            await self._place(ask, f"c{self.plan.seed}-{number}", dice, mine)
            if mine and dice.random() < 0.5:
                await self._change(ask, dice.choice(mine), dice)
            if self.plan.pause_s:
                await asyncio.sleep(dice.uniform(0, self.plan.pause_s))

    async def _place(self, ask: Caller, client_order_id: str, dice: Random, mine: list[str]) -> None:
        ticket = {**self.side.ticket(dice), "client_order_id": client_order_id}
        self.placed.append(client_order_id)
        while True:
            try:
                placed = await ask("order.place", ticket, GRANTED, ttl_ms=10_000)
            except Unavailable as error:
                if error.code == "STREAM_RECONCILING":
                    await asyncio.sleep(0.1)  # nothing was written: the id is free
                    continue
                self.report.answers[error.code] += 1
            except (OutcomeUnknown, OrderDenied, StateConflict, DeadlinePassed) as error:
                self.report.answers[error.code] += 1
            else:
                self.report.answers["replayed" if placed.get("replayed") else "placed"] += 1
                mine.append(placed["order_id"])
            if dice.random() >= 0.2:
                return  # else the same again: it must be the same order

    async def _change(self, ask: Caller, order_id: str, dice: Random) -> None:
        with contextlib.suppress(ArenaError):  # refused, unknown or too late: the books tell in the end
            order = (await ask("order.get", {"order_id": order_id}, GRANTED))["order"]
            match dice.randrange(4):
                case 0:
                    await ask("order.cancel", {"order_id": order_id}, GRANTED, ttl_ms=10_000)
                case 1 if order["entry_price"] is not None:
                    between = (Decimal(str(order["entry_price"])) * 3 + Decimal(str(order["stop_loss_price"]))) / 4
                    tick = Decimal(str(order["entry_price"])).as_tuple().exponent
                    price = between.quantize(Decimal(1).scaleb(int(tick)))
                    await ask("order.modify", {"order_id": order_id, "stop_loss_price": float(price)}, GRANTED, ttl_ms=10_000)
                case 2:
                    await ask("position.close", {"instrument": order["instrument"], "side": order["side"], "percent": 10}, GRANTED, ttl_ms=10_000)
                case 3:
                    await ask("order.modify", {"order_id": order_id, "ttl_min": dice.randint(1, 90)}, GRANTED, ttl_ms=10_000)

    # ── what came of it ──

    async def _orders(self, ask: Caller) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"next": None}
        while True:
            args: dict[str, object] = {"limit": 200} if page["next"] is None else {"limit": 200, "after": page["next"]}
            page = await ask("order.list", args, GRANTED)
            found += page["orders"]
            if page["next"] is None:
                return found

    async def _settle(self, ask: Caller) -> None:
        """Wait until nothing is in doubt and the books agree; what is or does not after a while is the report's.

        Both books move on while they are read (an entry ends at its date), so a difference is one only when it stays.
        """
        began, report = self._now_s(), self.report
        while self._now_s() - began < 2 * UNKNOWN_S_MAX:
            orders = await self._orders(ask)
            report.unknown_at_the_end = sum(1 for order in orders if order["status"] in _IN_DOUBT)
            report.disagreeing = self._differences(orders)
            if not report.unknown_at_the_end and not report.definite_after_calm_s:
                report.definite_after_calm_s = self._now_s() - began
            if not report.unknown_at_the_end and not report.disagreeing:
                return
            await asyncio.sleep(0.2)

    def _differences(self, orders: Sequence[Mapping[str, Any]]) -> list[str]:
        """Where the arena's books are not the venue's."""
        held, resting = self.side.held(), self.side.resting()
        found = [] if self.hand is None else self.hand.differences(orders)
        for order in orders:
            if order["origin"] != "arena":
                continue
            client_id = self._client_id(order["client_order_id"])
            open_here = Decimal(str(order["position_units"]))
            rests_here = order["status"] in {"PENDING", "PARTIALLY_FILLED", "CANCEL_PENDING"}
            if open_here != held.get(client_id, 0):
                found.append(f"{order['order_id']} {order['status']} holds {open_here}, there {held.get(client_id, 0)}")
            if rests_here is not (client_id in resting):
                found.append(f"{order['order_id']} {order['status']} rests {rests_here}, there {resting.get(client_id)}")
        return found

    def _client_id(self, client_order_id: str) -> str:
        return client_id_of(self.instance, str(GRANTED["user"]), client_order_id)

    async def _agreed(self, ask: Caller) -> list[dict[str, Any]]:
        """The orders once nothing moves between the two books; what was still being closed a moment ago is not held against either."""
        orders = await self._orders(ask)
        for _ in range(50):
            if not self._differences(orders):
                break
            await asyncio.sleep(0.2)
            orders = await self._orders(ask)
        return orders

    async def _judge(self, ask: Caller) -> None:
        report, orders = self.report, await self._agreed(ask)
        created = self.side.created()
        asked = {self._client_id(client_order_id) for client_order_id in self.placed}
        if self.hand is not None:
            asked |= self.hand.own_ids()
            report.touched, report.by_hand = self.hand.touched(), self.hand.done
        report.oversold = sum(1 for units in self.side.held().values() if units < 0)
        report.doubled = sum(1 for times in created.values() if times > 1)
        report.unasked = sum(1 for client_id in created if client_id not in asked)
        report.refused_but_there = sum(
            1 for order in orders if order["status"] in _NEVER_THERE and created.get(self._client_id(order["client_order_id"]), 0)
        )
        report.statuses = Counter(order["status"] for order in orders)
        report.adopted = sum(1 for order in orders if order["origin"] != "arena")
        report.struck = {str(kind): times for kind, times in self.side.faults.struck.items()}
        report.requests = self.side.requests()
        await self._read_journal()

    async def _read_journal(self) -> None:
        since: dict[str, int] = {}
        spans: list[float] = []
        for event in await events_of(self.settings, self.side.source):
            order_id = str(event.payload.get("order_id"))
            if event.type == "order_unknown":
                since[order_id] = from_text(event.ts)
            elif event.type in {"order_resolved", "order_rejected", "order_cancelled", "bracket_closed"} and order_id in since:
                spans.append((from_text(event.ts) - since.pop(order_id)) / NS_PER_S)
            elif event.type == "protection_lost":
                self.report.alarms += 1
        self.report.unknown_s = spans
        self.report.in_doubt = len(spans) + len(since)


# Where each venue's side is; a venue joins with a line here.
SIDES: Mapping[str, str] = {"oanda": "tests.brokers.oanda.campaign:OandaSide", "coinbase": "tests.brokers.coinbase.campaign:CoinbaseSide"}


def side_of(source: str) -> type[Side]:
    """The side of ``source``, loaded when it is wanted: each leans on its own simulator and adapter."""
    module, _, name = SIDES[source].partition(":")
    found: type[Side] = getattr(importlib.import_module(module), name)
    return found


def main(argv: Sequence[str]) -> int:
    """Run one campaign and print its figures; 1 when money went wrong."""
    options = argparse.ArgumentParser(prog="python -m tests.venues.campaign", description=(__doc__ or "").splitlines()[0])
    options.add_argument("source", choices=sorted(SIDES))
    options.add_argument("--orders", type=int, default=10_000)
    options.add_argument("--faults", type=float, default=0.3)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--bots", type=int, default=60)
    options.add_argument("--stops", type=int, default=4)
    options.add_argument("--pause", type=float, default=0.0, help="the longest that a bot thinks before its next order, in seconds")
    options.add_argument("--hands", action="store_true", help="somebody works at the venue's own page meanwhile")
    options.add_argument("--steps", action="store_true", help="the machine's clock is stepped, by up to an hour")
    wanted = options.parse_args(argv)
    logging.disable(logging.ERROR)  # a venue in trouble is the point, and told of in figures
    plan = Plan(
        orders=wanted.orders,
        faults=wanted.faults,
        seed=wanted.seed,
        bots=wanted.bots,
        stops=wanted.stops,
        pause_s=wanted.pause,
        hands=wanted.hands,
        steps=wanted.steps,
    )
    side = side_of(wanted.source)

    async def campaign() -> Report:
        return await run(side(), plan)

    report = run_paced(campaign()) if side.is_paced else asyncio.run(campaign())
    print("\n".join(report.lines()))
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
