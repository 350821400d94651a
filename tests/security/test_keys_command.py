"""``arena keys``: makes, lists and takes away; leaves no secret behind, and says in the audit log who did what."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arena_gateway.audit import page
from arena_gateway.users import open_users
from bus.curve import ClientKeys, KeyRing, new_pair
from cli.app import app
from runtime.settings import Settings

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_HOME", str(settings.home))


def test_adding_writes_the_clients_file_once_and_shows_no_secret(settings: Settings, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["keys", "add", "tool"])
    assert done.exit_code == 0, done.output
    keys = ClientKeys.load(tmp_path / "tool.keys.json")
    assert stat.S_IMODE((tmp_path / "tool.keys.json").stat().st_mode) == 0o600
    assert keys.secret not in done.output
    ring = KeyRing(settings.keys_dir)
    assert ring.clients("subscribers") == {"tool": keys.public}
    assert ring.clients("publishers") == {}
    assert keys.server_public == ring.server_pair()[0]
    assert not any(keys.secret in path.read_text(errors="ignore") for path in settings.home.rglob("*") if path.is_file())
    again = RUNNER.invoke(app, ["keys", "add", "tool", "--out", "other.json"])
    assert again.exit_code == 1
    assert not (tmp_path / "other.json").exists()


def test_a_pair_the_client_made_needs_no_file(settings: Settings, tmp_path: Path) -> None:
    public, _ = new_pair()
    done = RUNNER.invoke(app, ["keys", "add", "writer", "--publisher", "--public", public])
    assert done.exit_code == 0, done.output
    assert list(tmp_path.iterdir()) == []
    assert KeyRing(settings.keys_dir).clients("publishers") == {"writer": public}
    listed = json.loads(RUNNER.invoke(app, ["keys", "list", "--json"]).output)
    assert listed["keys"] == [{"name": "writer", "list": "publishers", "public": public}]


def test_a_file_that_cannot_be_written_leaves_nobody_on_a_list(settings: Settings) -> None:
    assert RUNNER.invoke(app, ["keys", "add", "tool", "--out", "nowhere/k.json"]).exit_code == 1
    assert KeyRing(settings.keys_dir).clients("subscribers") == {}


@pytest.mark.parametrize("arguments", [["add", "../x"], ["add", "x", "--public", "short"], ["remove", "../x"], ["remove", "nobody"]])
def test_what_cannot_be_is_refused(settings: Settings, arguments: list[str]) -> None:
    assert RUNNER.invoke(app, ["keys", *arguments]).exit_code in {1, 2}
    assert KeyRing(settings.keys_dir).clients("subscribers") == {}


def test_who_let_whom_in_and_out_is_written_down(settings: Settings) -> None:
    RUNNER.invoke(app, ["keys", "add", "tool"])
    assert RUNNER.invoke(app, ["keys", "remove", "tool"]).exit_code == 0
    with open_users(settings) as users:
        entries = page(users.store)["entries"]
    assert isinstance(entries, list)
    assert [(entry["action"], entry["subject"], entry["details"]) for entry in entries] == [
        ("bus_key.remove", "tool", {"list": "subscribers"}),
        ("bus_key.add", "tool", {"list": "subscribers"}),
    ]
    assert all(entry["actor"].startswith("host:") for entry in entries)
