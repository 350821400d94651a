"""``arena doctor`` names each weakness that is planted, says how to mend it, and finds nothing once that is done."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arena_gateway.users import open_users
from bus.curve import KeyRing, new_pair
from cli.weaknesses import weaknesses
from runtime.program import prepare_home
from runtime.settings import AuthSettings, BusSettings, GatewaySettings, HttpSettings, Settings

STRONG = "a strong pass phrase"


def bad(settings: Settings, environ: dict[str, str] | None = None) -> dict[str, str]:
    """What doctor complains about, by its name."""
    return {name: say for name, good, say in weaknesses(settings, environ or {}) if not good}


@pytest.fixture
def clean(settings: Settings, tmp_path: Path) -> Settings:
    settings = replace(settings, conf=tmp_path / "arena.toml")
    prepare_home(settings)
    with open_users(settings) as users:
        users.add("ann@desk", STRONG, "admin", by="host")
    assert bad(settings) == {}
    return settings


def test_a_weak_password_is_named_and_a_changed_one_is_not(clean: Settings) -> None:
    with open_users(clean) as users:
        users.add("trader@test", "pass", "trader", by="host", weak_allowed=True)
        assert "trader@test" in bad(clean)["passwords"]
        assert "arena user passwd" in bad(clean)["passwords"]
        users.set_password("trader@test", "another strong phrase", by="host")
    assert bad(clean) == {}


@pytest.mark.parametrize("place", ["run", "keys/bus/server.key", "data/users.db", "log"])
def test_what_others_can_open_is_named(clean: Settings, place: str) -> None:
    KeyRing(clean.keys_dir).server_pair()
    path = clean.home / place
    mode = path.stat().st_mode
    path.chmod(mode | 0o044)
    found = bad(clean)
    assert str(path) in found["files"]
    assert f"chmod -R go-rwx {clean.home}" in found["files"]
    path.chmod(mode)
    assert bad(clean) == {}


Change = Callable[[Settings], Settings]
OPENINGS: dict[str, tuple[Change, str, str]] = {
    "a bind without TLS": (
        lambda s: replace(s, gateway=GatewaySettings(host="0.0.0.0"), http=HttpSettings(allow_remote=True)), "gateway bind", "TLS_CERT_FILE",
    ),
    "a bind by accident": (lambda s: replace(s, gateway=GatewaySettings(host="0.0.0.0")), "gateway bind", "ALLOW_REMOTE"),
    "a bus for everybody": (lambda s: replace(s, bus=BusSettings(sub_host="0.0.0.0")), "bus port", "arena keys add"),
    "publishers without a key": (lambda s: replace(s, bus=BusSettings(pub_port=5570)), "bus port", "--publisher"),
    "open registration with real money": (
        lambda s: replace(s, execution_enabled=True, auth=AuthSettings(registration="open")), "registration", "REGISTRATION=auto",
    ),
    "open reads with real money": (lambda s: replace(s, execution_enabled=True, auth=AuthSettings(read="open")), "auth.read", "READ=auto"),
}  # fmt: skip


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_door_left_open_is_named_with_its_key(clean: Settings, opening: str) -> None:
    change, name, mend = OPENINGS[opening]
    assert mend in bad(change(clean))[name]


def test_a_bus_with_keys_is_well(clean: Settings) -> None:
    KeyRing(clean.keys_dir).add("subscribers", "tool", new_pair()[0])
    assert bad(replace(clean, bus=BusSettings(sub_host="0.0.0.0"))) == {}


def test_a_grant_without_a_limit_and_a_secret_in_the_environment_are_named(clean: Settings) -> None:
    with open_users(clean) as users:
        users.grant_live("ann@desk", "oanda", by="host")
    found = bad(clean, {"OANDA_API_TOKEN": "planted"})
    assert "ann@desk at oanda" in found["live grants"]
    assert "OANDA_API_TOKEN" in found["secrets"]
    assert "planted" not in str(found)
