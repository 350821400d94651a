"""``arena backup`` and ``arena restore`` of an arena that is stopped: the copy is whole, and what is not exactly a copy is never put back."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from brokers.schema import MIGRATIONS
from bus.request_client import RequestClient
from bus.store import StoreLock
from cli.app import app
from runtime.program import prepare_home
from runtime.settings import load_settings
from tests.bus.journals import open_journal
from trading.errors import ArenaError, Unavailable

Arena = Callable[..., Result]


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """The data of an arena that has run once and stands still."""
    settings = load_settings({"ARENA_HOME": str(tmp_path / "var")})
    prepare_home(settings)
    for source in ("oanda", "coinbase"):
        async with await open_journal(settings.data_dir, source, migrations=MIGRATIONS):
            pass
    return settings.data_dir


@pytest.fixture
def arena(data: Path) -> Arena:
    """One ``arena`` command on that arena."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"ARENA_HOME": str(data.parent)})

    return run


def test_a_stopped_arena_is_copied_under_its_owners_locks(arena: Arena, data: Path, tmp_path: Path) -> None:
    done = arena("backup", tmp_path / "copy")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["backup.json", "coinbase.db", "oanda.db"]
    for source in ("oanda", "coinbase"):
        with closing(sqlite3.connect(tmp_path / "copy" / f"{source}.db")) as copy, closing(sqlite3.connect(data / f"{source}.db")) as whole:
            events = "SELECT seq, body FROM events ORDER BY seq"
            assert copy.execute(events).fetchall() == whole.execute(events).fetchall() != []


def test_a_program_is_told_what_was_copied_and_put_back(arena: Arena, tmp_path: Path) -> None:
    done = json.loads(arena("backup", tmp_path / "copy", "--json").stdout)
    assert done == {"ok": True, "directory": str(tmp_path / "copy"), "sources": ["coinbase", "oanda"]}
    back = json.loads(arena("restore", tmp_path / "copy", "--json").stdout)
    assert (back["ok"], back["sources"]) == (True, ["coinbase", "oanda"])
    assert [Path(back["kept"][source]).name for source in back["sources"]] == ["coinbase.db.before-restore-1", "oanda.db.before-restore-1"]


def test_a_copy_is_never_written_over(arena: Arena, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    done = arena("backup", tmp_path / "copy")
    assert done.exit_code == 2
    assert "does not exist" in done.output


def flip_a_bit(copy: Path) -> None:
    whole = (copy / "oanda.db").read_bytes()
    (copy / "oanda.db").write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])


def lose_a_file(copy: Path) -> None:
    (copy / "oanda.db").unlink()


def change_the_manifest(**fields: object) -> Callable[[Path], None]:
    def change(copy: Path) -> None:
        manifest = json.loads((copy / "backup.json").read_text())
        (copy / "backup.json").write_text(json.dumps({**manifest, **fields}))

    return change


def lose_the_manifest(copy: Path) -> None:
    (copy / "backup.json").unlink()


def test_an_owner_that_does_not_answer_yet_is_asked_again(arena: Arena, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds its lock and has not opened its socket, or the machine is too busy to hear of it."""
    answers: list[ArenaError | None] = [Unavailable("not there", code="ADAPTER_DOWN"), Unavailable("not there", code="ADAPTER_DOWN"), None]

    async def call(client: RequestClient, op: str, args: Mapping[str, object], *, timeout_s: float) -> None:
        assert op == "store.backup"
        if (answer := answers.pop(0)) is not None:
            raise answer
        Path(str(args["path"])).write_bytes(b"the owner's copy")

    monkeypatch.setattr("bus.request_client.RequestClient.call", call)
    monkeypatch.setattr("cli.backup.ASK_AGAIN_S", 0.001)
    lock = StoreLock(data / "oanda.db")
    lock.acquire(0)
    try:
        done = arena("backup", tmp_path / "copy")
    finally:
        lock.release()
    assert done.exit_code == 0, done.output
    assert not answers
    assert (tmp_path / "copy" / "oanda.db").read_bytes() == b"the owner's copy"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (flip_a_bit, "missing or changed"),
        (lose_a_file, "missing or changed"),
        (change_the_manifest(version=2), "another version"),
        (change_the_manifest(files={"users.db": {}}), "no program owns"),
        (lose_the_manifest, "is no backup"),
    ],
    ids=["a bit", "a file", "the version", "the owners", "the manifest"],
)
def test_what_is_not_exactly_a_copy_is_refused_and_changes_nothing(
    arena: Arena, data: Path, tmp_path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    assert arena("backup", tmp_path / "copy").exit_code == 0
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    spoil(tmp_path / "copy")
    done = arena("restore", tmp_path / "copy")
    assert done.exit_code == 1
    assert why in done.output
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before
