"""Facts: what a venue tells, the same from every door (the answer of a call, the stream, a catch-up, a look-up), taken once whatever its door.

Money and sizes are Decimals, never signed, prices in the quote currency, fees and P&L in the account's. Times are integer nanoseconds since 1970,
UTC, on the venue's clock; 0 where the venue does not say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from trading.brackets import Liquidity
from trading.events import CancelReason
from trading.money import nearest
from trading.orders import BracketOrder, CloseReason, Leg

# What an adapter may remember of an entry (``Remembered``).
EXITS, NO_EXITS = "exits", "none"
# What the id of a fill begins with that the core made up, for want of the venue's own word (``brokers.live.made_up``).
MADE_UP = "reconciled."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened at the venue to one bracket, addressed by any id that the core has been told: it tries ``client_id``, then the others.

    ``order_ref`` is the venue's id of an order (entry or exit), ``trade_ref`` of a position it opened. Ids given in a fact are learnt from it.

    ``at`` is where it happened in the venue's own order of things: the number in its log, or the time on its clock where it has no such log. It is
    only ever compared with how far a look reached (``Sighting.until``) in the same order, never with a clock of ours. 0 where it is not said.
    """

    client_id: str = ""
    order_ref: str = ""
    trade_ref: str = ""
    time_ns: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAccepted(Fact):
    """The entry stands under ``order_ref``. After a change that made it a new order, ``replaces`` is the old id; then the end of the old one is no
    ``EntryEnded``. ``price`` and ``expires_ns`` as the venue has them, None where it does not say."""

    replaces: str = ""
    price: Decimal | None = None
    expires_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRefused(Fact):
    """The venue took the request and then refused the order as a whole: nothing filled and nothing will (``FAILED``)."""

    code: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilled(Fact):
    """Some of the entry traded. ``fill_id`` is the venue's and unique in the account: the same id is the same fill.

    ``fee`` is in the account's currency; ``trade_ref`` names the position, where the venue has such a thing.
    """

    fill_id: str
    units: Decimal
    price: Decimal
    fee: Decimal = Decimal(0)
    liquidity: Liquidity = Liquidity.TAKER


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryEnded(Fact):
    """No more of the entry will trade: cancelled, expired, or refused by a check of the venue after it was accepted.

    ``reason`` is USER where somebody asked for it (the core knows whether that was us, and why), TTL_EXPIRED at its date, else what fits best;
    ``text`` is the venue's own word. Not to be told for an entry that filled whole, nor for one that was replaced.
    """

    reason: CancelReason
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryChanged(Fact):
    """The entry rests at the venue as ``order`` says, with other units or prices than it was given: a hand there changed it.

    Told by the core's own comparison. The units are what has filled and what still may. ``has_stop`` False: it will fill without its stop; which
    price that had stays in ``order``, so that it can be asked for again.
    """

    order: BracketOrder
    has_stop: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailingChanged(Fact):
    """A position's stop trails by ``distance`` at the venue, None if by none: a hand there changed it. Told by the core's own comparison."""

    distance: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitFilled(Fact):
    """Some of the position traded out. ``leg`` CLOSE is every market close, ours or not; the core knows whether it asked for one.

    ``realized_pnl`` is what the venue books for it before ``fee``, None where it does not say; ``reason`` overrides what follows from the leg
    (MARGIN_CLOSEOUT). One execution that closes several trades is a fact for each, with a ``fill_id`` for each.
    """

    leg: Leg
    fill_id: str
    units: Decimal
    price: Decimal
    fee: Decimal = Decimal(0)
    liquidity: Liquidity = Liquidity.TAKER
    realized_pnl: Decimal | None = None
    reason: CloseReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegStands(Fact):
    """An exit is working at the venue under ``order_ref``, for ``units``, at ``price`` (the stop's trigger). Tell it only when the venue shows it.

    Of a bracket with several positions, each with an exit of its own, ``trade_ref`` says whose it is. ``is_whole``: told by the core's own
    comparison, of all that stands now.
    """

    leg: Leg
    units: Decimal
    price: Decimal
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LegGone(Fact):
    """The exit ``order_ref`` is off, and it was not a fill that ended it. Of one that was replaced: tell ``LegStands`` of the new one, not this."""

    leg: Leg
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered(Fact):
    """The adapter wants ``memo`` kept with the bracket: merged into ``VenueRefs.memo`` and handed back with every Target. An empty text removes.

    The core reads one word of it: ``EXITS`` is ``NO_EXITS`` where the entry was seen to carry none, so that none are waited for once it fills.
    """

    memo: Mapping[str, str]


class BookingKind(StrEnum):
    """Why the venue moved money that no fill moved."""

    FINANCING = "financing"
    DIVIDEND = "dividend"
    TRANSFER = "transfer"  # paid in or out by a person: no result of trading


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked(Fact):
    """The venue booked ``amount`` of the account's currency that belongs to no fill: above zero it was received. It concerns no bracket.

    ``booking_id`` is the venue's and unique in the account: the same id is the same booking. ``instruments``: how much for which, where it says.
    """

    kind: BookingKind
    booking_id: str
    amount: Decimal
    instruments: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Fact):
    """Something about the account as a whole that a person should know: ``text`` is told as it is."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced(Fact):
    """Something happened that concerns no bracket the adapter can name: the core compares the account with the venue soon. ``text`` for the log."""

    text: str = ""


FactT = TypeVar("FactT", bound=Fact)


def travelling(fact: FactT) -> FactT:
    """``fact`` with numbers that events can carry: one that could not be journalled would end the process, and the next one, over the same fact."""
    numbers = {each.name: value for each in fields(fact) if isinstance(value := getattr(fact, each.name), Decimal)}
    changed = {name: near for name, value in numbers.items() if (near := nearest(value)) != value}
    return replace(fact, **changed) if changed else fact  # type: ignore[arg-type]  # names of its fields that hold numbers
