"""Where candles are kept: one SQLite file, one connection, one thread.

Candles are a cache of market data and no money, so ``synchronous=NORMAL`` does: with WAL a killed process loses nothing, a power cut at most the last
second of candles, and no order, position or event depends on them. For the same reason a damaged file is put aside and a new one begun; a file of a
newer version is refused, because somebody may want it back. How much is kept is bounded per granularity (``KEPT``), and nothing is written while
the disk has less room than orders need.

The feed's own snapshot lives here too, written in the same transaction as the candles: prices and charts go on from the same moment.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bus.store import refuse_network_filesystem
from market_data.candles import Candle, Granularity, Ohlc
from runtime.program import CannotStart

T = TypeVar("T")

VERSION = 1

# How many candles of each length are kept for each feed and instrument: a day of the shortest, two years of hours; 15 MB an instrument when full.
KEPT: Mapping[Granularity, int] = {
    Granularity.S5: 17_280,
    Granularity.M1: 20_160,
    Granularity.M5: 25_920,
    Granularity.M15: 17_520,
    Granularity.H1: 17_520,
    Granularity.H4: 21_900,
    Granularity.D: 3_650,
}
# Old candles are looked for once per this many written rows, so that the work follows the market's pace and a fast replay is pruned as it goes.
_PRUNE_ROWS = 5_000
_MB = 1024 * 1024
_CHECKED_MB_MAX = 64  # a fifth of a second at the start; a larger file is believed

_SCHEMA = """
CREATE TABLE candle (
    feed TEXT NOT NULL, instrument TEXT NOT NULL, granularity TEXT NOT NULL, start_s INTEGER NOT NULL,
    bid_open TEXT NOT NULL, bid_high TEXT NOT NULL, bid_low TEXT NOT NULL, bid_close TEXT NOT NULL,
    ask_open TEXT NOT NULL, ask_high TEXT NOT NULL, ask_low TEXT NOT NULL, ask_close TEXT NOT NULL,
    mid_open TEXT NOT NULL, mid_high TEXT NOT NULL, mid_low TEXT NOT NULL, mid_close TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (feed, instrument, granularity, start_s)
) STRICT, WITHOUT ROWID;
CREATE TABLE feed (name TEXT PRIMARY KEY, snapshot TEXT NOT NULL) STRICT;
"""
_COLUMNS = "start_s, bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, ask_low, ask_close, mid_open, mid_high, mid_low, mid_close, count"
_INSERT = "INSERT OR REPLACE INTO candle VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

log = logging.getLogger("market_data")


class CandlesNotKept(Exception):
    """A write that did not happen (a full disk, an I/O error); the candles can be handed in again."""


class CandleStore:
    """Candles and snapshots on disk, for one feed at a time; an async context manager. Every method but ``clear`` may be called at any time.

    Args:
        path: ``data/market_data.db``; hold its lock first.
        feed: whose candles these are. Those of other feeds stay in the file and are never mixed in.
        free_mb_min: nothing is written below this much free space.
    """

    def __init__(self, path: Path, feed: str, *, free_mb_min: int = 0) -> None:
        self._path = path
        self._feed = feed
        self._free_mb_min = free_mb_min
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="candles")
        self._connection: sqlite3.Connection | None = None
        self._unpruned_rows = 0

    async def __aenter__(self) -> Self:
        try:
            self._connection = await self._run(lambda: _open(self._path))
        except BaseException:
            self._thread.shutdown()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._connection is not None:
            await self._run(self._connection.close)
        self._thread.shutdown()

    async def snapshot(self) -> str | None:
        """What the feed kept last, or None."""
        rows = await self._rows("SELECT snapshot FROM feed WHERE name = ?", (self._feed,))
        return str(rows[0][0]) if rows else None

    async def is_empty(self) -> bool:
        """Whether there is no candle of this feed."""
        return not await self._rows("SELECT 1 FROM candle WHERE feed = ? LIMIT 1", (self._feed,))

    async def latest(self) -> list[Candle]:
        """The newest candle of every instrument and granularity."""
        pairs = await self._rows("SELECT instrument, granularity, MAX(start_s) FROM candle WHERE feed = ? GROUP BY 1, 2", (self._feed,))
        found: list[Candle] = []
        for instrument, granularity, start_s in pairs:
            found += await self.candles(str(instrument), Granularity(str(granularity)), count=1, to_s=int(str(start_s)) + 1)
        return found

    async def candles(
        self, instrument: str, granularity: Granularity, *, count: int, from_s: int | None = None, to_s: int | None = None
    ) -> list[Candle]:
        """At most ``count`` candles that start in [``from_s``, ``to_s``), oldest first: the first ones with ``from_s``, else the last ones."""
        conditions, parameters = "feed = ? AND instrument = ? AND granularity = ?", [self._feed, instrument, granularity.value]
        for operator, bound in ((">=", from_s), ("<", to_s)):
            if bound is not None:
                conditions += f" AND start_s {operator} {int(bound)}"
        order = "DESC" if from_s is None else "ASC"
        rows = await self._rows(f"SELECT {_COLUMNS} FROM candle WHERE {conditions} ORDER BY start_s {order} LIMIT {int(count)}", parameters)  # noqa: S608  only our own words and integers
        if from_s is None:
            rows.reverse()
        return [_candle(instrument, granularity, row) for row in rows]

    async def write(self, candles: Sequence[Candle], snapshot: str | None = None) -> None:
        """Put ``candles`` in the place of what was known of their stretches, and keep ``snapshot``, all or nothing.

        Raises:
            CandlesNotKept: nothing was written; try again later.
        """
        await self._run(lambda: self._write(candles, snapshot))

    async def clear(self) -> None:
        """Forget every candle of this feed: a replay begins with an empty chart."""
        await self._rows("DELETE FROM candle WHERE feed = ?", (self._feed,))

    def _write(self, candles: Sequence[Candle], snapshot: str | None) -> None:
        connection = self._db()
        free_mb = shutil.disk_usage(self._path.parent).free // _MB
        if free_mb < self._free_mb_min:
            raise CandlesNotKept(f"{free_mb} MB free, and {self._free_mb_min} MB are kept for orders")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, [_row(self._feed, candle) for candle in candles])
            if snapshot is not None:
                connection.execute("INSERT OR REPLACE INTO feed VALUES (?, ?)", (self._feed, snapshot))
            self._unpruned_rows += len(candles)
            if self._unpruned_rows >= _PRUNE_ROWS:
                self._unpruned_rows = 0
                self._prune(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:  # a full disk rolls back by itself
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):  # a full disk or an I/O error; anything else is a bug or a damaged file
                raise CandlesNotKept(str(error)) from error
            raise

    def _prune(self, connection: sqlite3.Connection) -> None:
        newest = connection.execute("SELECT instrument, granularity, MAX(start_s) FROM candle WHERE feed = ? GROUP BY 1, 2", (self._feed,)).fetchall()
        for instrument, name, start_s in newest:
            granularity = Granularity(name)
            oldest = start_s - KEPT[granularity] * granularity.seconds
            condition = "feed = ? AND instrument = ? AND granularity = ? AND start_s <= ?"
            connection.execute(f"DELETE FROM candle WHERE {condition}", (self._feed, instrument, name, oldest))  # noqa: S608  our own words

    async def _rows(self, sql: str, parameters: Sequence[object]) -> list[tuple[object, ...]]:
        return await self._run(lambda: self._db().execute(sql, parameters).fetchall())

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "use it as an async context manager"
        return self._connection


def _open(path: Path) -> sqlite3.Connection:
    refuse_network_filesystem(path.parent)
    try:
        return _configured(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # a disk or a permission: putting the file aside would not help
            raise CannotStart(f"cannot open {path}: {error}") from error
        aside = path.with_suffix(".damaged")
        log.warning("the candle file is damaged: it is put aside and a new one begun", extra={"error": str(error), "aside": str(aside)})
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _configured(path)


def _configured(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA journal_size_limit = 16777216")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise CannotStart(f"{path} was written by a newer version (schema {version}, this one knows {VERSION}): upgrade, or move the file away")
        if version < VERSION:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if path.stat().st_size < _CHECKED_MB_MAX * _MB else "ok"
        if found != "ok":
            raise sqlite3.DatabaseError(found)
    except BaseException:
        connection.close()
        raise
    return connection


def _row(feed: str, candle: Candle) -> tuple[object, ...]:
    prices = [str(price) for side in (candle.bid, candle.ask, candle.mid) for price in (side.open, side.high, side.low, side.close)]
    return (feed, candle.instrument, candle.granularity.value, candle.start_s, *prices, candle.count)


def _candle(instrument: str, granularity: Granularity, row: Sequence[object]) -> Candle:
    prices = [Decimal(str(price)) for price in row[1:13]]
    return Candle(
        instrument=instrument,
        granularity=granularity,
        start_s=int(str(row[0])),
        bid=Ohlc(*prices[0:4]),
        ask=Ohlc(*prices[4:8]),
        mid=Ohlc(*prices[8:12]),
        count=int(str(row[13])),
    )
