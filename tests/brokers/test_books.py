"""The books against a slow reference: every figure worked out again from the journal's events alone, and compared to the last digit."""

import contextlib
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from brokers import curve
from bus.codec import to_wire
from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import Open
from tests.brokers.desk_kit import ADMIN, Bus, event, events_of, ticket, until
from trading.errors import ArenaError

D = Decimal
_S = 1_000_000_000


def dec(value: object) -> Decimal:
    return D(str(value))


async def traded(paper: Open, bus: Bus, clock: ManualClock, settings: Settings, seed: int) -> tuple[list[Any], dict[str, Any]]:
    """A day of a hundred quotes and some forty orders, closed at its end; the journal, and what each list says."""
    rng = random.Random(seed)
    async with paper() as (adapter, ask):
        await bus.subscribed()
        bid = 11_670
        for step in range(100):
            clock.advance(rng.randint(1, 9))
            bid += rng.randint(-12, 12)
            now = bid
            bus.quote(f"{D(now) / 10_000:f}", f"{D(now + 1) / 10_000:f}", sent_boot_ns=clock.boot_ns(), n=step)
            await until(lambda now=now: _bid(adapter) == D(now) / 10_000)  # type: ignore[misc]
            if step % 5 < 2:
                side = rng.choice(["BUY", "SELL"])
                sign = 1 if side == "BUY" else -1
                change: dict[str, object] = {
                    "side": side, "units": rng.randint(1, 5) * 1000, "entry_type": "market", "entry_price": None,
                    "stop_loss_price": float(D(now - sign * rng.randint(4, 20)) / 10_000),
                    "take_profit_price": float(D(now + sign * rng.randint(4, 20)) / 10_000),
                    "quality_score": rng.choice([None, 10, 30, 60, 90]),
                }  # fmt: skip
                # One whose exits the spread has passed by is cancelled at its fill: that belongs to the day too.
                with contextlib.suppress(ArenaError):
                    await ask("order.place", ticket(f"s{seed}-{step}", **change))
        await ask("trading_state.set", {"state": "HALTED", "cancel": True, "flatten": True}, ADMIN)
        await until(lambda: adapter.context.desk.broker.position_count == 0)
        said = {name: (await ask(f"{name}.get"))[name] for name in ("account", "performance")}
        said["trades"] = await _all(ask, "trade.list", "trades")
        said["fills"] = await _all(ask, "fill.list", "fills")
        journal = await events_of(settings)
    await bus.unsubscribed()
    async with paper() as (_, ask):
        again = await ask("performance.get")
        assert {**again["performance"], "as_of": 0} == {**said["performance"], "as_of": 0}, "a restart changes no figure"
    return journal, said


def _bid(adapter: Any) -> Decimal | None:
    mark = adapter.context.quotes.marks().get("EUR_USD")
    return None if mark is None else mark.quote.bid


async def _all(ask: Any, op: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: dict[str, object] = {}
    while True:
        page = await ask(op, {"limit": 7, **after})
        assert page["stale"] is False
        rows += page[name]
        if page["next"] is None:
            return rows[::-1]
        after = {"after": page["next"]}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_figure_is_what_the_journal_says(paper: Open, bus: Bus, clock: ManualClock, settings: Settings, seed: int) -> None:
    journal, said = await traded(paper, bus, clock, settings, seed)
    fills = [each.payload for each in journal if each.type in {"order_filled", "order_partially_filled"}]
    assert [(fill["fill_id"], fill["price"], fill["realized_pnl"], fill["fee"]) for fill in said["fills"]] == [
        (fill["fill_id"], fill["price"], fill["realized_pnl"], fill["fee"]) for fill in fills
    ]
    placed = {each.payload["order_id"]: each for each in journal if each.type == "oco_placed"}
    entries = {each.payload["order_id"]: each for each in reversed(journal) if each.type == "order_filled" and each.payload["leg"] == "entry"}
    closed = [each.payload for each in journal if each.type == "bracket_closed"]
    money: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        money[fill["order_id"]] += dec(fill["realized_pnl"]) - dec(fill["fee"])
    trades = [(each["order_id"], money[each["order_id"]]) for each in closed]
    assert len(trades) > 10
    assert [(trade["order_id"], dec(trade["net_pnl"])) for trade in said["trades"]] == trades
    account, performance = said["account"], said["performance"]
    assert dec(account["balance"]) == 100_000 + sum(money.values())
    assert dec(account["equity"]) == dec(account["balance"])
    assert dec(account["realized_pnl"]) - dec(account["fees"]) == dec(performance["net_pnl"]) == sum(net for _, net in trades)
    r = {each["order_id"]: each["r_multiple"] for each in closed}
    assert_figures(performance, [(net, r[order_id]) for order_id, net in trades])
    groups: dict[tuple[str, str], list[tuple[Decimal, Any]]] = defaultdict(list)
    for order_id, net in trades:
        opened = datetime.fromisoformat(entries[order_id].ts)
        score = placed[order_id].payload["quality"]
        names = {
            "instrument": placed[order_id].payload["instrument"],
            "quality": {10: "0-24", 30: "25-49", 60: "50-74", 90: "75-100", None: "none"}[score],
            "hour": f"{opened.hour:02}",
            "weekday": opened.strftime("%A").lower(),
        }
        for kind, name in names.items():
            groups[kind, name].append((net, r[order_id]))
    listed = {(kind, row["name"]): row for kind in ("instrument", "quality", "hour", "weekday") for row in performance[f"by_{kind}"]}
    assert set(listed) == set(groups)
    for key, rows in groups.items():
        assert_figures(listed[key], rows)


def assert_figures(figures: Mapping[str, Any], trades: Iterable[tuple[Decimal, Any]]) -> None:
    """The same figures the slow way: from the whole list of results, each by its definition."""
    rows = list(trades)
    nets = [net for net, _ in rows]
    wins, losses = [net for net in nets if net > 0], [net for net in nets if net < 0]
    running, curve_points = D(0), [D(0)]
    for net in nets:
        running += net
        curve_points.append(running)
    falls = [max(curve_points[: n + 1]) - point for n, point in enumerate(curve_points)]
    signs = "".join("w" if net > 0 else "l" if net < 0 else "0" for net in nets)
    r = [dec(each) for _, each in rows if each is not None]
    expected = {
        "trades": len(nets), "wins": len(wins), "losses": len(losses), "net_pnl": sum(nets), "won": sum(wins), "lost": -sum(losses, D(0)),
        "best": max(nets, default=D(0)), "worst": min(nets, default=D(0)), "win_rate": _ratio(D(len(wins)), D(len(nets))),
        "expectancy": (sum(nets, D(0)) / len(nets)).quantize(D("0.000001")), "expectancy_r": _ratio(sum(r, D(0)), D(len(r))),
        "profit_factor": _ratio(sum(wins, D(0)), -sum(losses, D(0))), "drawdown": falls[-1], "drawdown_max": max(falls),
        "win_streak_max": max(map(len, signs.replace("0", "l").split("l"))), "loss_streak_max": max(map(len, signs.replace("0", "w").split("w"))),
        "streak": len(signs) - len(signs.rstrip("w")) or -(len(signs) - len(signs.rstrip("l"))),
    }  # fmt: skip
    for name, value in expected.items():
        assert figures[name] == (None if value is None else to_wire(D(value))), name


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part / whole).quantize(D("0.0001")) if whole else None


async def test_a_paper_reset_begins_the_figures_anew_and_keeps_the_trades(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    await traded(paper, bus, clock, settings, 4)
    async with paper() as (_, ask):
        trades = len(await _all(ask, "trade.list", "trades"))
        await ask("paper.reset", actor=ADMIN)
        performance = (await ask("performance.get"))["performance"]
        assert (performance["trades"], performance["net_pnl"], performance["by_hour"]) == (0, 0, [])
        assert performance["since"] is not None
        assert len(await _all(ask, "trade.list", "trades")) == trades


async def test_trades_of_an_older_store_are_counted_at_the_start(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    _, said = await traded(paper, bus, clock, settings, 5)
    async with paper() as (adapter, _):
        await adapter.context.journal.run(lambda txn: txn.execute("DELETE FROM performance"))
    async with paper() as (_, ask):
        assert {**(await ask("performance.get"))["performance"], "as_of": 0} == {**said["performance"], "as_of": 0}


async def test_the_equity_curve_is_thinned_with_age_and_stays_bounded(paper: Open, settings: Settings) -> None:
    """Forty days of a point every ten seconds: each minute and hour keeps its last point, and the newest stay whole."""
    async with paper() as (adapter, _):
        account = SimpleNamespace(balance=1, equity=1, open_pnl=0)
        journal, step = adapter.context.journal, 60 * _S

        def day(txn: Any, n: int) -> None:
            for tick in range(1440):
                for part in range(3):
                    curve.add(txn, (n * 1440 + tick) * step + part * 20 * _S, account)  # type: ignore[arg-type]

        for n in range(40):
            await journal.run(lambda txn, n=n: day(txn, n))  # type: ignore[misc]
        rows = await journal.read(lambda db: db.execute("SELECT at_ns FROM equity ORDER BY id").fetchall())
        times = [at for (at,) in rows]
        assert len(times) < 3 * 1440 + 31 * 1440 + 9 * 24 + 2_000
        assert times == sorted(times)
        newest = [at for at in times if at >= 39 * 86_400 * _S]
        assert len(newest) == 3 * 1440
        minutes = [at for at in times if 10 * 86_400 * _S <= at < 38 * 86_400 * _S]
        assert {at // step for at in minutes} == set(range(10 * 1440, 38 * 1440))
        hours = {at // (3600 * _S) for at in times if at < 8 * 86_400 * _S}
        assert hours == set(range(8 * 24))


async def test_changed_limits_are_journalled_once_and_the_first_start_says_nothing(paper: Open, settings: Settings) -> None:
    async with paper() as (adapter, _):
        assert [each.type for each in await events_of(settings)] == ["source_reset"]
        await adapter.context.journal.run(
            lambda txn: txn.execute("UPDATE adapter_state SET value = replace(value, '\"20\"', '\"7\"') WHERE key = 'limits'")
        )
    async with paper() as (_, _ask):
        changed = await event(settings, "trading_state_changed")
        assert (changed.payload["old"], changed.payload["new"], changed.payload["changed_by"]) == ("ACTIVE", "ACTIVE", "settings")
        assert changed.payload["details"] == {"risk_per_trade_pct_max": {"from": "7", "to": "20"}}
    async with paper() as (_, _ask):
        assert [each.type for each in await events_of(settings)] == ["source_reset", "trading_state_changed"]
