"""Files that appear whole or not at all: written beside their place under another name, and moved there when nothing went wrong."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

STANDARD_OUTPUT = Path("-")

Write = Callable[[bytes], object]

_IN_MEMORY_BYTES_MAX = 1 << 24


class CannotWrite(OSError):
    """``filename`` cannot be written, ``strerror`` says why."""


@contextmanager
def whole_file(path: Path) -> Iterator[Write]:
    """Takes the bytes for ``path``, which appears, or replaces what was there, on leaving without an error.

    What is no ordinary file (``-`` for standard output, a pipe, a terminal) gets its bytes all at the end.

    Raises:
        CannotWrite: it, or another such file inside, cannot be written.
    """
    try:
        with _spooled(path) if path == STANDARD_OUTPUT or (path.exists() and not path.is_file()) else _beside(path) as write:
            yield write
    except CannotWrite:
        raise
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror, str(path)) from error


@contextmanager
def _beside(path: Path) -> Iterator[Write]:
    target = path.resolve()  # through a link, to what it points to
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with partial.open("xb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _spooled(path: Path) -> Iterator[Write]:
    with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES_MAX) as kept:
        yield kept.write
        kept.seek(0)
        if path == STANDARD_OUTPUT:
            _copy(cast("BinaryIO", kept), sys.stdout.buffer)
        else:
            with path.open("wb") as file:
                _copy(cast("BinaryIO", kept), file)


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while chunk := source.read(1 << 20):
        target.write(chunk)
    target.flush()
