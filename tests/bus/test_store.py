"""bus/store.py: what cannot keep its word does not start, and says why in one sentence."""

import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bus.epoch import SCHEMA
from bus.store import StoreLock, Trouble, classify, filesystem_of, free_bytes, migrate, open_connection, refuse_network_filesystem
from runtime.program import CannotStart


@pytest.fixture
def database(run_dir: Path) -> Path:
    return run_dir / "oanda.db"


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_connection(database)) as opened:
        yield opened


def test_every_setting_is_in_force(connection: sqlite3.Connection) -> None:
    """FULL is 2: with NORMAL an acknowledged order can be lost to a power cut."""
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000, "mmap_size": 0, "journal_size_limit": 67108864}
    wanted |= {"trusted_schema": 0, "cell_size_check": 1, "wal_autocheckpoint": 0}
    found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    assert found == wanted


def test_the_database_and_its_log_are_readable_by_their_owner_alone(connection: sqlite3.Connection, run_dir: Path) -> None:
    migrate(connection, run_dir, SCHEMA, [])
    names = {path.name: path.stat().st_mode & 0o777 for path in run_dir.iterdir()}
    assert names == {"oanda.db": 0o600, "oanda.db-wal": 0o600, "oanda.db-shm": 0o600}


def test_a_damaged_database_is_refused(database: Path) -> None:
    with closing(sqlite3.connect(database)) as made:
        made.execute("CREATE TABLE t (x)")
        made.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(5000)])
        made.commit()
    content = bytearray(database.read_bytes())
    content[4096 : 4096 * 3] = b"\xff" * 8192
    database.write_bytes(content)
    with pytest.raises(CannotStart, match="restore a backup"):
        open_connection(database)


def test_a_file_that_is_no_database_is_refused(database: Path) -> None:
    database.write_bytes(b"not a database, not at all, whatever its name says" * 100)
    with pytest.raises(CannotStart, match=r"oanda\.db"):
        open_connection(database)


def test_a_directory_in_the_place_of_the_database_is_refused(database: Path) -> None:
    database.mkdir()
    with pytest.raises(CannotStart, match="cannot open"):
        open_connection(database)


def test_a_database_of_another_program_is_refused(connection: sqlite3.Connection, database: Path) -> None:
    connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(CannotStart, match="not a journal of the arena"):
        migrate(connection, database, SCHEMA, [])


@pytest.mark.parametrize("pragma", ["user_version=2", "application_id=0x52424A32"])
def test_a_database_of_a_newer_version_is_refused(connection: sqlite3.Connection, database: Path, pragma: str) -> None:
    migrate(connection, database, SCHEMA, ["CREATE TABLE a (x INTEGER) STRICT"])
    connection.execute(f"PRAGMA {pragma}")
    with pytest.raises(CannotStart, match="newer version"):
        migrate(connection, database, SCHEMA, ["CREATE TABLE a (x INTEGER) STRICT"])


def test_each_migration_runs_once_in_order(connection: sqlite3.Connection, database: Path) -> None:
    first, second = "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)", "UPDATE a SET x = x + 1; CREATE TABLE b (y TEXT) STRICT"
    migrate(connection, database, SCHEMA, [first])
    migrate(connection, database, SCHEMA, [first])
    migrate(connection, database, SCHEMA, [first, second])
    migrate(connection, database, SCHEMA, [first, second])
    assert connection.execute("SELECT x FROM a").fetchall() == [(2,)]
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_migration_that_fails_half_way_leaves_nothing(connection: sqlite3.Connection, database: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, database, SCHEMA, ["CREATE TABLE a (x INTEGER) STRICT; CREATE TABLE a (x INTEGER) STRICT"])
    assert not connection.in_transaction
    assert connection.execute("PRAGMA user_version").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'a'").fetchone() == (0,)


def test_a_table_that_is_not_strict_is_a_bug(connection: sqlite3.Connection, database: Path) -> None:
    with pytest.raises(ValueError, match=r"STRICT, .*: loose"):
        migrate(connection, database, SCHEMA, ["CREATE TABLE loose (x INTEGER)"])


def test_a_second_owner_is_refused_with_the_pid_of_the_first(database: Path) -> None:
    first, second = StoreLock(database), StoreLock(database)
    first.acquire()
    with pytest.raises(CannotStart, match=r"oanda.lock is held by another process \(pid \d+\)"):
        second.acquire(seconds_max=0.05)
    first.release()
    second.acquire(seconds_max=0.05)
    second.release()


def hold(database: Path, pipe: Connection) -> None:
    StoreLock(database).acquire()
    pipe.send("held")
    pipe.recv()


def test_the_lock_of_a_process_that_was_killed_is_free(database: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(database, theirs))
    process.start()
    try:
        assert ours.recv() == "held"
        with pytest.raises(CannotStart):
            StoreLock(database).acquire(seconds_max=0.0)
    finally:
        process.kill()
        process.join(20)
    mine = StoreLock(database)
    mine.acquire()
    mine.release()
    process.close()
    ours.close()
    theirs.close()


MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:1 - nfs4 server:/home rw
31 30 0:41 / /home/me/with\\040space rw - fuse.sshfs me@there:/ rw
32 22 0:42 / /srv rw - nfs server:/srv rw
33 22 8:2 / /srv rw - xfs /dev/sdb1 rw
34 22 0:50 / /enc rw - fuse.gocryptfs cipher rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/var/arena", "ext4"), ("/home/me", "nfs4"), ("/home/me/with space/x", "fuse.sshfs"), ("/srv/x", "xfs"), ("/homework", "ext4"), ("/", "ext4")],
)
def test_the_filesystem_is_that_of_the_longest_mount_point_and_the_latest_mount(path: str, kind: str) -> None:
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_a_network_filesystem_is_refused_and_a_local_one_is_not() -> None:
    for path in ("/home/me", "/home/me/with space/x"):
        with pytest.raises(CannotStart, match="local disk"):
            refuse_network_filesystem(Path(path), MOUNTS)
    for path in ("/var/arena", "/srv", "/enc/arena"):
        refuse_network_filesystem(Path(path), MOUNTS)


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (sqlite3.SQLITE_FULL, Trouble.FULL),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Trouble.BUSY),
        (sqlite3.SQLITE_LOCKED, Trouble.BUSY),
        (sqlite3.SQLITE_IOERR_FSYNC, Trouble.DISK),
        (sqlite3.SQLITE_IOERR_WRITE, Trouble.DISK),
        (sqlite3.SQLITE_CORRUPT, Trouble.DISK),
        (sqlite3.SQLITE_READONLY, Trouble.DISK),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, Trouble.BUG),
        (sqlite3.SQLITE_ERROR, Trouble.BUG),
    ],
)
def test_errors_are_sorted_by_what_they_mean(code: int, trouble: Trouble) -> None:
    error = sqlite3.OperationalError("so it goes")
    error.sqlite_errorcode = code
    assert classify(error) is trouble


def test_an_error_that_is_not_the_stores_is_a_bug() -> None:
    assert classify(sqlite3.ProgrammingError("closed")) is Trouble.BUG
    assert classify(OSError(28, "no space")) is Trouble.BUG


def test_free_space_is_what_the_filesystem_says(run_dir: Path) -> None:
    assert free_bytes(run_dir) > 0
