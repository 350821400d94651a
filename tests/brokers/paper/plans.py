"""Plans that hypothesis draws and shrinks (quotes that wander, orders round the market, commands about some order, restarts), and how one is run."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from brokers.paper.engine import PaperEngine
from tests.brokers.paper.kit import INSTRUMENTS, T0, S, coinbase, oanda
from trading.brackets import Bracket, Fill
from trading.changes import Changes
from trading.errors import ArenaError
from trading.instruments import Side
from trading.orders import BracketOrder, EntryType
from trading.quotes import Quote

MID = {"EUR_USD": 138_500, "USD_JPY": 101_700, "BTC-USD": 6_000_000, "ETH-USD": 250_000}  # in ticks
NAMES = {"oanda": ["EUR_USD", "USD_JPY"], "coinbase": ["BTC-USD"]}
STEP_TICKS = 40  # how far one quote may move

Step = tuple[str, Any]


def price(name: str, ticks: int) -> Decimal:
    return ticks * INSTRUMENTS[name].tick


# Made once: a strategy that is made anew for each draw is checked and named anew too, which was most of what a plan cost.
COUNT = st.integers(5, 50)
PASSING_NS = st.sampled_from([1, 1, S, 40 * S])
KINDS = ["quote"] * 12 + ["place"] * 5 + ["match", "cancel", "modify", "close", "time"]
KIND, KIND_OR_RESTART = st.sampled_from(KINDS), st.sampled_from(KINDS + ["restart"] * 2)
NAME = {venue: st.sampled_from(names) for venue, names in NAMES.items()}
WHICH = st.integers(0, 30)

MOVE, LEAP = st.integers(-STEP_TICKS, STEP_TICKS), st.sampled_from([1, 1, 1, 8, 150])
SPREAD = st.integers(0, 12)
SIZE = st.sampled_from([None, None, None, 0, 30, 250])
IS_FRESH = st.sampled_from([True] * 9 + [False])

WHO = st.sampled_from(["ann", "bob"])
SIDE, ENTRY_TYPE = st.sampled_from(list(Side)), st.sampled_from(list(EntryType))
FROM_MID = st.integers(-30, 30)
DISTANCE = st.sampled_from([1, 20, 60, 200, 20_000])
TRAIL = st.sampled_from([None, None, 5, 25])
COINS, UNITS = st.sampled_from(["0.001", "0.2", "0.37", "1.2"]), st.sampled_from(["1", "100", "777", "600000"])
TTL_MIN = st.sampled_from([Decimal("0.5"), Decimal(360), Decimal(360)])

CHANGES = st.dictionaries(st.sampled_from(["stop_loss_price", "take_profit_price", "entry_price"]), st.integers(-60, 60), min_size=1)
PERCENT = st.sampled_from([None, 50, 100])


@st.composite
def plans(draw: st.DrawFn, venue: str, *, restarts: bool = False) -> list[Step]:
    """Steps: quotes that wander, orders round the market, commands about some order, the passing of time."""
    mids = dict(MID)
    steps: list[Step] = []
    now = T0
    for _ in range(draw(COUNT)):
        now += draw(PASSING_NS)
        kind = draw(KIND_OR_RESTART if restarts else KIND)
        name = draw(NAME[venue])
        if kind == "quote":
            moved = mids[name] + draw(MOVE) * draw(LEAP)
            mids[name] = min(max(moved, MID[name] // 2), MID[name] * 2)
            steps.append((kind, (quote_at(name, mids[name], draw(SPREAD), draw(SIZE), now), now, draw(IS_FRESH))))
        elif kind == "place":
            steps.append((kind, (_order(draw, name, mids[name]), draw(WHO), now)))
        elif kind == "modify":
            changes = draw(CHANGES)
            steps.append((kind, (draw(WHICH), {field: price(name, mids[name] + move) for field, move in changes.items()}, now)))
        elif kind == "close":
            steps.append((kind, (name, draw(PERCENT), now)))
        else:
            steps.append((kind, (draw(WHICH), name, now)))
    return steps


def _order(draw: st.DrawFn, name: str, mid: int) -> BracketOrder:
    side, kind = draw(SIDE), draw(ENTRY_TYPE)
    entry = mid + draw(FROM_MID)
    stop = entry - side.sign * draw(DISTANCE)
    target = entry + side.sign * draw(DISTANCE)
    trail = draw(TRAIL)
    return BracketOrder(
        instrument=name,
        side=side,
        units=Decimal(draw(COINS if name == "BTC-USD" else UNITS)),
        entry_type=kind,
        entry_price=None if kind is EntryType.MARKET else price(name, entry),
        stop_loss_price=price(name, stop),
        take_profit_price=price(name, target),
        trailing_stop_distance=None if trail is None else price(name, trail),
        ttl_min=draw(TTL_MIN),
        client_order_id="x",
    )


def quote_at(name: str, mid: int, spread: int, size: int | None, now: int) -> Quote:
    step = INSTRUMENTS[name].step
    sizes = None if size is None else size * step * (1 if name != "BTC-USD" else 1_000_000)
    return Quote(
        instrument=name,
        bid=price(name, mid - spread // 2),
        ask=price(name, mid - spread // 2 + spread),
        bid_size=sizes,
        ask_size=sizes,
        time_ns=now,
        feed="replay",
    )


def fresh_engine(venue: str) -> PaperEngine:
    # Little money, so that margin, close-outs and empty pockets are met often.
    return oanda("30000") if venue == "oanda" else coinbase("30000", "1")


class Run:
    """A plan carried out; ``log`` holds what was drained after each step."""

    def __init__(self, engine: PaperEngine, *, restart_everywhere: bool = False, idle_skips: bool = False) -> None:
        self.engine = engine
        self.log: list[Changes] = []
        self.steps: list[Step] = []
        self.restart_everywhere = restart_everywhere
        self.idle_skips = idle_skips
        self.skipped = 0
        self.rows: dict[int, Bracket] = {}
        self.record: Any = None
        self.venue = engine.venue

    def go(self, steps: list[Step]) -> "Run":
        for step in steps:
            try:
                self.do(step)
            except ArenaError:
                assert not self.engine.drain(), f"{step} was refused and yet changed something"
                self.log.append(Changes())
            if self.restart_everywhere:
                self.restart()
        return self

    def do(self, step: Step) -> None:
        kind, what = step
        self.steps.append(step)
        if kind == "quote":
            self.on_quote(*what)
        elif kind == "place":
            placed, by, now = what
            self.engine.place(placed, placed_by=by, now_ns=now)
        elif kind == "match":
            self.engine.match(what[1], now_ns=what[2], fresh=True)
        elif kind == "time":
            self.engine.on_time(what[2])
        elif kind == "close":
            name, percent, now = what
            self.engine.close(name, percent=None if percent is None else Decimal(percent), now_ns=now)
        elif kind == "restart":
            self.restart()
            return
        else:
            self.about_an_order(kind, what)
        self.keep(self.engine.drain())

    def about_an_order(self, kind: str, what: Any) -> None:
        open_brackets = self.engine.open_brackets()
        if not open_brackets:
            return
        order_id = open_brackets[what[0] % len(open_brackets)].order_id
        if kind == "cancel":
            self.engine.cancel(order_id, reason="user", now_ns=what[2])
        else:
            self.engine.modify(order_id, what[1], now_ns=what[2])

    def on_quote(self, quote: Quote, now: int, fresh: bool) -> None:
        if self.idle_skips:
            idle = self.engine.idle_range(quote.instrument)
            if now < idle.until_ns and idle.holds(quote.bid, quote.ask) and idle.feed in {None, quote.feed}:
                self.skipped += 1
                self.engine.mark(quote, fresh=fresh)
                return
        self.engine.on_quote(quote, now_ns=now, fresh=fresh)

    def keep(self, changes: Changes) -> None:
        self.log.append(changes)
        for bracket in changes.brackets:
            self.rows[bracket.n] = bracket
        if changes.account is not None:
            self.record = changes.account

    def restart(self) -> None:
        """A new engine from what was drained, as after a kill -9."""
        new = fresh_engine(self.venue)
        rows = [row for row in self.rows.values() if not row.is_final]
        new.restore(rows, self.record, self.engine.next_n, market=self.engine.market)
        self.engine = new

    @property
    def fills(self) -> list[Fill]:
        return [fill for changes in self.log for fill in changes.fills]

    def text(self) -> list[str]:
        """Everything that was said, for comparison byte by byte."""
        return [repr((event.type, dict(event.payload), event.ts_ns)) for changes in self.log for event in changes.events]
