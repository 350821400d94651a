"""A replay says what the running adapter would have said: the same events, word for word and to the microsecond."""

import json
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from brokers.quote_desk import QuoteDesk
from brokers.replay.plan import read_plan
from runtime.clock import NS_PER_S, ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import Open
from tests.brokers.desk_kit import MARKET_NS, Bus, event, events_of, ticket, until
from tests.brokers.replay.kit import Case, Row, drive, scaled
from trading.errors import OrderDenied
from trading.instruments import Instruments
from trading.risk_limits import RiskLimits

# Each is a second and a quote; the orders come with the first one.
QUOTES = [(0, "1.16700", "1.16710"), (20, "1.16530", "1.16540"), (50, "1.16610", "1.16620"), (75, "1.15990", "1.16000")]
ORDERS = [
    ticket("market", entry_type="market", entry_price=None, stop_loss_price=1.166, take_profit_price=1.18),
    ticket("off-tick", take_profit_price=1.1700001),
    ticket("too-many", units=10**8),
    ticket("wrong-side", stop_loss_price=1.169),
    ticket("resting", quality_score=None),
    ticket("trailing", trailing_stop_distance=0.0004, entry_price=1.1654, stop_loss_price=1.16, take_profit_price=1.168),
    ticket("short", side="SELL", entry_type="stop", entry_price=1.166, stop_loss_price=1.17, take_profit_price=1.15),
]


async def live(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> list[Any]:
    """Through the sockets of an adapter: each order is sent and answered, each quote is published."""
    async with paper() as (adapter, ask):
        await bus.subscribed()
        bus.quote(*QUOTES[0][1:], sent_boot_ns=clock.boot_ns())
        await until(lambda: adapter.context.quotes.feed == "simulated")
        for order in ORDERS:
            with suppress(OrderDenied):  # the journal says which and why
                await ask("order.place", order, actor=None)
        await event(settings, "order_filled")
        for number, (second, bid, ask_price) in enumerate(QUOTES[1:], 1):
            clock.advance(second - QUOTES[number - 1][0])
            bus.quote(bid, ask_price, sent_boot_ns=clock.boot_ns(), n=number)
            await until(partial(_has_decided, adapter.context.quotes, number))
        await event(settings, "bracket_closed", count=3)
        return await events_of(settings)


def _has_decided(quotes: QuoteDesk, number: int) -> bool:
    """That this very quote came in and all it led to is in the store: only then may the clock go on."""
    return quotes.marks()["EUR_USD"].quote.time_ns == MARKET_NS + number and not quotes.waiting


async def test_the_same_orders_on_the_same_quotes(
    paper: Open, bus: Bus, clock: ManualClock, settings: Settings, instruments: Instruments, tmp_path: Path
) -> None:
    """Fills, stops, a trailing one, refusals by the tick, by a limit and by the side: type, payload and time of each."""
    start_ns = clock.wall_ns()
    told = [(each.type, each.payload, each.ts) for each in await live(paper, bus, clock, settings) if each.type in ORDER_EVENTS]
    (tmp_path / "plan.jsonl").write_text("\n".join(json.dumps({"at": "2025-10-16T00:00:00Z", **order}) for order in ORDERS))
    plan = read_plan(tmp_path / "plan.jsonl", venue="oanda", instrument="EUR_USD", instruments=instruments)
    rows: list[Row] = [(start_ns + second * NS_PER_S, scaled(bid), scaled(ask), None, None) for second, bid, ask in QUOTES]
    lines, summary = drive(Case(name="EUR_USD", rows=rows, plan=plan, limits=RiskLimits()))
    replayed = [(each["type"], each["payload"], each["ts"]) for each in map(json.loads, lines)]
    assert replayed == told
    assert len(told) == 20
    assert summary.tally.rejected.keys() == {"PRICE_OFF_TICK", "RISK_PER_TRADE_PCT_MAX", "STOP_WRONG_SIDE"}
    assert summary.balance_start == Decimal(100_000)


ORDER_EVENTS = frozenset({"oco_placed", "order_filled", "order_partially_filled", "order_cancelled", "order_rejected", "bracket_closed"})
