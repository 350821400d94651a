"""What a venue's price stream says, in words of ours, and what a venue's client must offer to be a live feed.

A client (``oanda``, ``coinbase``) opens a connection and translates each message; it holds nothing back and judges no price. What a price is worth is
for ``stream_state``, when to connect again for ``live``: both venues share them.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Protocol
from urllib.parse import urlsplit

from runtime.http_guard import is_loopback
from runtime.outbound import StreamEnded
from runtime.timestamps import from_text
from trading.money import fits_wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One instrument's best bid and ask, not yet checked against each other.

    ``tradeable`` False: the venue shows it and trades nothing on it. ``asked``: it did not come over the stream, and does not say that the stream
    is well.
    """

    instrument: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    time_ns: int
    tradeable: bool = True
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The stream lives; sent at ``time_ns`` by the venue's clock."""

    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """A message that cannot be read; ``reason`` is for the log and holds nothing of the message."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Messages were lost before this one, and the connection is kept all the same."""


Message = Price | Heartbeat | Garbage | Gap


class VenueRefuses(Exception):
    """The venue will not serve us as we are (a bad token, an unknown account); the message says what to set. Asking again soon is pointless."""


class SequenceGap(StreamEnded):
    """Messages of this connection were lost: only a new one is whole again."""


class VenueStream(Protocol):
    """A venue's client."""

    @property
    def venue(self) -> str:
        """``oanda`` or ``coinbase``; goes into every quote as its feed."""

    @property
    def standing_prices(self) -> bool:
        """Whether a price holds until the venue sends another: a heartbeat then says that it still stands."""

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Message]]]:
        """One connection, and what comes over it until it ends.

        Raises:
            VenueRefuses: on entering or later.
            OutboundError: it could not be opened; StreamEnded, from the iterator, always in the end.
        """


def is_here(url: str) -> bool:
    """Whether ``url`` leads to this machine, to a simulator that is."""
    return is_loopback(urlsplit(url).hostname or "")


class Unreadable(ValueError):
    """A field of a message that is not what it must be; the message names the field."""


def text_of(message: object, field: str) -> str:
    value = message.get(field) if isinstance(message, dict) else None
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{field} is no text")
    return value


def decimal_of(value: object, field: str) -> Decimal:
    """An exact number above or at zero, from a JSON string or number, that can travel on the bus."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Unreadable(f"{field} is no number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Unreadable(f"{field} is no number") from None
    if not fits_wire(number) or number < 0:
        raise Unreadable(f"{field} is no price and no size")
    return number


def time_of(message: object, field: str) -> int:
    """Nanoseconds since 1970, to the microsecond."""
    try:
        return from_text(text_of(message, field))
    except (ValueError, OverflowError):
        raise Unreadable(f"{field} is no time") from None
