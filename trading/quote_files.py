"""Recorded quotes from CSV and CSV.gz files: checked, in time order, quickly.

A file begins with a header that names ``time_utc, bid, ask[, bid_size, ask_size]`` in any order, other columns allowed. Two more kinds are read as
they were recorded: ``recv_unix_ns`` for the time with a ``kind`` column (rows other than ``Q`` are not quotes and are passed over), and one-minute
snapshots that name their prices ``bid_close`` and ``ask_close``. A file of trade bars has no quotes and is refused.

Every row is checked: a time that never goes back (without a zone it is UTC), a bid above zero and not above the ask, sizes not below zero, at most
8 decimals. What is wrong is refused with the number of its line (the header is line 1), and so is a gzip file that was cut short; nothing is
skipped, repaired or rounded. Two doors onto the same rows:

- ``iter_blocks`` gives columns of plain integers (nanoseconds, and prices and sizes times ``SCALE``), some ten thousand rows at a time;
- ``iter_quotes`` gives ``Quote`` values one by one, several times slower.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from trading.errors import InvalidRequest
from trading.instruments import Instrument
from trading.quote_rows import DECIMALS_MAX, SCALE, BadHeader, BadRow, Layout, Memo, QuoteBlock
from trading.quotes import Quote

__all__ = ["SCALE", "FileSummary", "QuoteBlock", "QuoteFileError", "check_file", "from_scaled", "instrument_of", "iter_blocks", "iter_quotes"]

# Some 6,000 rows of ticks: enough that the cost of a block vanishes among its rows, and its columns still fit the processor's cache.
_BLOCK_BYTES = 256 * 1024
# A row has a few dozen bytes; a file without line ends must not be read into memory whole.
_LINE_BYTES_MAX = 4096
_GZIP_MAGIC = b"\x1f\x8b"


class QuoteFileError(InvalidRequest):
    """A quote file that cannot be used; ``details`` names ``file`` and, where one is to blame, ``line`` (the header is line 1)."""

    default_code = "QUOTE_FILE_INVALID"

    def __init__(self, path: Path, message: str, *, line: int | None = None) -> None:
        where = {"file": path.name} if line is None else {"file": path.name, "line": line}
        super().__init__(f"{path.name}{'' if line is None else f' line {line}'}: {message}", details=where)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSummary:
    """What a whole file holds: the number of quotes, and the times of the first and the last in nanoseconds."""

    quotes: int
    first_ns: int
    last_ns: int


def iter_blocks(path: Path, *, on_read: Callable[[int], object] | None = None) -> Iterator[QuoteBlock]:
    """The quotes of ``path`` in blocks; by the time a bad row is refused, the blocks before its own have been given.

    Args:
        on_read: is told how many bytes of the file, as it lies on the disk, have been read so far.
    Raises:
        QuoteFileError: the file is not there, has no quotes, is cut short, or has a row that breaks a rule above.
    """
    layout: Layout | None = None
    line, last_ns, found = 1, 0, False
    memo = Memo()
    for text in _lines(path, on_read):
        if layout is None:
            header, _, text = text.partition("\n")  # noqa: PLW2901  the rest of the first block is rows
            try:
                layout = Layout.of_header(header)
            except BadHeader as error:
                raise QuoteFileError(path, str(error), line=1) from None
            line = 2
        try:
            block = layout.read(text, line, last_ns, memo)
        except BadRow as error:
            raise QuoteFileError(path, error.message, line=error.line) from None
        line += text.count("\n")
        if len(block):
            last_ns, found = block.times_ns[-1], True
            yield block
    if not found:
        raise QuoteFileError(path, "is empty" if layout is None else "has a header and no quotes")


def iter_quotes(path: Path, instrument: Instrument, *, feed: str = "replay") -> Iterator[Quote]:
    """The same rows as ``Quote`` values of ``instrument``: prices written in its decimals (more where the file has more), ``synthetic`` False.

    Raises:
        QuoteFileError: as ``iter_blocks``.
    """
    decimals, name = instrument.price_decimals, instrument.name
    for block in iter_blocks(path):
        nothing: list[int | None] = [None] * len(block)
        columns = zip(block.times_ns, block.bids, block.asks, block.bid_sizes or nothing, block.ask_sizes or nothing, strict=True)
        for time_ns, bid, ask, bid_size, ask_size in columns:
            yield Quote(
                instrument=name,
                bid=from_scaled(bid, decimals),
                ask=from_scaled(ask, decimals),
                bid_size=None if bid_size is None else from_scaled(bid_size, 0),
                ask_size=None if ask_size is None else from_scaled(ask_size, 0),
                time_ns=time_ns,
                synthetic=False,
                feed=feed,
            )


def check_file(path: Path) -> FileSummary:
    """Read ``path`` to its end and say what it holds; what passes here gives no error later.

    Raises:
        QuoteFileError: as ``iter_blocks``.
    """
    quotes = first_ns = last_ns = 0
    for block in iter_blocks(path):
        first_ns = first_ns if quotes else block.times_ns[0]
        last_ns = block.times_ns[-1]
        quotes += len(block)
    return FileSummary(quotes=quotes, first_ns=first_ns, last_ns=last_ns)


def instrument_of(path: Path, instruments: Mapping[str, Instrument]) -> Instrument:
    """The instrument that the name of ``path`` speaks of: ``oanda-eurusd-ticks.csv.gz`` is EUR_USD, ``binance-btcusdt.csv`` is BTC-USD.

    Raises:
        QuoteFileError: it speaks of none, or of several.
    """
    letters = "".join(filter(str.isalpha, path.name.lower()))
    named = [instrument for name, instrument in instruments.items() if "".join(filter(str.isalpha, name.lower())) in letters]
    if len(named) != 1:
        found = " and of ".join(instrument.name for instrument in named) or "no instrument we know"
        raise QuoteFileError(path, f"its name speaks of {found}; say which one it holds, as in EUR_USD={path.name}")
    return named[0]


def from_scaled(number: int, decimals: int) -> Decimal:
    """``number / SCALE`` exactly, written with ``decimals`` decimals, or with as many more as it takes."""
    whole, rest = divmod(number, 10 ** (DECIMALS_MAX - decimals))
    if not rest:
        return Decimal(whole).scaleb(-decimals)
    return Decimal(number).scaleb(-DECIMALS_MAX).normalize()


def _lines(path: Path, on_read: Callable[[int], object] | None = None) -> Iterator[str]:
    """The text of ``path`` in pieces of whole lines, a line end added to a last line without one; a BOM and carriage returns are dropped."""
    seen = 0  # lines given so far, for the sentence about a file that ends too early
    rest = b""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            file: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if zipped else raw
            while chunk := file.read(_BLOCK_BYTES):
                if on_read is not None:
                    on_read(raw.tell())
                head, end, tail = (rest + chunk).rpartition(b"\n")
                if len(tail) > _LINE_BYTES_MAX:
                    raise QuoteFileError(path, f"has a line of more than {_LINE_BYTES_MAX} bytes: this is no quote file", line=seen + 1)
                rest = tail
                if end:
                    yield _text(head + end)
                    seen += head.count(b"\n") + 1
        if rest:
            yield _text(rest + b"\n")
    except UnicodeDecodeError as error:
        raise QuoteFileError(path, f"is not text: byte {error.object[error.start]:#04x} after line {seen}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise QuoteFileError(path, f"was cut short or damaged after line {seen} ({error}); fetch it again") from None
    except OSError as error:
        raise QuoteFileError(path, f"cannot be read: {error.strerror}") from error


def _text(lines: bytes) -> str:
    return lines.decode().replace("\r\n", "\n").removeprefix("\ufeff")
