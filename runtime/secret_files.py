"""Secrets of the environment: from the file that ``NAME_FILE`` names, or, with a warning, from ``NAME`` itself (S-K1).

A file is believed only when it is a plain file of ours that nobody else can read. A secret is wrapped in ``Secret``, which shows nothing when it is
printed, logged or part of a dataclass's repr; ``reveal`` is called where it is sent or signed with, and its result is kept nowhere. Children
never get one: nothing here goes into an argument list.
"""

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from runtime.program import CannotStart

SECRET_BYTES_MAX = 16 * 1024  # the longest is a private key in PEM, under 4 KiB

log = logging.getLogger(__name__)


class Secret:
    """A text that is not shown. Two are never compared, and none can be pickled or copied into a log."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one line that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def is_given(environ: Mapping[str, str], name: str) -> bool:
    """Whether ``name`` or ``name_FILE`` is set to something; the file is not looked at."""
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def read_secret(environ: Mapping[str, str], name: str, *, warn: bool = True) -> Secret:
    """The secret called ``name``, without the white space around it.

    Args:
        warn: whether it is one that should not stand in the environment; an account's number may.
    Raises:
        CannotStart: not set, set twice, or a file that cannot be trusted; the message says what to do and never what the file holds.
    """
    value = environ.get(name, "")
    file = environ.get(f"{name}_FILE", "")
    if value and file:
        raise CannotStart(f"both {name} and {name}_FILE are set: keep {name}_FILE and unset {name}, so that it is clear which one counts")
    if file:
        return Secret(_read(f"{name}_FILE", Path(file)))
    if not value.strip():
        raise CannotStart(f"{name} is not set: write it to a file with mode 0600 and name that file in {name}_FILE")
    if warn:
        log.warning(
            "a secret is in the environment, where every child and the owner's other programs can read it", extra={"name_file": f"{name}_FILE"}
        )
    return Secret(value.strip())


def _read(setting: str, path: Path) -> str:
    try:
        # One descriptor for the checks and the reading, so that what was checked is what is read; a FIFO must not hold the start up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise CannotStart(f"{setting}={path} cannot be opened: {error.strerror}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise CannotStart(f"{setting}={path} is not a plain file")
        if found.st_uid != os.geteuid():
            raise CannotStart(f"{setting}={path} belongs to another user: make a copy that is yours, with mode 0600")
        if found.st_mode & 0o177:
            raise CannotStart(f"{setting}={path} has mode {stat.S_IMODE(found.st_mode):04o} and must have 0600: chmod 600 {path}")
        content = os.read(descriptor, SECRET_BYTES_MAX + 1)  # a plain file of this size is read whole
    finally:
        os.close(descriptor)
    if len(content) > SECRET_BYTES_MAX:
        raise CannotStart(f"{setting}={path} has more than {SECRET_BYTES_MAX} bytes: that is no key")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise CannotStart(f"{setting}={path} is not text") from None
    if not text or "\0" in text:
        raise CannotStart(f"{setting}={path} is empty" if not text else f"{setting}={path} is not text")
    return text
