"""What the contract suites are played in: a Broker's adapter and the market it trades in, and for a live one its venue seen from the other side."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum

from runtime.settings import Settings
from tests.brokers.desk_kit import Caller

Quoted = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A buy in an instrument of the venue and the quotes (bid, ask) that do something to it.

    ``resting``: nothing happens; ``filling``: a limit entry fills and its exits stand; ``stopping``: the stop is reached; ``taking``: the target.
    ``other_entry`` is another price at which it rests at ``resting`` and fills at ``filling``.
    """

    instrument: str
    units: str
    half: str
    entry: str
    other_entry: str
    stop: str
    target: str
    resting: Quoted
    filling: Quoted
    stopping: Quoted
    taking: Quoted


FOREX = Scene(
    instrument="EUR_USD",
    units="100",
    half="50",
    entry="1.1655",
    other_entry="1.1653",
    stop="1.16",
    target="1.17",
    resting=("1.16600", "1.16610"),
    filling=("1.16500", "1.16510"),
    stopping=("1.15990", "1.16000"),
    taking=("1.17010", "1.17020"),
)
CRYPTO = Scene(
    instrument="BTC-USD",
    units="0.01",
    half="0.005",
    entry="60000",
    other_entry="59950",
    stop="58000",
    target="65000",
    resting=("60500.00", "60500.10"),
    filling=("59900.00", "59900.10"),
    stopping=("57990.00", "57990.10"),
    taking=("65010.00", "65010.10"),
)


class Trouble(StrEnum):
    """What becomes of the next call of a kind (``create``, ``cancel``, ``amend``, ``close``, ``protect``)."""

    REFUSE = "refuse"  # the venue says no
    LOSE = "lose"  # it never arrives, and no answer comes
    SWALLOW = "swallow"  # it is done, and the answer is lost
    SILENCE = "silence"  # it is done, and no answer comes before the time-out


class World(ABC):
    """A Broker's adapter and the market it trades in."""

    source: str
    mode: str
    scene: Scene
    settings: Settings

    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[Caller]:
        """The adapter, reconciled and with quotes at ``scene.resting`` when it opens for the first time; again on the same store every other time."""

    @abstractmethod
    async def market(self, quote: Quoted) -> None:
        """The market quotes this from now on."""


class LiveWorld(World):
    """One whose venue can be seen from the other side."""

    mode = "live"

    @abstractmethod
    def trouble(self, call: str, *what: Trouble) -> None:
        """What becomes of the next calls of this kind."""

    @abstractmethod
    def creates(self) -> Mapping[str, int]:
        """How many orders of ours the venue has ever made, by the client id they carry."""

    @abstractmethod
    async def by_hand(self) -> None:
        """Somebody places the scene's limit order, with its exits, at the venue itself."""

    @abstractmethod
    async def close_by_hand(self) -> None:
        """Somebody closes everything at the venue itself."""

    @abstractmethod
    def refuse_stops(self, *, refuse: bool) -> None:
        """Whether the venue refuses stops from now on: those of a fill and those asked for."""

    @abstractmethod
    def go_away(self, *, away: bool) -> None:
        """The venue cannot be reached, or can again."""
