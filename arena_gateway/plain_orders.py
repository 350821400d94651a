"""The body of a plain order, read in one compiled step; a third of the time of reading it to the letter.

Plain is what nearly every order is: one flat object of a ticket's fields, ASCII without escapes, numbers of at most fifteen characters without an
exponent, nothing null and nothing twice. Such a body says here what ``parse_object`` and ``ticket_args`` say it says. Any other is None: those two
read it, or refuse it and say why.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bus.codec import SIGNIFICANT_DIGITS_MAX
from trading.orders import EntryType, Side

_NUMBER_BELOW = 10**SIGNIFICANT_DIGITS_MAX
_Number = Annotated[int, Meta(gt=-_NUMBER_BELOW, lt=_NUMBER_BELOW)] | Annotated[float, Meta(gt=-_NUMBER_BELOW, lt=_NUMBER_BELOW)]
_Name = Annotated[str, Meta(max_length=64)]


class _PlainOrder(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The fields of a ticket as they stand in a plain body."""

    side: Side
    instrument: _Name | UnsetType = UNSET
    product_id: _Name | UnsetType = UNSET
    entry_type: EntryType | UnsetType = UNSET
    client_order_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,48}\Z")] | UnsetType = UNSET
    units: _Number | UnsetType = UNSET
    size: _Number | UnsetType = UNSET
    entry_price: _Number | UnsetType = UNSET
    stop_loss_price: _Number | UnsetType = UNSET
    take_profit_price: _Number | UnsetType = UNSET
    trailing_stop_distance: _Number | UnsetType = UNSET
    quality_score: _Number | UnsetType = UNSET
    ttl_min: _Number | UnsetType = UNSET


_TEXTS = frozenset({"side", "instrument", "product_id", "entry_type", "client_order_id"})


def _number(text: str) -> int | float | None:
    """A fraction as it travels (``bus.codec.to_wire``); None for one that has to be looked at more closely."""
    if len(text) > SIGNIFICANT_DIGITS_MAX or "e" in text or "E" in text:
        return None
    # Money in a float, unharmed: any decimal of at most 15 significant digits is the shortest form of the float64 nearest to it (DBL_DIG is 15), and
    # the shortest form is what the wire means. A whole one is exact below 2**53, which has 16 digits.
    number = float(text)
    return int(number) if number.is_integer() else number


_DECODER = msgspec.json.Decoder(float_hook=_number)


def read_plain_order(body: bytes) -> dict[str, object] | None:
    """The arguments of ``order.place``, as ``wire.ticket_args`` makes them, without an id if none was given; None when ``body`` is not plain."""
    if not body.isascii() or b"\\" in body:
        return None
    try:
        args: dict[str, object] = _DECODER.decode(body)
        msgspec.convert(args, _PlainOrder)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return None
    # Without escapes each text has two quotation marks, so a key that the decoder saw twice shows in their number.
    texts = len(args) + len(_TEXTS & args.keys())
    return args if body.count(b'"') == 2 * texts else None
