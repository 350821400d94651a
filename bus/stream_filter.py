"""What a reader of an event stream asks for: ``?types=&sources=&instruments=&replay=&quotes=&last_event_id=``. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bus.ring import Frame, Kind
from bus.topics import HEARTBEAT, is_name
from trading.errors import InvalidRequest

REPLAY_DEFAULT = 50
REPLAY_MAX = 500
NAMES_MAX = 64  # in one list; more is no filter but a mistake
ARENA = "arena"  # the source of the composed heartbeats

NONE: frozenset[str] = frozenset()  # one for all: each empty one would cost 216 bytes

_INSTRUMENT = re.compile(r"[A-Z0-9]{1,16}(?:[_-][A-Z0-9]{1,16})?")
_PARAMETERS = frozenset({"types", "sources", "instruments", "replay", "quotes", "last_event_id"})


@dataclass(frozen=True, slots=True)
class Filter:
    """Names to let through; None is all. Equal filters share their frames."""

    types: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    instruments: frozenset[str] | None = None

    @property
    def is_open(self) -> bool:
        return self.types is None and self.sources is None and self.instruments is None

    def admits(self, frame: Frame) -> bool:
        """Whether ``frame`` is wanted. What tells of missing events passes every filter but that of sources."""
        if self.sources is not None and frame.source not in self.sources:
            return False
        if frame.kind is not Kind.EVENT:
            return True
        return self.admits_event(frame.type, frame.instrument)

    def admits_event(self, kind: str, instrument: object) -> bool:
        return (self.types is None or kind in self.types) and (self.instruments is None or instrument in self.instruments)

    @property
    def admits_heartbeats(self) -> bool:
        """Heartbeats belong to source ``arena`` and to no instrument."""
        return (self.types is None or HEARTBEAT in self.types) and (self.sources is None or ARENA in self.sources)


EVERYTHING = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamQuery:
    """A reader's wishes, checked."""

    filter: Filter = EVERYTHING
    replay: int = REPLAY_DEFAULT
    quotes: frozenset[str] = NONE
    last_event_id: str | None = None


def read_stream_query(query: Mapping[str, str], header: str | None) -> StreamQuery:
    """The wishes in a request's query; ``header`` is its ``Last-Event-ID``, which wins over the parameter.

    Raises:
        InvalidRequest: an unknown parameter, or a value that is none. A cursor is not looked at here: no cursor is a reason to refuse.
    """
    unknown = query.keys() - _PARAMETERS
    if unknown:
        raise InvalidRequest(
            f"{min(unknown)[:64]} is no parameter of this stream; there are {', '.join(sorted(_PARAMETERS))}", code="UNKNOWN_PARAMETER"
        )
    return StreamQuery(
        filter=read_filter(query),
        replay=_replay(query.get("replay")),
        quotes=_listed(query, "quotes", _is_instrument) or NONE,
        last_event_id=header if header is not None else query.get("last_event_id"),
    )


def read_filter(query: Mapping[str, str]) -> Filter:
    wanted = Filter(
        types=_listed(query, "types", is_name), sources=_listed(query, "sources", is_name), instruments=_listed(query, "instruments", _is_instrument)
    )
    return EVERYTHING if wanted == EVERYTHING else wanted


def _is_instrument(text: str) -> bool:
    return _INSTRUMENT.fullmatch(text) is not None


def _listed(query: Mapping[str, str], parameter: str, is_one: Callable[[str], bool]) -> frozenset[str] | None:
    names = [name.strip() for name in query.get(parameter, "").split(",") if name.strip()]
    if not names:
        return None
    if len(names) > NAMES_MAX or not all(is_one(name) for name in names):
        raise InvalidRequest(f"{parameter} takes up to {NAMES_MAX} names with commas between them", code="INVALID_PARAMETER")
    return frozenset(names)


def _replay(text: str | None) -> int:
    if text is None or text == "":
        return REPLAY_DEFAULT
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InvalidRequest(f"replay takes a whole number, at most {REPLAY_MAX}", code="INVALID_PARAMETER")
    return min(int(text), REPLAY_MAX)
