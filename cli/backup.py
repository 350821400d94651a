"""``arena backup`` and ``arena restore``: copies of the journals, made while orders go on, and put back so that nobody is misled.

A backup is a new directory with one database per account and ``backup.json``, which names them with their sizes and hashes. Keys, users, sessions
and logs are left out: a copy lies where copies lie, and must open no door; Rick's comments too, as he tells them anew from the same events. A running
adapter makes its own copy (``store.backup`` on its orders socket); one that does not run is copied here, under its lock.

A restore is refused while any owner runs. Every copy is checked first; the journals that are replaced are kept beside them, and each that is put back
begins a new epoch at its next start, so that whoever had seen more than the copy holds is told and starts anew. Source: RULES R20.
"""

import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from bus.backup import back_up
from bus.epoch import request_new_epoch
from bus.request_client import ADAPTER_DOWN, RequestClient
from bus.store import APPLICATION_ID, StoreLock, open_connection
from cli import exit_codes
from cli.api import settings_or_fail
from cli.output import Json, fail, tell
from runtime.program import CannotStart, prepare_home
from runtime.settings import Settings
from runtime.timestamps import to_text
from trading.errors import ArenaError, Unavailable

MANIFEST = "backup.json"
VERSION = 1
ACCOUNTS = ("coinbase", "oanda")
OWNERS = (*ACCOUNTS, "rick")  # whose locks say whether the arena runs
# A large journal under load: pages go between groups of orders, a megabyte at a time.
BACKUP_S_MAX = 600
# An owner holds its lock before it answers, and on a busy machine a while before.
ANSWER_S_MAX = 15
ASK_AGAIN_S = 0.2


def register(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


def backup(directory: Annotated[Path, typer.Argument(help="A directory that does not exist yet.")], as_json: Json = False) -> None:
    """Copy the journals to DIRECTORY, while the arena runs or not. Keys, users and sessions are left out."""
    settings = settings_or_fail()
    directory = directory.absolute()
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        fail(f"cannot make {directory} ({error.strerror}): name a directory that does not exist, in one that does", exit_codes.USAGE)
    try:
        found = [source for source in ACCOUNTS if (settings.data_dir / f"{source}.db").exists()]
        if not found:
            fail(f"there is no journal in {settings.data_dir}: is ARENA_HOME right?")
        for source in found:
            _copy(settings, source, directory / f"{source}.db")
        _write_manifest(directory, found)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    tell(f"{directory} holds {', '.join(found)}; keys and users are not in it", as_json=as_json, directory=str(directory), sources=found)


def restore(directory: Annotated[Path, typer.Argument(help="What `arena backup` made.")], as_json: Json = False) -> None:
    """Put the journals of DIRECTORY in place of the present ones. Stop the arena first; consumers are told and start anew."""
    settings = settings_or_fail()
    sources = _checked_sources(directory)
    kept: dict[str, str] = {}
    try:
        prepare_home(settings)
        with ExitStack() as held:
            for source in OWNERS:  # all of them: an arena of which one half is older than the other half must not be running meanwhile
                lock = StoreLock(settings.data_dir / f"{source}.db")
                lock.acquire()
                held.callback(lock.release)
            for source in sources:
                aside = _put_back(directory / f"{source}.db", settings.data_dir / f"{source}.db")
                if aside is None:
                    continue
                kept[source] = str(aside)
                if not as_json:  # at once: whoever is interrupted knows how far it came
                    print(f"{source}.db: the journal that was there is kept as {aside.name}")
    except CannotStart as error:
        fail(f"{error}. Stop the arena before a restore; nothing was changed")
    names = ", ".join(sources)
    said = f"restored {names}; what was there before is kept in {settings.data_dir}/*.before-restore-*. Start the arena with: make up"
    tell(said, as_json=as_json, sources=sources, kept=kept)


def _copy(settings: Settings, source: str, target: Path) -> None:
    """By its owner when it runs; by us, under its lock, when nobody does."""
    database = settings.data_dir / f"{source}.db"
    lock = StoreLock(database)
    try:
        lock.acquire(0)
    except CannotStart:
        _ask_owner(settings, source, target)
        return
    try:
        with closing(open_connection(database)) as connection:
            back_up(connection, target, lambda: None)
    except (CannotStart, ArenaError) as error:
        fail(str(error))
    finally:
        lock.release()


def _ask_owner(settings: Settings, source: str, target: Path) -> None:
    async def ask() -> None:
        give_up_at = time.monotonic() + ANSWER_S_MAX
        async with RequestClient(settings.orders_address(source)) as client:
            while True:
                try:
                    await client.call("store.backup", {"path": str(target)}, timeout_s=BACKUP_S_MAX)
                    return
                except Unavailable as error:  # nothing was sent
                    if error.code != ADAPTER_DOWN or time.monotonic() >= give_up_at:
                        raise
                await asyncio.sleep(ASK_AGAIN_S)

    try:
        asyncio.run(ask())
    except ArenaError as error:
        fail(f"{source} runs and did not make its copy: {error.message} [{error.code}]")


def _write_manifest(directory: Path, sources: list[str]) -> None:
    files = {f"{source}.db": _fingerprint(directory / f"{source}.db") for source in sources}
    text = json.dumps({"version": VERSION, "made_at": to_text(_now_ns()), "files": files}, indent=2) + "\n"
    fd = os.open(directory / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _now_ns() -> int:
    from runtime.clock import SystemClock

    return SystemClock().wall_ns()


def _fingerprint(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _checked_sources(directory: Path) -> list[str]:
    """The sources in a backup that is whole: every file as it was written, every database one of ours and sound."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
        files = dict(manifest["files"])
        version = manifest["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"{directory} is no backup of an arena: {MANIFEST} cannot be read ({error})")
    if version != VERSION:
        fail(f"{directory} was made by another version of the arena ({MANIFEST} says {version})")
    sources = [name.removesuffix(".db") for name in files]
    if not sources or not set(sources) <= set(ACCOUNTS):
        fail(f"{directory / MANIFEST} names a journal that no program owns")
    for source in sources:
        path = directory / f"{source}.db"
        if not path.is_file() or _fingerprint(path) != files[path.name]:
            fail(f"{path} is not what was backed up: it is missing or changed; nothing was restored")
        _refuse_unsound(path, source)
    return sources


def _refuse_unsound(path: Path, source: str) -> None:
    # Read-only and immutable: looking must not leave a log beside the copy.
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            ours = connection.execute("PRAGMA application_id").fetchone()[0] & ~0xFF == APPLICATION_ID & ~0xFF
            owner = connection.execute("SELECT source FROM journal").fetchone()
            checked = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        fail(f"{path} cannot be read ({error}); nothing was restored")
    if not ours or owner != (source,) or checked != "ok":
        fail(f"{path} is not a sound journal of {source}; nothing was restored")


def _put_back(copy: Path, database: Path) -> Path | None:
    """The copy in place of ``database``, whole or not at all, its new epoch asked for first; returns where the journal that was there is kept.

    The high-water file stays: it knows what was seen.
    """
    request_new_epoch(database)
    draft = database.with_suffix(".restoring")
    with copy.open("rb") as read, os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as write:
        shutil.copyfileobj(read, write, 1 << 20)
        write.flush()
        os.fsync(write.fileno())
    kept = _set_aside(database)
    draft.replace(database)
    _sync_directory(database.parent)
    return kept


def _set_aside(database: Path) -> Path | None:
    """Keep the present database and move its log out of the way; a log of another database beside the copy would be taken for its own."""
    number = 1
    while (kept := database.with_name(f"{database.name}.before-restore-{number}")).exists():
        number += 1
    if not database.exists():
        return None
    kept.hardlink_to(database)  # so that there is a database at every moment
    for suffix in ("-shm", "-wal"):
        path = database.with_name(database.name + suffix)
        if path.exists():
            path.replace(kept.with_name(kept.name + suffix))
    return kept


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
