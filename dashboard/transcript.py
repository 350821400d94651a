"""What happened, read from the owners' journals for an export: all sources in the order of their times, filtered, a page at a time.

Memory stays flat however long the journals are: each source is one page ahead, and what has been written is forgotten. Within a source the order is
the journal's; between sources it is that of the times, which is for people (DESIGN section 4).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from bus.codec import MalformedMessage
from bus.envelope import Event, decode_event
from dashboard.narration import Replay
from dashboard.narrator.figures import plain
from dashboard.narrator.reading import number
from trading.errors import ArenaError

PAGE_EVENTS = 500
INSTRUMENT_KEYS = ("instrument", "product_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events are wanted; empty is all of them. ``text`` is looked for in an event's line, whatever its case; times are inclusive."""

    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    instruments: frozenset[str] = frozenset()
    text: str = ""
    since: str = ""
    until: str = ""

    def wants(self, event: Event) -> bool:
        if self.types and event.type not in self.types:
            return False
        if self.instruments and instrument_of(event) not in self.instruments:
            return False
        if self.since and event.ts < self.since:
            return False
        if self.until and event.ts > self.until:
            return False
        return not self.text or self.text.casefold() in f"{event.source} {line_of(event)}".casefold()

    def __str__(self) -> str:
        parts = [
            *(f"{name}: {', '.join(sorted(values))}" for name, values in (("types", self.types), ("sources", self.sources)) if values),
            *([f"instruments: {', '.join(sorted(self.instruments))}"] if self.instruments else []),
            *([f'text: "{self.text}"'] if self.text else []),
            *([f"from {self.since}"] if self.since else []),
            *([f"until {self.until}"] if self.until else []),
        ]
        return "; ".join(parts) or "everything"


@dataclass(slots=True)
class Transcript:
    """Reads the journals behind ``replays`` (source → replay). After reading, ``unavailable`` names the sources that did not answer to the end."""

    replays: Mapping[str, Replay]
    wanted: Filter
    unavailable: list[str] = field(default_factory=list)

    async def events(self) -> AsyncIterator[Event]:
        """The wanted events, oldest first."""
        chosen = [name for name in self.replays if not self.wanted.sources or name in self.wanted.sources]
        readers = [self._source(name) for name in chosen]
        heads = [await anext(reader, None) for reader in readers]
        while any(heads):
            _, index = min((event.ts, place) for place, event in enumerate(heads) if event is not None)
            event = heads[index]
            heads[index] = await anext(readers[index], None)
            if event is not None and self.wanted.wants(event):
                yield event

    async def _source(self, name: str) -> AsyncIterator[Event]:
        """One journal of one epoch from its floor to where it ends when it is read."""
        epoch, after = None, 0
        while True:
            try:
                page = await self.replays[name].fetch(epoch, after, PAGE_EVENTS)
                events = [decode_event(body) for body in page.events]
            except (ArenaError, MalformedMessage):
                self.unavailable.append(name)
                return
            for event in events:
                yield event
            if not events or (epoch is not None and page.epoch != epoch) or (events[-1].seq or 0) >= page.last_seq:
                return
            epoch, after = page.epoch, events[-1].seq or 0


def instrument_of(event: Event) -> str:
    """The instrument of an event; of a feed's event all of them, of a comment none."""
    for key in INSTRUMENT_KEYS:
        value = event.payload.get(key)
        if isinstance(value, str):
            return value
    listed = event.payload.get("instruments")
    return " ".join(str(item) for item in listed) if isinstance(listed, list) else ""


def order_of(event: Event) -> str:
    about = event.payload.get("about")
    value = about.get("order_id") if isinstance(about, dict) else event.payload.get("order_id")
    return value if isinstance(value, str) else ""


def line_of(event: Event) -> str:
    """The event as one line of the feed (DESIGN section 9), without time and icon."""
    said = event.payload
    what = instrument_of(event)
    match event.type:
        case "narration":
            return str(said.get("text") or "")
        case "oco_placed":
            return (
                f"OCO Placed {what} {_text(said, 'side')} {_text(said, 'units')} units | SL: {_text(said, 'sl')}, TP: {_text(said, 'tp')} | "
                f"Mode: {_text(said, 'mode')} | Status: {_text(said, 'status')}"
            )
        case "order_filled" | "order_partially_filled":
            done = "Order Filled" if event.type == "order_filled" else "Order Partially Filled"
            line = f"{done} {what} {_text(said, 'fill_units' if 'fill_units' in said else 'units')} @ {_text(said, 'price')}"
            is_exit = said.get("leg") not in (None, "entry")
            return " | ".join([line, *(f"{key}: {_text(said, key)}" for key in _EXIT_DETAILS if said.get(key) is not None)]) if is_exit else line
        case "order_cancelled":
            return f"Order Cancelled {what} Order ID: {_text(said, 'order_id')}"
    words = event.type.replace("_", " ").capitalize()
    details = [f"{key}: {_text(said, key)}" for key in _DETAILS if said.get(key) is not None]
    return " | ".join([f"{words} {what}".strip(), *details])


_EXIT_DETAILS: Sequence[str] = ("leg", "realized_pnl", "fee")
_DETAILS: Sequence[str] = (
    "order_id",
    "code",
    "status",
    "close_reason",
    "realized_pnl",
    "fees",
    "r_multiple",
    "new",
    "reason",
    "age_ms",
    "silent_s",
    "blind_s",
    "step_s",
)


def _text(said: Mapping[str, object], key: str) -> str:
    value = said.get(key)
    exact = number(value)
    return "" if value is None else plain(exact) if exact is not None else str(value)
