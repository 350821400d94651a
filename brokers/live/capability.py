"""What a venue can do in an instrument, and the times and rules it wants to be asked by."""

from dataclasses import dataclass
from enum import StrEnum

from trading.orders import EntryType


class Exits(StrEnum):
    """Who makes the exits of an instrument's brackets, and when."""

    ATTACHED = "attached"  # the create carries both; they stand the moment something fills
    AFTER_FILL = "after_fill"  # ``protect`` places both as one order or OCO, and follows the size after each fill
    STOP_ONLY = "stop_only"  # ``protect`` places the stop; the core watches the target and takes it with ``close``
    HELD = "held"  # neither can be placed: the core watches both (``protection: adapter``)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What can be done in one instrument.

    ``trails``: the venue moves a trailing stop by itself; else the core does, with ``amend``. ``ttl_types``: entries that the venue ends at their
    date by itself; the others the core cancels. ``stop_may_rest``: a triggered stop is a limit order and may stay unfilled; the core then watches the
    price and closes what the stop left behind. ``entry_types``: what can be ordered at all. ``attached_types``: of which entries the exits come
    attached, where ``exits`` says so; those of the others are placed after the fill.
    """

    exits: Exits = Exits.ATTACHED
    attached_types: frozenset[EntryType] = frozenset(EntryType)
    trails: bool = True
    ttl_types: frozenset[EntryType] = frozenset({EntryType.LIMIT, EntryType.STOP})
    entry_types: frozenset[EntryType] = frozenset(EntryType)
    stop_may_rest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePolicy:
    """Times and rules of one venue.

    ``call_s_max`` bounds one call, the wait for its turn included. ``resends``: a create in doubt may be sent again, byte for byte, before its
    deadline (the venue answers a known ``client_id`` with the first order); never where the venue could make two of it. ``look_gap_s`` lies between
    the two looks that must both find nothing before an order counts as never arrived; the first one is made no earlier than ``call_s_max`` after
    the send. ``silence_s_max`` without a batch is a dead stream. ``releases``: exits are taken off before a position is closed or an exit is changed;
    a stop then counts for nothing while one of these is in doubt, until it is seen.
    """

    call_s_max: float = 8.0
    resends: bool = False
    look_gap_s: float = 5.0
    silence_s_max: float = 15.0
    reconcile_s: float = 30.0
    releases: bool = False
    attach_s_max: float = 1.0  # how soon after a fill its attached exits must have been told, before they are asked for
