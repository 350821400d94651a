"""What the orders of one bracket are called at the venue: each says by its name alone to which bracket it belongs.

The venue finds no order by our id, it only shows the id beside the order. An entry goes by the bracket's ``client_id``, a UUID. Every further
order of that bracket (an exit, a close, an entry with another price) keeps the first 24 characters of it and says in the last twelve what it is,
its number, and a check over both:

    5f3c9f0e-8a41-4c7e-9b1d-2a6f10c4e8d7     the entry
    5f3c9f0e-8a41-4c7e-9b1d-b000031d9e44     its third bracket exit

The same part always has the same id, and the venue answers a known id with the first order: a part that is in doubt is asked for under its own id
again and cannot become two.
"""

import hashlib
from enum import StrEnum

FAMILY_CHARS = 24
_NUMBER_DIGITS = 5  # a trailing stop makes a new exit whenever it moves
_NUMBERS = 16**_NUMBER_DIGITS


class Part(StrEnum):
    """What an order is to its bracket; the value is the digit in its id."""

    ENTRY = "e"
    BRACKET = "b"  # both exits as the venue's one order
    STOP = "d"  # the stop alone
    CLOSE = "c"  # out at the market


def family_of(client_order_id: str) -> str:
    """What all orders of one bracket have in common."""
    return client_order_id[:FAMILY_CHARS]


def part_id(client_id: str, part: Part, number: int) -> str:
    """The id of part ``number`` (from 1) of the bracket ``client_id``."""
    if not 0 < number < _NUMBERS:
        raise ValueError(f"a bracket has at most {_NUMBERS - 1} parts of a kind, not {number}")
    check = hashlib.blake2b(f"{client_id}/{part}/{number}".encode(), digest_size=3).hexdigest()
    return f"{family_of(client_id)}{part}{number:0{_NUMBER_DIGITS}x}{check}"


def read_part(client_id: str, client_order_id: str) -> tuple[Part, int] | None:
    """Which part of the bracket ``client_id`` goes by ``client_order_id``; its entry is number 0, None is somebody else's order."""
    if client_order_id == client_id:
        return Part.ENTRY, 0
    if family_of(client_order_id) != family_of(client_id) or len(client_order_id) != len(client_id):
        return None
    digit, number = client_order_id[FAMILY_CHARS], client_order_id[FAMILY_CHARS + 1 : FAMILY_CHARS + 1 + _NUMBER_DIGITS]
    try:
        part, read = Part(digit), int(number, 16)
    except ValueError:
        return None
    return (part, read) if 0 < read < _NUMBERS and part_id(client_id, part, read) == client_order_id else None
