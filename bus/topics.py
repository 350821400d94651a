"""Topics: how a message is addressed on the bus.

A topic is ``source.type.``, or ``quote.venue.instrument.`` on the socket for quotes, in ASCII. Subscriptions match by byte prefix, so every topic
ends in a dot: ``quote.oanda.EUR_USD.`` must not also match ``quote.oanda.EUR_USDT.``, nor ``oanda.`` the topics of ``oanda2.``.

Source: docs/protocol.md, section 3.
"""

import re
from functools import lru_cache

HEARTBEAT = "heartbeat"
QUOTE_PREFIX = b"quote."

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_INSTRUMENT = re.compile(r"[A-Z0-9]{1,16}(?:[_-][A-Z0-9]{1,16})?")

# The sets of sources, types and instruments are small; the cache has a size because a caller might pass on what strangers sent.
_CACHED_MAX = 1024


@lru_cache(_CACHED_MAX)
def is_name(text: str) -> bool:
    """Whether ``text`` may name a source or a type: a lower-case letter, then at most 31 of a-z, 0-9 and _."""
    return _NAME.fullmatch(text) is not None


@lru_cache(_CACHED_MAX)
def event_topic(source: str, type: str) -> bytes:  # noqa: A002 (the envelope's own word)
    """``b"oanda.order_filled."``.

    Raises:
        ValueError: a name that is none.
    """
    return b"%b.%b." % (_name(source), _name(type))


@lru_cache(_CACHED_MAX)
def quote_topic(venue: str, instrument: str) -> bytes:
    """``b"quote.oanda.EUR_USD."``.

    Raises:
        ValueError: a name that is none.
    """
    if _INSTRUMENT.fullmatch(instrument) is None:
        raise ValueError(f"{instrument!r} is no instrument")
    return b"quote.%b.%b." % (_name(venue), instrument.encode("ascii"))


def heartbeat_topic(program: str) -> bytes:
    """``b"gateway.heartbeat."``: what each program sends every second."""
    return event_topic(program, HEARTBEAT)


def source_prefix(source: str) -> bytes:
    """``b"oanda."``: the subscription to everything of one source. A consumer takes a source whole, or it could not count."""
    return b"%b." % _name(source)


def _name(text: str) -> bytes:
    if not is_name(text):
        raise ValueError(f"{text!r} is no source or type: a-z, 0-9 and _, at most 32")
    return text.encode("ascii")
