"""A cursor on disk: how far a tool had come when it stopped, however it stopped.

The file holds one line, the cursor. It is replaced whole (written beside, synced, renamed), so a crash leaves the old line or the new one.
"""

import os
from pathlib import Path

from bus.cursor import CURSOR_BYTES_MAX, Cursor, MalformedCursor

PRIVATE_FILE = 0o600


class CursorFile:
    """The file at ``path``; ``load`` and ``save`` are all there is to it."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).absolute()
        self._saved = ""

    def load(self) -> Cursor | None:
        """The cursor in the file, or None when there is no file yet.

        Raises:
            MalformedCursor: the file holds something else; it is left as it is.
        """
        try:
            text = self._path.read_text(encoding="ascii").strip() if self._path.stat().st_size <= CURSOR_BYTES_MAX + 1 else "?"
            self._saved = text
            return Cursor.parse(text)
        except FileNotFoundError:
            return None
        except (MalformedCursor, UnicodeDecodeError):
            raise MalformedCursor(f"{self._path} holds no cursor: move it away to begin anew, or put the last good one back") from None

    def save(self, cursor: Cursor) -> None:
        """Put ``cursor`` in the place of what the file holds; nothing happens when that is the same.

        Raises:
            OSError: it cannot be written.
        """
        text = str(cursor)
        if text == self._saved:
            return
        beside = self._path.with_name(self._path.name + ".new")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            os.write(handle, text.encode("ascii") + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        beside.replace(self._path)
        self._saved = text
