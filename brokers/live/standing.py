"""How a bracket stands at a venue at one moment, as a look shows it."""

from dataclasses import dataclass
from decimal import Decimal

from trading.events import CancelReason
from trading.venue_refs import StandingLeg

NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownExits:
    """Which exits the venue shows: of an entry of which nothing has filled those that it will get, of a position those that stand.

    A hand there can take any of them off.
    """

    has_stop: bool
    has_target: bool
    trailing_stop_distance: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one bracket stands at the venue now. ``remaining_units`` 0: the entry is done, one way or another.

    ``stop`` and ``target``: the exits that work now; attached ones that wait for the entry have ``units`` 0. ``average_price`` of the entry where
    something has filled. ``ended`` is why the entry ended without filling whole, where the venue says. ``exits`` is None where the venue does
    not say. ``note``: what a person should know of it besides, in words that follow its name; it is told when it
    begins to hold, and handed back in ``VenueRefs.memo`` under ``NOTE`` while it does.
    """

    remaining_units: Decimal
    position_units: Decimal
    average_price: Decimal | None = None
    entry_price: Decimal | None = None
    expires_ns: int | None = None
    stop: StandingLeg | None = None
    target: StandingLeg | None = None
    ended: CancelReason | None = None
    exits: ShownExits | None = None
    note: str = ""
