"""What the rules share: the turn of the story they speak about, what its order is called, and what its stop would cost."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from dashboard.narrator import figures
from dashboard.narrator.reading import Happening
from dashboard.narrator.state import KnownOrder, Story, order_of
from dashboard.narrator.wording import pick

# What a rule returns: the text and its tone (plain, good, bad, warning, serious).
Told = tuple[str, str]


class Turn(msgspec.Struct, frozen=True):
    """One event with the story after it.

    ``known`` is its order as it was remembered before the event; ``order`` the same after it, else before it (an event that ends it), else what
    the event itself says of it.
    """

    story: Story
    event: Happening
    name: str
    known: KnownOrder | None
    order: KnownOrder | None

    @property
    def what(self) -> str:
        """ "100 EUR_USD", also of an order that was refused before it had a name; the name where no more is known."""
        order = self.order
        units, instrument = (order.units, order.instrument) if order else (self.event.number("units"), self.event.word("instrument"))
        if instrument is None:
            return self.name
        return f"{figures.plain(units)} {instrument}" if units is not None else instrument

    def pick(self, slot: str, *phrases: str) -> str:
        """The phrase this event has in this slot."""
        return pick(self.event, slot, phrases)


Rule = Callable[[Turn], Told]


def turn_of(story: Story, event: Happening, order_id: str | None, known: KnownOrder | None) -> Turn:
    """The turn of ``event``, past which ``story`` has been moved; ``known`` is what the story held under ``order_id`` before."""
    order = (story.orders.get(order_id) if order_id is not None else None) or known or order_of(event)
    return Turn(story, event, order_id or "an order", known, order)


def side_of(order: KnownOrder) -> str:
    return {"BUY": "long", "SELL": "short"}.get(order.side, order.side or "in")


def loss_at_stop(order: KnownOrder, units: Decimal | None) -> Decimal | None:
    """What the stop would take from ``units`` bought or sold at the entry; negative where the stop locks in a win, None where it cannot be said."""
    entry, stop = order.average_entry, order.first_stop
    if entry is None or stop is None or units is None:
        return None
    return (entry - stop) * units * (1 if order.is_buy else -1)


def at_risk(order: KnownOrder, loss: Decimal) -> str:
    """That loss in words. What a venue will charge is in no journal before it is charged: where fees are usual they are said to be left out."""
    return figures.money(order.instrument, loss) + ("" if figures.is_forex(order.instrument) else " before fees")


def tone_of(pnl: Decimal | None) -> str:
    return "plain" if not pnl else "good" if pnl > 0 else "bad"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentences(*parts: str | None) -> str:
    """The parts that say something, as one line."""
    return " ".join(part for part in parts if part)
