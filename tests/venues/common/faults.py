"""The fault script: what goes wrong, where, how often. Nothing goes wrong that it does not name.

A fault of HTTP strikes a request that its ``method`` and ``path`` fit; one of a stream strikes a line of it; one of the venue (a halted market, a
refused leg) is read by the matching. Faults are tried in the order they were added, the first that fits and whose dice fall strikes, and one that
has struck ``times`` times is gone. As JSON, at start (``--faults FILE``) and at run time (``POST /_sim/faults``)::

    {"seed": 7, "faults": [{"kind": "drop_after", "method": "POST", "path": "/orders$", "times": 1},
                           {"kind": "error_after", "path": "/orders$", "status": 502, "times": null, "share": 0.1}]}
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """``before``: the venue never saw the request. ``after``: it did all that was asked, and only the answer suffers."""

    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    RATE_LIMIT = "rate_limit"
    SLOW_BEFORE = "slow_before"  # the request arrives late: what it asks for is done ``seconds`` later
    SLOW_AFTER = "slow_after"  # done at once, answered ``seconds`` later
    BROKEN_JSON = "broken_json"
    MISSING_FIELDS = "missing_fields"  # ``fields``, dotted from the top of the body; of a body without any of them, its first key
    EXTRA_FIELDS = "extra_fields"  # every object of the body has a key that nobody has heard of, as new ones appear on real venues

    STREAM_MUTE = "stream_mute"  # the connection stays, nothing comes, no heartbeat either; what was not sent is lost
    STREAM_CUT = "stream_cut"
    STREAM_CUT_MID_LINE = "stream_cut_mid_line"
    STREAM_TWICE = "stream_twice"  # the line comes a second time
    STREAM_SWAP = "stream_swap"  # the line comes after the next one
    STREAM_GAP = "stream_gap"  # the line is lost, and its sequence number with it

    MARKET_HALTED = "market_halted"  # ``instrument``, or all without one
    WEEKEND = "weekend"
    LEG_REFUSED = "leg_refused"  # ``reason`` as the venue would name it
    ORDER_FAILED = "order_failed"  # accepted, and then turned down by the matching; ``reason`` as above
    PARTIAL_FILL = "partial_fill"  # of an entry, only ``portion`` trades


HTTP_KINDS = frozenset(
    {
        Kind.DROP_BEFORE,
        Kind.DROP_AFTER,
        Kind.ERROR_BEFORE,
        Kind.ERROR_AFTER,
        Kind.RATE_LIMIT,
        Kind.SLOW_BEFORE,
        Kind.SLOW_AFTER,
        Kind.BROKEN_JSON,
        Kind.MISSING_FIELDS,
        Kind.EXTRA_FIELDS,
    }
)
STREAM_KINDS = frozenset({Kind.STREAM_MUTE, Kind.STREAM_CUT, Kind.STREAM_CUT_MID_LINE, Kind.STREAM_TWICE, Kind.STREAM_SWAP, Kind.STREAM_GAP})


class FaultError(ValueError):
    """A fault that cannot be; the message names its field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Args:
        method: an HTTP method; any without one.
        path: a regular expression looked for anywhere in the request's path.
        times: how often it strikes; None is without end, until the script is cleared.
        share: how likely it strikes what fits it, 0 to 1.
    """

    kind: Kind
    method: str | None = None
    path: str = ""
    times: int | None = 1
    share: float = 1.0
    status: int = 503
    seconds: float = 30.0
    fields: tuple[str, ...] = ()
    instrument: str | None = None
    reason: str | None = None
    portion: float = 0.5

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise FaultError("times must be at least 1, or null for no end")
        if not 0 < self.share <= 1:
            raise FaultError("share must be above 0 and at most 1")
        try:
            re.compile(self.path)
        except re.error as error:
            raise FaultError(f"path is no regular expression: {error}") from None

    @classmethod
    def from_json(cls, wanted: object) -> "Fault":
        """Raises FaultError for an unknown field, kind, or a value that cannot be."""
        if not isinstance(wanted, Mapping):
            raise FaultError("a fault is a JSON object")
        known = set(cls.__slots__)
        if unknown := sorted(set(wanted) - known):
            raise FaultError(f"unknown field {unknown[0]}; known are {', '.join(sorted(known))}")
        values = dict(wanted)
        try:
            values["kind"] = Kind(str(values.get("kind")))
        except ValueError:
            raise FaultError(f"kind must be one of {', '.join(Kind)}") from None
        values["fields"] = tuple(values.get("fields", ()))
        return cls(**values)

    def fits(self, method: str, path: str) -> bool:
        return (self.method is None or self.method.upper() == method) and re.search(self.path, path) is not None


@dataclass(slots=True)
class _Waiting:
    fault: Fault
    struck: int = 0


@dataclass(slots=True)
class FaultScript:
    """The faults to come. ``seed`` makes the dice of ``share`` fall the same way again."""

    seed: int = 1
    struck: dict[str, int] = field(default_factory=dict)
    _waiting: list[_Waiting] = field(default_factory=list)
    _listeners: list[Callable[[], None]] = field(default_factory=list)
    _dice: Random = field(default_factory=Random)

    def __post_init__(self) -> None:
        self._dice.seed(self.seed)

    def add(self, *faults: Fault) -> None:
        self._waiting.extend(_Waiting(fault) for fault in faults)
        self._tell()

    def clear(self) -> None:
        """Nothing goes wrong from here on."""
        self._waiting.clear()
        self._tell()

    def reseed(self, seed: int) -> None:
        self.seed = seed
        self._dice.seed(seed)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever faults were added or cleared."""
        self._listeners.append(listener)

    def take(self, kinds: Iterable[Kind], *, method: str = "", path: str = "", instrument: str | None = None) -> Fault | None:
        """The fault that strikes here and now, counted as having struck."""
        for waiting in self._waiting:
            if self._is_meant(waiting.fault, kinds, method, path, instrument) and self._dice.random() < waiting.fault.share:
                self._count(waiting)
                return waiting.fault
        return None

    def stands(self, *kinds: Kind, method: str = "", path: str = "", instrument: str | None = None) -> Fault | None:
        """A fault that is a state of affairs and not a stroke, as a halted market is: looked at, not used up."""
        for waiting in self._waiting:
            if self._is_meant(waiting.fault, kinds, method, path, instrument):
                return waiting.fault
        return None

    def as_json(self) -> dict[str, object]:
        return {
            "seed": self.seed,
            "faults": [asdict(each.fault) | {"struck_times": each.struck} for each in self._waiting],
            "struck": dict(self.struck),
        }

    def load(self, wanted: object) -> None:
        """Do what a script in JSON says: ``clear`` first, then ``seed``, then add ``faults``. Raises FaultError, and then nothing has changed."""
        if not isinstance(wanted, Mapping) or set(wanted) - {"seed", "clear", "faults"}:
            raise FaultError("a script is an object with seed, clear and faults")
        faults = [Fault.from_json(each) for each in wanted.get("faults", ())]
        if wanted.get("clear"):
            self.clear()
        if "seed" in wanted:
            self.reseed(int(wanted["seed"]))
        self.add(*faults)

    @staticmethod
    def _is_meant(fault: Fault, kinds: Iterable[Kind], method: str, path: str, instrument: str | None) -> bool:
        return fault.kind in kinds and fault.fits(method, path) and fault.instrument in {None, instrument}

    def _count(self, waiting: _Waiting) -> None:
        waiting.struck += 1
        self.struck[waiting.fault.kind] = self.struck.get(waiting.fault.kind, 0) + 1
        if waiting.fault.times is not None and waiting.struck >= waiting.fault.times:
            self._waiting.remove(waiting)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
