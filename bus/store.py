"""The file below a journal: one owner, one connection, settings read back, and no start on a file that cannot keep its word.

A commit that was acknowledged must survive a power cut, so ``synchronous=FULL`` and WAL are not asked for but verified; a network filesystem, whose
locks and syncs promise less, is refused. ``flock`` on the file beside the database comes before anything is opened: two owners of one source would
both be believed. There is never a second connection (SQLite before 3.51.3 can corrupt a WAL that two of them checkpoint), and no other
descriptor of the database may be opened in the process that holds it: closing one would drop SQLite's own locks.

Every refusal is a ``CannotStart`` with one sentence that says what to do.
"""

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from runtime.program import CannotStart

LOCK_S_MAX = 1.0  # a predecessor that was told to stop may still be closing; longer than this, somebody else owns the source
QUICK_CHECK_BYTES_MAX = 256 * 1024 * 1024  # about a second; a larger file is checked by `arena doctor`
APPLICATION_ID = 0x52424A31  # "RBJ1" in the file's header: a journal of the arena

_PRAGMAS: dict[str, object] = {
    "synchronous": 2,  # FULL: NORMAL loses acknowledged orders at a power cut, and then uses their numbers again
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "mmap_size": 0,  # an I/O error in a mapped file is a SIGBUS
    "journal_size_limit": 67_108_864,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "wal_autocheckpoint": 0,  # the writer decides when, or a commit would pay for it
}
_NETWORK_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ocfs2", "gfs2", "beegfs", "davfs"}
)
# Other FUSE filesystems (an overlay of a container, an encrypted directory) are as local as what lies below them.
_NETWORK_FUSE = frozenset({"sshfs", "s3fs", "rclone", "glusterfs", "ceph", "gcsfuse", "juicefs", "curlftpfs"})


class StoreLock:
    """``flock`` on ``data/<source>.lock``: held until :meth:`release` or the end of the process, however it ends."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_suffix(".lock")
        self._fd: int | None = None

    def acquire(self, seconds_max: float = LOCK_S_MAX) -> None:
        """Take the lock, waiting at most ``seconds_max`` for a predecessor to let go.

        Raises:
            CannotStart: somebody else holds it.
        """
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up_at = time.monotonic() + seconds_max
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES} or time.monotonic() >= give_up_at:
                    owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                    os.close(fd)
                    raise CannotStart(f"{self.path} is held by another process (pid {owner or 'unknown'}): only one may own this source") from error
            time.sleep(0.02)
        self._fd = fd
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def filesystem_of(path: Path, mountinfo: str) -> str:
    """The type of the filesystem that ``path`` (absolute, resolved) lives on, by ``/proc/self/mountinfo``."""
    best, kind = -1, "unknown"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        mount_point = Path(fields.split(" ")[4].encode().decode("unicode_escape"))
        # A later line of the same mount point lies over the earlier one.
        if path.is_relative_to(mount_point) and len(mount_point.parts) >= best:
            best, kind = len(mount_point.parts), rest.split(" ")[0]
    return kind


def refuse_network_filesystem(path: Path, mountinfo: str | None = None) -> None:
    """Raise CannotStart when ``path`` lies on a filesystem whose locks and syncs cannot be relied on."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    kind = filesystem_of(path.resolve(), text)
    if kind in _NETWORK_FILESYSTEMS or kind.removeprefix("fuse.") in _NETWORK_FUSE:
        raise CannotStart(f"{path} lies on {kind}, where a commit may be lost: choose an ARENA_HOME on a local disk")


def open_connection(path: Path) -> sqlite3.Connection:
    """The one connection to the database at ``path``, made when absent (mode 0600), every setting verified. Take the lock first.

    Raises:
        CannotStart: no database, damaged, on a network, or it does not take a setting.
    """
    refuse_network_filesystem(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # The writer thread and, for a few short works, the loop's use it in turns, under the writer's lock.
        connection = sqlite3.connect(path, isolation_level=None, timeout=5.0, cached_statements=256, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise CannotStart(f"cannot open {path}: {error}") from error
    try:
        _configure(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise CannotStart(f"cannot use {path}: {error}; look at it with `arena doctor`, or restore a backup") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise CannotStart(f"{path} cannot use a write-ahead log (SQLite answers {mode!r}): choose an ARENA_HOME on a local disk")
    for name, value in _PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}")
        answer = connection.execute(f"PRAGMA {name}").fetchone()
        # A build without memory mapping answers nothing to mmap_size, and that is what is wanted.
        if answer != (value,) and not (name == "mmap_size" and answer is None):
            raise CannotStart(f"SQLite does not take {name}={value} for {path}, it answers {answer}")
    if path.stat().st_size <= QUICK_CHECK_BYTES_MAX:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise CannotStart(f"{path} is damaged ({found}): look at it with `arena doctor`, or restore a backup")


def migrate(connection: sqlite3.Connection, path: Path, own: str, migrations: Sequence[str]) -> None:
    """Bring the tables up to date: ``own`` (the journal's) in a new file, then each of ``migrations`` once, in order, each in a transaction.

    ``PRAGMA user_version`` counts the migrations that have run; a migration, once released, is never edited.

    Raises:
        CannotStart: another kind of file, or one that a newer version wrote.
    """
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application_id == 0 and tables == 0:
        _run_script(connection, own, f"PRAGMA application_id={APPLICATION_ID}")
    elif application_id & ~0xFF != APPLICATION_ID & ~0xFF:
        raise CannotStart(f"{path} is not a journal of the arena: move it away")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id > APPLICATION_ID or version > len(migrations):
        raise CannotStart(f"{path} was written by a newer version of the arena: install that version, or restore a backup made by this one")
    for number, script in enumerate(migrations[version:], start=version + 1):
        _run_script(connection, script, f"PRAGMA user_version={number}")
    loose = [row[1] for row in connection.execute("PRAGMA table_list") if row[0] == "main" and row[2] == "table" and not row[5]]
    loose = [name for name in loose if not name.startswith("sqlite_")]
    if loose:
        raise ValueError(f"tables must be STRICT, or SQLite keeps text where a number belongs: {', '.join(loose)}")


def _run_script(connection: sqlite3.Connection, script: str, last: str) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n;{last};\nCOMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class Trouble(Enum):
    """What an error of SQLite means for who gets it."""

    FULL = "full"  # nothing was written and the file is sound: degraded until there is room
    BUSY = "busy"  # somebody else holds a lock: nothing was written
    DISK = "disk"  # the disk cannot be trusted: end, and recover from the log at the next start
    BUG = "bug"  # ours


def classify(error: BaseException) -> Trouble:
    """Sort an exception by SQLite's result code."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.Error) or not isinstance(code, int):
        return Trouble.BUG
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return Trouble.FULL
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return Trouble.BUSY
    disk = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
    return Trouble.DISK if primary in disk else Trouble.BUG


def free_bytes(directory: Path) -> int:
    """What an unprivileged process may still write to the filesystem of ``directory``."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
