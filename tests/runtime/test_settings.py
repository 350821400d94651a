"""runtime/settings.py: what is refused, what wins, and that every sentence names the setting."""

from decimal import Decimal
from pathlib import Path

import pytest

from runtime.settings import Settings, SettingsError, load_settings


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "arena.toml").write_text("[gateway]\nport = 9000\n")
    (tmp_path / "instruments.toml").write_text("")
    return tmp_path / "arena.toml"


def load(conf: Path, **environ: str) -> Settings:
    return load_settings({"ARENA_CONF": str(conf), "ARENA_HOME": "/tmp/a", **environ})


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(conf: Path) -> None:
    assert load(conf).gateway.port == 9000
    assert load(conf, ARENA_GATEWAY__PORT="9001").gateway.port == 9001
    assert load(conf).dashboard.port == 8080


def test_values_have_their_types(conf: Path) -> None:
    """Money and seconds are Decimal, lists come from commas."""
    settings = load(conf, ARENA_PAPER__QUOTE_STALE_S="2.5", ARENA_HTTP__TRUSTED_PROXIES="10.0.0.1, 10.0.0.2", ARENA_HTTP__ALLOW_REMOTE="true")
    assert settings.paper.quote_stale_s == Decimal("2.5")
    assert settings.http.trusted_proxies == ("10.0.0.1", "10.0.0.2")
    assert settings.http.allow_remote is True


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"ARENA_GATEWAY__PROT": "1"}, "gateway.prot"),
        ({"ARENA_GATEWAY__PORT": "many"}, "gateway"),
        ({"ARENA_GATEWAYS__PORT": "1"}, "gateways"),
        ({"ARENA_AUTH__REGISTRATION": "everybody"}, "auth"),
        ({"ARENA_BUS__SILENCE_S_MAX": "1"}, "silence_s_max"),
        ({"ARENA_AUTH__ACCESS_MIN": "2"}, "access_min"),
        ({"EXECUTION_ENABLED": "yes"}, "EXECUTION_ENABLED"),
        ({"EXECUTION_ENABLED": "True"}, "EXECUTION_ENABLED"),
        ({"EXECUTION_ENABLED": ""}, "EXECUTION_ENABLED"),
        ({"ARENA_HOME": "/tmp/" + "x" * 100}, "ARENA_HOME is too long"),
        ({"EXECUTION_ENABLED": "true", "ARENA_TEST__CLOCK_OFFSET_FILE": "/tmp/x"}, "CLOCK_OFFSET_FILE"),
        ({"ARENA_CONF": "/nowhere/arena.toml"}, "/nowhere/arena.toml"),
    ],
)
def test_what_cannot_work_is_refused_by_name(conf: Path, environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings({"ARENA_CONF": str(conf), "ARENA_HOME": "/tmp/a", **environ})


def test_a_socket_path_of_exactly_107_bytes_is_accepted_and_one_more_is_not(conf: Path) -> None:
    fixed = len("/run/coinbase-orders.sock")
    assert load(conf, ARENA_HOME="/" + "x" * (107 - fixed - 1)).home
    with pytest.raises(SettingsError, match="107"):
        load(conf, ARENA_HOME="/" + "x" * (107 - fixed))


def test_a_broken_file_is_named(conf: Path) -> None:
    conf.write_text("[gateway\n")
    with pytest.raises(SettingsError, match=r"arena\.toml is not valid TOML"):
        load(conf)


def test_the_file_that_ships_is_valid() -> None:
    """The defaults of the repository load, instruments included."""
    settings = load_settings({}, cwd=Path(__file__).parent.parent.parent)
    assert settings.gateway.port == 8787
    assert settings.execution_enabled is False
