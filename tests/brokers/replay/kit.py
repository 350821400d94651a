"""A replay without its short cuts, to hold the driver against: every quote goes through the engine, which is never told that one is idle."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.paper.config import PaperAccountConfig
from brokers.paper.engine import PaperEngine
from brokers.paper.idle import NEVER_IDLE, IdleRange
from brokers.replay.desk import ReplayDesk
from brokers.replay.driver import FEED, Replay
from brokers.replay.plan import PlannedOrder
from brokers.replay.summary import Summary
from tests.brokers.paper.kit import INSTRUMENTS
from trading.orders import EntryType, OrderTicket, Side
from trading.quote_files import from_scaled
from trading.quote_rows import SCALE, QuoteBlock
from trading.quotes import Quote
from trading.risk_limits import RiskLimits

DATA = Path(__file__).parents[2] / "data"
PAYROLLS = DATA / "oanda-eurusd-2014-05-02.csv.gz"
WEEKEND = DATA / "oanda-eurusd-2014-05-02-weekend.csv.gz"
BITCOIN = DATA / "binance-btcusdt-2024-08-09.csv.gz"

OANDA = PaperAccountConfig(balance=Decimal(100_000), on_margin=True)
COINBASE = PaperAccountConfig(balance=Decimal(100_000), holdings={"BTC": Decimal(1)}, on_margin=False)
NO_LIMITS = RiskLimits(risk_per_trade_pct_max=None)

Row = tuple[int, int, int, int | None, int | None]  # time, bid, ask, sizes; all but the time times SCALE


@dataclass(frozen=True, kw_only=True)
class Case:
    """One replay: whose, of what, with which account and limits."""

    name: str
    rows: Sequence[Row]
    plan: Sequence[PlannedOrder]
    account: PaperAccountConfig = OANDA
    limits: RiskLimits = field(default=NO_LIMITS)

    @property
    def venue(self) -> str:
        return INSTRUMENTS[self.name].venue


def planned(at_ns: int, line: int = 1, **body: Any) -> PlannedOrder:
    """A plan's line; numbers as text."""
    numbers = ("units", "entry_price", "stop_loss_price", "take_profit_price", "trailing_stop_distance", "ttl_min")
    values = {name: Decimal(value) if name in numbers and value is not None else value for name, value in body.items()}
    values["side"], values["entry_type"] = Side(values["side"]), EntryType(values.get("entry_type", "limit"))
    values.setdefault("client_order_id", f"plan-{line}")
    return PlannedOrder(line=line, at_ns=at_ns, at=str(at_ns), ticket=OrderTicket(**values))


def blocks(rows: Sequence[Row], size: int) -> Iterable[QuoteBlock]:
    """The rows in blocks of ``size``."""
    for start in range(0, len(rows), size):
        times, bids, asks, bid_sizes, ask_sizes = map(list, zip(*rows[start : start + size], strict=True))
        sized = bid_sizes[0] is not None
        yield QuoteBlock(times_ns=times, bids=bids, asks=asks, bid_sizes=bid_sizes if sized else None, ask_sizes=ask_sizes if sized else None)  # type: ignore[arg-type]


def rows_of(found: Iterable[QuoteBlock]) -> list[Row]:
    rows: list[Row] = []
    for block in found:
        nothing: list[int | None] = [None] * len(block)
        rows += zip(block.times_ns, block.bids, block.asks, block.bid_sizes or nothing, block.ask_sizes or nothing, strict=True)
    return rows


def drive(case: Case, size: int = 4096) -> tuple[list[bytes], Summary]:
    """The events and the summary of the driver."""
    lines: list[bytes] = []
    replay = Replay(
        venue=case.venue,
        instrument=case.name,
        instruments=INSTRUMENTS,
        account=case.account,
        limits=case.limits,
        plan=case.plan,
        plan_path=Path("plan.jsonl"),
        write=lines.append,
    )
    for block in blocks(case.rows, size):
        replay.feed(block)
    return lines, replay.finish()


class EveryQuoteEngine(PaperEngine):
    """The engine without its idle ranges: each quote is matched."""

    def idle_range(self, instrument: str) -> IdleRange:
        return NEVER_IDLE


@dataclass
class Reference:
    """What the slow way gives: events, equity after each quote, and the deepest fall of that."""

    lines: list[bytes] = field(default_factory=list)
    equity: list[Decimal] = field(default_factory=list)
    drawdown: Decimal = Decimal(0)


def feed_every_quote(case: Case, *, look_ns: int = 60_000_000_000) -> Reference:
    """The rules of the driver's docstring, word by word and nothing else."""
    told = Reference()
    engine = EveryQuoteEngine(venue=case.venue, instruments=INSTRUMENTS, account=case.account)
    desk = ReplayDesk(engine, instrument=INSTRUMENTS[case.name], instruments=INSTRUMENTS, limits=case.limits, write=told.lines.append)
    waiting = list(case.plan)
    next_look_ns = 0
    peak = engine.books.balance
    for time_ns, bid, ask, bid_size, ask_size in case.rows:
        quote = Quote(
            instrument=case.name,
            bid=from_scaled(bid, 0),
            ask=from_scaled(ask, 0),
            bid_size=None if bid_size is None else from_scaled(bid_size, 0),
            ask_size=None if ask_size is None else from_scaled(ask_size, 0),
            time_ns=time_ns,
            feed=FEED,
        )
        while engine.next_expiry_ns is not None and engine.next_expiry_ns <= time_ns:
            engine.on_time(engine.next_expiry_ns)
            desk.record()
        engine.on_quote(quote, now_ns=time_ns, fresh=True)
        desk.record()
        if desk.counts_days and time_ns >= next_look_ns:
            desk.look_at_day(time_ns)
            next_look_ns = time_ns + look_ns
        while waiting and waiting[0].at_ns <= time_ns:
            desk.take(waiting.pop(0), quote)
        account = engine.account(time_ns)
        told.equity.append(account.balance + account.open_pnl)
        peak = max(peak, told.equity[-1])
        told.drawdown = max(told.drawdown, peak - told.equity[-1])
    return told


def scaled(price: str) -> int:
    return int(Decimal(price) * SCALE)
