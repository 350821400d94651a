"""The replay feed: recorded files played at 1 to 1000 times their speed, in their own market time.

Files that overlap in time, and all files of one instrument, share one clock and keep their distance to the nanosecond. Files that never met (ticks
of 2014 beside a book of 2024) are played side by side, each from its own first quote. Every file is read to its end before the first quote is given:
a broken row two hours into a replay helps nobody. At the end of the files the feed ends, and its last prices grow stale.
"""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from market_data.feeds.base import FeedState, FeedStatus, Sleep
from runtime.clock import NS_PER_S, Clock
from runtime.timestamps import to_text
from trading.instruments import Instrument
from trading.quote_files import FileSummary, QuoteFileError, check_file, instrument_of, iter_quotes
from trading.quotes import Quote

NAME = "replay"
SPEED_MIN, SPEED_MAX = Decimal(1), Decimal(1000)

# How much is handed over at once: enough to amortise a wake-up at 1000x, little enough (about 10 ms) that a heartbeat is never late.
BATCH_QUOTES_MAX = 200
# What is due within this time is handed over with what is due now: a timer a quote would cost more than the quote.
EARLY_S_MAX = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One checked file. ``origin_ns`` is the market time that is played at the replay's start."""

    path: Path
    instrument: Instrument
    summary: FileSummary
    origin_ns: int


class ReplayRefused(ValueError):
    """Settings or files that cannot be replayed; the message says which and why."""


def open_recordings(entries: Sequence[str], instruments: Mapping[str, Instrument], base: Path) -> list[Recording]:
    """The files named by ``entries``, each ``path`` or ``EUR_USD=path``, relative ones below ``base``; every row of them is read and checked.

    Raises:
        ReplayRefused: no entry, an unknown instrument, or a file that is not right.
    """
    if not entries:
        raise ReplayRefused("the replay feed needs files: set ARENA_MARKET_DATA__REPLAY_FILES=path[,EUR_USD=path…]")
    found: list[tuple[Path, Instrument, FileSummary]] = []
    for entry in entries:
        name, mapped, rest = entry.partition("=")
        path = base / (rest if mapped else entry)
        if mapped and name not in instruments:
            raise ReplayRefused(f"replay_files: {name} is no instrument of conf/instruments.toml; known are {', '.join(instruments)}")
        try:
            found.append((path, instruments[name] if mapped else instrument_of(path, instruments), check_file(path)))
        except QuoteFileError as error:
            raise ReplayRefused(f"replay_files: {error.message}") from None
    origins = _origins([(instrument.name, summary) for _, instrument, summary in found])
    return [
        Recording(path=path, instrument=instrument, summary=summary, origin_ns=origin)
        for (path, instrument, summary), origin in zip(found, origins, strict=True)
    ]


def _origins(files: Sequence[tuple[str, FileSummary]]) -> list[int]:
    """For each file the first moment of its group: files that overlap in time or hold one instrument, directly or through others."""
    group = list(range(len(files)))
    for one, (name, span) in enumerate(files):
        for other, (other_name, other_span) in enumerate(files[:one]):
            overlap = span.first_ns <= other_span.last_ns and other_span.first_ns <= span.last_ns
            if (overlap or name == other_name) and group[one] != group[other]:
                group = [group[other] if member == group[one] else member for member in group]
    return [min(span.first_ns for (_, span), member in zip(files, group, strict=True) if member == mine) for mine in group]


class ReplayFeed:
    """Plays ``recordings`` at ``speed`` times real time.

    Args:
        sleep: a test's own.
    """

    name = NAME

    def __init__(self, recordings: Sequence[Recording], speed: Decimal, clock: Clock, *, sleep: Sleep = asyncio.sleep) -> None:
        if not SPEED_MIN <= speed <= SPEED_MAX:
            raise ReplayRefused(f"market_data.replay_speed is {speed}; it must be {SPEED_MIN} to {SPEED_MAX}")
        self._recordings = recordings
        self._speed = float(speed)
        self._clock = clock
        self._sleep = sleep
        self.status = FeedStatus(state=FeedState.STARTING)

    async def batches(self) -> AsyncGenerator[Sequence[Quote], None]:
        files = ", ".join(recording.path.name for recording in self._recordings)
        self.status = FeedStatus(state=FeedState.RUNNING, detail=f"replaying {files} at {self._speed:g}x")
        started_ns = self._clock.boot_ns()
        batch: list[Quote] = []
        last_ns = 0
        try:
            for elapsed_ns, quote in heapq.merge(*map(_timed, self._recordings), key=lambda timed: timed[0]):
                ahead_s = elapsed_ns / self._speed / NS_PER_S - (self._clock.boot_ns() - started_ns) / NS_PER_S
                if batch and (ahead_s > EARLY_S_MAX or len(batch) >= BATCH_QUOTES_MAX):
                    yield batch
                    batch = []
                if ahead_s > EARLY_S_MAX:
                    await self._sleep(ahead_s)
                batch.append(quote)
                last_ns = quote.time_ns
        except QuoteFileError as error:  # it was whole at the start: somebody changed it since
            self.status = FeedStatus(state=FeedState.FAILED, detail=error.message)
        else:
            self.status = FeedStatus(
                state=FeedState.ENDED, detail=f"{files}: the recording ended at {to_text(last_ns)}; prices are stale from here on"
            )
        if batch:
            yield batch

    def snapshot(self) -> None:
        """Nothing: a replay always begins at the beginning."""

    def counts(self) -> Mapping[str, int]:
        return {}


def _timed(recording: Recording) -> Iterator[tuple[int, Quote]]:
    """Each quote with the market time that has passed since the replay's start."""
    quotes: Iterable[Quote] = iter_quotes(recording.path, recording.instrument, feed=NAME)
    return ((quote.time_ns - recording.origin_ns, quote) for quote in quotes)
