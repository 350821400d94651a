"""Quotes from the bus: one SUB socket for a venue's quotes, drained whenever it has something.

What it is worth is for ``take`` to say. What cannot be decoded is counted and dropped. A quote's age is measured
by the publisher's boot clock where that makes sense (one machine, one boot), else from its receipt, so that quotes which lay in a queue while this
process was frozen are seen to be old.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from bus.codec import MalformedMessage, from_wire
from bus.draining import Context
from bus.envelope import decode_event
from bus.listening import Listening
from runtime.clock import Clock
from trading.quotes import Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A quote and when it was sent, in boot time of this machine."""

    quote: Quote
    sent_boot_ns: int


def read_quote(body: bytes, boot_ns: int) -> Received:
    """The quote in one message body, received at ``boot_ns``.

    Raises:
        MalformedMessage: no envelope, or no quote in it.
    """
    event = decode_event(body)
    payload = event.payload
    try:
        quote = Quote(
            instrument=_text(payload["instrument"]),
            bid=from_wire(payload["bid"]),  # type: ignore[arg-type]  # from_wire refuses what is no number
            ask=from_wire(payload["ask"]),  # type: ignore[arg-type]
            bid_size=_size(payload.get("bid_size")),
            ask_size=_size(payload.get("ask_size")),
            time_ns=_whole(payload["time_ns"]),
            synthetic=payload.get("synthetic") is True,
            feed=_text(payload["feed"]),
        )
        sent_boot_ns = _whole(payload.get("sent_boottime_ns", boot_ns))
    except (KeyError, ValueError) as error:
        raise MalformedMessage(f"no quote: {error}") from None
    # A reading from the future is another machine's, or another boot's: then only the receipt is known.
    return Received(quote=quote, sent_boot_ns=min(sent_boot_ns, boot_ns))


class QuoteIntake(Listening):
    """Reads ``quote.<venue>.`` from the bus and hands each quote to ``take``, on the loop; an async context manager."""

    def __init__(self, address: str, venue: str, take: Callable[[Received], None], clock: Clock, *, context: Context | None = None) -> None:
        topics = [b"quote.%b." % venue.encode("ascii")]
        super().__init__(address, topics, self._read_quote, complaint=f"malformed quotes of {venue}", context=context)
        self._on_quote = take
        self._clock = clock
        self.received = 0

    def _read_quote(self, body: bytes) -> None:
        received = read_quote(body, self._clock.boot_ns())
        self.received += 1
        self._on_quote(received)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")  # noqa: TRY004 (every wrong value is refused the same way)
    return value


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no time")
    return value


def _size(value: object) -> Decimal | None:
    return None if value is None else from_wire(value)  # type: ignore[arg-type]
