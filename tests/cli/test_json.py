"""``--json``: one document from every command that ends, for programs (DESIGN section 11)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.app import app

# They run until they are stopped, say one word, or (keys) print what is pasted elsewhere.
WITHOUT = {"up", "notify", "version", "keys add", "keys remove"}


def commands() -> Iterator[tuple[str, frozenset[str]]]:
    """Every command by its words, with its options."""
    for name, command in typer.main.get_group(app).commands.items():
        inside = getattr(command, "commands", None)
        for words, each in [(name, command)] if inside is None else [(f"{name} {inner}", each) for inner, each in inside.items()]:
            yield words, frozenset(option for parameter in each.params for option in parameter.opts)


def test_every_command_that_ends_speaks_json() -> None:
    assert {name for name, options in commands() if "--json" not in options} == WITHOUT


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["user", "add", "a@desk"], {"user": {"email": "a@desk", "role": "trader"}}),
        (["user", "passwd", "ann@desk"], {"email": "ann@desk"}),
        (["user", "role", "ann@desk", "admin"], {"user": {"email": "ann@desk", "role": "admin"}}),
        (["user", "disable", "ann@desk"], {"email": "ann@desk", "disabled": True}),
        (["user", "grant-live", "ann@desk", "oanda", "--max-notional-per-day", "1000.50"], {"broker": "oanda", "max_notional_per_day": 1000.5}),
        (["user", "revoke-live", "ann@desk", "oanda"], {"broker": "oanda"}),
        (["user", "invite", "--role", "viewer"], {"role": "viewer"}),
    ],
)
def test_what_was_done_as_one_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: dict[str, object]) -> None:
    environment = {"ARENA_HOME": str(tmp_path / "var")}
    monkeypatch.setattr("cli.users._read_password", lambda *_, **__: "a long enough password")  # the runner's standard input is no file
    runner = CliRunner()
    runner.invoke(app, ["user", "add", "ann@desk"], env=environment)
    done = runner.invoke(app, [*arguments, "--json"], env=environment)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["ok"] is True
    for name, value in expected.items():
        assert document[name] == value if not isinstance(value, dict) else value.items() <= document[name].items()
