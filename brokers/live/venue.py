"""The protocol between the live core and a venue: what an adapter for OANDA, Coinbase or a third broker has to be.

A ``Venue`` speaks the venue's language and nothing else. It runs on the event loop, keeps no order of ours in memory, knows none of our statuses, and
decides nothing: what to do about an answer, or about none, is the core's (``brokers.live.broker``). Everything it needs to know of a bracket comes in
with the call as a frozen ``Intent`` or ``Target``; everything it learns goes out as ``Fact`` values, the same ones from every door: the answer of a
call, the stream, a catch-up, a look-up. The core takes each fact once, whatever door it comes through and however often, so a Venue never has to
wonder whether it has told something before: it tells.

How every call ends, and what the core makes of it:

    returns facts          the venue has said yes; the facts are what it said (they may be none: the stream will tell)
    raises VenueRefused    the venue has said no, and nothing changed there
    raises NotSent         no byte of the request left this process: nothing changed there
    raises VenueMismatch   what the venue holds under our id is not what we sent: alarm, and UNKNOWN until a person looks
    raises anything else   in doubt: it may have happened. The core looks it up and never sends it again blind

So an adapter lets time-outs, lost connections, 5xx, 429 after sending, and answers it cannot read come out as they are. It retries no call that
changes something. It may retry reads. Each call has at most ``VenuePolicy.call_s_max`` seconds and is cancelled then.

Money and sizes are Decimals, never signed (``side`` says which way), prices in the quote currency, fees and P&L in the account's. Times are integer
nanoseconds since 1970, UTC, on the venue's clock; 0 where the venue does not say.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Protocol

from brokers.live.capability import Capability, Exits, VenuePolicy
from brokers.live.facts import (
    EntryAccepted,
    EntryEnded,
    EntryFilled,
    EntryRefused,
    ExitFilled,
    Fact,
    LegGone,
    LegStands,
    Remembered,
    Unplaced,
)
from brokers.live.standing import ShownExits, Standing
from trading.brackets import Protection
from trading.instruments import Instrument, Side
from trading.orders import BracketOrder, EntryType
from trading.venue_refs import VenueRefs

__all__ = [
    "Amendment",
    "Batch",
    "Capability",
    "EntryAccepted",
    "EntryEnded",
    "EntryFilled",
    "EntryRefused",
    "ExitFilled",
    "Exits",
    "Fact",
    "Intent",
    "LegGone",
    "LegStands",
    "NotSent",
    "Remembered",
    "ShownExits",
    "Sighting",
    "Standing",
    "Stranger",
    "Target",
    "Unplaced",
    "Venue",
    "VenueAccount",
    "VenueInfo",
    "VenueMismatch",
    "VenuePolicy",
    "VenueRefused",
    "VenueSnapshot",
    "client_id_of",
    "derived_id",
]

# ── how a call can fail ──


class VenueRefused(Exception):
    """The venue's definite no: nothing changed there. ``code`` is its own word (``INSUFFICIENT_MARGIN``), ``message`` a sentence for a person."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message or code


class NotSent(Exception):
    """No byte left: the connection was refused (``code`` VENUE_UNREACHABLE), or the deadline passed while the request waited (EXPIRED)."""

    def __init__(self, code: str = "VENUE_UNREACHABLE", message: str = "") -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message or code


class VenueMismatch(Exception):
    """Under our id the venue has something else than was sent. ``message`` says what differs."""


# ── what a Venue is told ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A bracket to create, on disk before it is sent. The request must follow from these fields alone, byte for byte.

    Args:
        client_id: 36 characters, a UUID; what this order is called at the venue. Ids of parts are made with ``derived_id``.
        order: the prices, units and types to send; exits included.
        expires_ns: when the unfilled entry ends (wall clock): good till this date, where the venue can.
        cursor_before: where the venue's log stood before anything was sent.
        deadline_boot_ns: on CLOCK_BOOTTIME; from then on it must not be sent any more (raise NotSent ``EXPIRED``). 0: it is too late.
        created_ns: when it was asked for, wall clock.
        is_again: it was sent before and is in doubt. It may have filled, so its answer comes before orders that have not been sent yet.
    """

    client_id: str
    order: BracketOrder
    expires_ns: int
    cursor_before: str
    deadline_boot_ns: int
    created_ns: int
    is_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bracket that the venue has, or may have, as the book knows it: what every call but ``create`` is about.

    ``order`` holds the prices in force, ``stop_price`` where the stop stands now (a trailing one has moved); ``refs`` every id under which the venue
    knows it. ``remaining_units`` of the entry may still fill, ``position_units`` are open.
    """

    order_id: str
    order: BracketOrder
    refs: VenueRefs
    stop_price: Decimal
    expires_ns: int
    remaining_units: Decimal
    position_units: Decimal
    created_ns: int

    @property
    def client_id(self) -> str:
        return self.refs.client_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What is to be changed; None stays. The first two only while nothing has filled: when the venue finds that something has, it refuses.

    ``Target.order`` still holds the old values.
    """

    entry_price: Decimal | None = None
    expires_ns: int | None = None
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    trailing_stop_distance: Decimal | None = None


# ── what the venue holds now ──


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccount:
    """The account's money as the venue reckons it, in ``currency``.

    ``balance`` is settled money (without margin: cash, holds included); ``equity``, ``margin_used``, ``margin_available``, ``open_pnl`` None where
    the venue does not say. ``holdings`` are the other currencies held, all of them, those of our positions included.
    """

    currency: str
    balance: Decimal
    equity: Decimal | None = None
    open_pnl: Decimal | None = None
    margin_used: Decimal | None = None
    margin_available: Decimal | None = None
    reserved: Decimal = Decimal(0)
    holdings: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One look at one bracket: every fact the venue can still give about it (told before or not), then how it stands.

    ``standing`` None: the venue has answered, and has never heard of it (or, for a venue that forgets, no longer knows it). ``lost``: nothing of it
    stands there, and the venue's records do not say any more how it ended; the text is for a person.
    ``until`` is how far the look surely reached in the venue's own order of things (``Fact.at``): what happened up to there is in ``standing``.
    """

    facts: Sequence[Fact] = ()
    standing: Standing | None = None
    lost: str = ""
    until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """An order or a position that belongs to none of the brackets asked about: placed by hand, or by another program.

    ``refs`` as for a bracket of ours (``client_id`` is whatever id it has there, or made with ``derived_id`` from its venue id; the same at every
    look). Exits that it has not got are None. Filled units and open units as in ``Standing``.
    """

    refs: VenueRefs
    instrument: str
    side: Side
    units: Decimal
    entry_type: EntryType
    entry_price: Decimal | None
    standing: Standing
    created_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSnapshot:
    """Everything at one moment: a sighting of each Target asked about, by ``client_id``; what else there is; the account; the log's position."""

    sightings: Mapping[str, Sighting]
    strangers: Sequence[Stranger]
    account: VenueAccount
    cursor: str
    until: int = 0  # of all of it, as in ``Sighting``
    unreadable: Sequence[str] = ()  # a sentence for each thing that belongs to none of the Targets and cannot be read; people are told once
    unclear: Mapping[str, str] = field(default_factory=dict)  # the same of Targets, by ``client_id``: they have no sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Facts in the order in which they happened, and the cursor that a later ``stream`` goes on from when they are kept.

    ``is_live``: everything up to now has been told; the first of a stream that says so ends its catch-up. One without facts is a sign of life, to
    be sent at least every ``VenuePolicy.silence_s_max / 2``.
    """

    facts: Sequence[Fact] = ()
    cursor: str = ""
    is_live: bool = True
    account: VenueAccount | None = None


# ── what a Venue can ──


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueInfo:
    """What ``open`` found: the account, the instruments with the venue's own precision (their ``name`` and ``venue`` are ours), what each can."""

    account: VenueAccount
    instruments: Sequence[Instrument]
    capabilities: Mapping[str, Capability]
    warnings: Sequence[str] = ()
    account_ref: str = ""  # what the credentials are for, where ``Venue.account_id`` can hold several such accounts


class Venue(Protocol):
    """One account at one venue. The core makes no two calls about one bracket at a time, but calls about many side by side."""

    name: str  # "oanda": the source in topics and ids
    account_id: str  # the same at every start, known without asking: the account's number, or what stands for it
    policy: VenuePolicy
    protection: Protection  # who guards stops here as a rule

    async def open(self) -> VenueInfo:
        """Check credentials, permissions and the account; learn what can be traded. Called before anything else and again after trouble.

        Raises:
            VenueRefused: what no repetition mends: a bad token, the wrong account, no right to trade. The core says so and tries again seldom.
        """

    def recognise(self, client_ids: Sequence[str]) -> None:
        """Brackets of ours that have ended: what still stands under their names is ours, and no order of a stranger. Called first of all."""

    async def aclose(self) -> None:
        """Close connections. Never raises."""

    async def create(self, intent: Intent) -> Sequence[Fact]:
        """Send the bracket once. Returns at least ``EntryAccepted``, and what the answer says besides (fills, an end)."""

    async def cancel(self, target: Target) -> Sequence[Fact]:
        """End the unfilled part of the entry. Without ``EntryEnded`` among the facts the venue has only taken the request; the core asks again.

        Raises:
            VenueRefused: there is nothing left to cancel: filled, ended, or never there. The core looks it up.
        """

    async def amend(self, target: Target, change: Amendment) -> Sequence[Fact]:
        """Change all that ``change`` names, or nothing. Tells the new orders (``EntryAccepted`` with ``replaces``, ``LegStands``)."""

    async def protect(self, target: Target) -> Sequence[Fact]:
        """See that exits for ``position_units`` stand at ``stop_price`` and the target price, as ``Capability.exits`` says. Tells ``LegStands``.

        Safe to call at any time and any number of times: what stands already is left or replaced, never doubled. A wrong size is mended.

        Raises:
            VenueRefused: the stop cannot stand. The core closes the position and rings.
        """

    async def close(self, target: Target, units: Decimal) -> Sequence[Fact]:
        """Close ``units`` of the position at the market, once; where exits hold the units, release them first, and place them again for what is left.

        A step that fails after the exits were released comes out as its exception; the core sees from the next look what stands and protects again.
        """

    async def look_up(self, target: Target) -> Sighting:
        """Find out how the bracket stands, from the venue's own records since ``refs.cursor_before``; reads only."""

    async def snapshot(self, targets: Sequence[Target]) -> VenueSnapshot:
        """The same for all ``targets`` at once, with everything else the account holds."""

    def stream(self, cursor: str) -> AsyncIterator[Batch]:
        """Facts from ``cursor`` on, without end: what was missed first, by REST, then what happens. Empty ``cursor``: from now on.

        Ends or raises on any trouble; the core opens the next one from the last cursor it kept, after a pause that grows. What is told twice at
        the seam does no harm, what is left out does.
        """


# ── ids ──

_NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


def client_id_of(instance: str, user: str, client_order_id: str) -> str:
    """What a bracket is called at the venue: always the same for the same order of the same arena, so that a look-up finds exactly it."""
    digest = blake2b("\n".join((instance, user, client_order_id)).encode(), digest_size=16, person=b"rbot-venue-order").digest()
    return str(uuid.UUID(bytes=digest, version=4))


def derived_id(client_id: str, *parts: str) -> str:
    """The id of a part (``"stop"``, ``"exit", "3"``), a UUID too: the same parts give the same id."""
    return str(uuid.uuid5(_NAMESPACE, "/".join((client_id, *parts))))
