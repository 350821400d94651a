"""Choosing words: varied, and always the same ones for the same event.

Which of several phrasings an event gets comes from a hash of its name (source, epoch, seq) and of the slot in the text, so Rick does not repeat
himself line after line, and yet tells the same journal in the same words on every machine and after every restart.
"""

import hashlib
from collections.abc import Sequence

from dashboard.narrator.reading import Happening


def pick(event: Happening, slot: str, phrases: Sequence[str]) -> str:
    """The phrase this event has in this slot."""
    return phrases[choice(event, slot, len(phrases))]


def choice(event: Happening, slot: str, count: int) -> int:
    """Which of ``count`` phrases this event has in this slot; for who would rather not write those it has not."""
    key = f"{event.source}|{event.epoch}|{event.seq}|{slot}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) % count
