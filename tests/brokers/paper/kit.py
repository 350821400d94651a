"""Short ways to say what a test of the paper venue needs: instruments, quotes, orders, an engine, and what it told."""

import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.paper.config import PaperAccountConfig
from brokers.paper.engine import PaperEngine
from trading.brackets import Bracket
from trading.changes import Changes
from trading.events import EventDraft
from trading.instruments import Instruments, Side
from trading.orders import BracketOrder, EntryType
from trading.quotes import Quote

CONF = Path(__file__).parents[3] / "conf" / "instruments.toml"
INSTRUMENTS = Instruments.from_config(tomllib.loads(CONF.read_text(), parse_float=Decimal))

# Wednesday, 2014-05-07 12:00 UTC: the forex week is open.
T0 = 1_399_464_000_000_000_000
S = 1_000_000_000
MIN = 60 * S


def D(value: str | int) -> Decimal:  # noqa: N802  (as short as the decimals it makes)
    return Decimal(value)


def oanda(balance: str = "100000") -> PaperEngine:
    return PaperEngine(venue="oanda", instruments=INSTRUMENTS, account=PaperAccountConfig(balance=D(balance), on_margin=True))


def coinbase(balance: str = "100000", btc: str = "1") -> PaperEngine:
    account = PaperAccountConfig(balance=D(balance), holdings={"BTC": D(btc)}, on_margin=False)
    return PaperEngine(venue="coinbase", instruments=INSTRUMENTS, account=account)


def quote(
    bid: str, ask: str, *, at: int = 0, name: str = "EUR_USD", sizes: tuple[str, str] | None = None, feed: str = "replay", **more: Any
) -> Quote:
    """A quote ``at`` nanoseconds after T0; ``sizes`` are of bid and ask."""
    bid_size, ask_size = (None, None) if sizes is None else (D(sizes[0]), D(sizes[1]))
    return Quote(
        instrument=name, bid=D(bid), ask=D(ask), bid_size=bid_size, ask_size=ask_size, time_ns=more.pop("time_ns", T0 + at), feed=feed, **more
    )


def order(
    side: str = "BUY",
    units: str = "100",
    entry: str | None = "1.38500",
    stop: str = "1.38000",
    target: str = "1.39000",
    *,
    name: str = "EUR_USD",
    kind: str = "limit",
    trail: str | None = None,
    ttl_min: str = "360",
    quality: str | None = None,
    ref: str = "test",
) -> BracketOrder:
    return BracketOrder(
        instrument=name,
        side=Side(side),
        units=D(units),
        entry_type=EntryType(kind),
        entry_price=None if entry is None else D(entry),
        stop_loss_price=D(stop),
        take_profit_price=D(target),
        trailing_stop_distance=None if trail is None else D(trail),
        quality_score=None if quality is None else D(quality),
        ttl_min=D(ttl_min),
        client_order_id=ref,
    )


class Desk:
    """An engine that is quoted and ordered at in sequence, a nanosecond apart, and remembers all it said."""

    def __init__(self, engine: PaperEngine) -> None:
        self.engine = engine
        self.now = T0
        self.events: list[EventDraft] = []
        self.changes: list[Changes] = []

    def quote(self, bid: str, ask: str, *, fresh: bool = True, **more: Any) -> list[EventDraft]:
        """Show one quote and return what it caused."""
        self.now += 1
        self.engine.on_quote(quote(bid, ask, at=self.now - T0, **more), now_ns=self.now, fresh=fresh)
        return self.take()

    def place(self, placed: BracketOrder, *, by: str = "ann") -> str:
        """Place without matching; returns the order id."""
        self.now += 1
        bracket = self.engine.place(placed, placed_by=by, now_ns=self.now)
        self.take()
        return bracket.order_id

    def take(self) -> list[EventDraft]:
        changes = self.engine.drain()
        self.changes.append(changes)
        self.events += changes.events
        return list(changes.events)

    def bracket(self, order_id: str) -> Bracket:
        """The newest state of an order, final or not."""
        for changes in reversed(self.changes):
            for bracket in changes.brackets:
                if bracket.order_id == order_id:
                    return bracket
        raise KeyError(order_id)

    def fills(self) -> list[tuple[str, Decimal, Decimal]]:
        """Leg, units and price of all fills so far."""
        return [(str(fill.leg), fill.units, fill.price) for changes in self.changes for fill in changes.fills]


def said(events: Sequence[EventDraft]) -> list[str]:
    """Events as short text: type, leg, and what it was about."""
    lines = []
    for event in events:
        payload = event.payload
        about = [str(payload[name]) for name in ("leg", "price", "fill_units", "reason", "close_reason") if name in payload]
        lines.append(" ".join([str(event.type), *about]))
    return lines
