"""The half of ``arena doctor --live`` that needs no venue: who gets at the money, and what the arena would do with it."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arena_gateway.users import open_users
from brokers.live_doctor import FAIL, OK, WARN
from cli.doctor_live import arena_findings
from runtime.program import prepare_home
from runtime.settings import AuthSettings, GatewaySettings, HttpSettings, MarketDataSettings, Settings, TestSettings

STRONG = "a long and odd sentence"
BOUNDED = {"daily_loss_max": 100, "order_notional_max": 1000, "price_collar_pct": 5}


@pytest.fixture
def arena(tmp_path: Path) -> Settings:
    """One that may go live at OANDA."""
    settings = Settings(home=tmp_path / "var", conf=tmp_path / "arena.toml", market_data=MarketDataSettings(feed=("oanda",)), risk=BOUNDED)
    prepare_home(settings)
    with open_users(settings) as users:
        users.add("ann@desk", STRONG, "admin", by="host")
        users.grant_live("ann@desk", "oanda", notional_per_day_max=Decimal(1000), by="host")
    return settings


def levels(settings: Settings, *, is_root: bool = False) -> dict[str, tuple[str, str]]:
    return {each.check: (each.level, each.say) for each in arena_findings(settings, ["oanda"], is_root=is_root)}


CHANGES: dict[str, tuple[Mapping[str, Any], str, str, str]] = {
    "simulated prices": ({"market_data": MarketDataSettings()}, "feed", FAIL, "ARENA_MARKET_DATA__FEED=oanda"),
    "open registration": ({"auth": AuthSettings(registration="open")}, "registration", FAIL, "ARENA_AUTH__REGISTRATION=auto"),
    "a bind without TLS": (
        {"gateway": GatewaySettings(host="0.0.0.0"), "http": HttpSettings(allow_remote=True)}, "gateway bind", FAIL, "TLS_CERT_FILE",
    ),
    "a stepped clock": ({"test": TestSettings(clock_offset_file="/tmp/x")}, "test clock", FAIL, "unset"),
    "no limits": ({"risk": {}}, "risk limits", WARN, "daily_loss_max"),
    "limits that are none": ({"risk": {"daily_loss_max": "lots"}}, "risk limits", FAIL, "daily_loss_max"),
}  # fmt: skip


def test_what_is_in_order_is_green(arena: Settings) -> None:
    found = levels(arena)
    assert {check: level for check, (level, _) in found.items() if level != OK} == {}
    assert found["grants"][1] == "ann@desk up to 1000 a day"


@pytest.mark.parametrize("name", CHANGES)
def test_each_door_that_is_open_is_named_with_what_to_do(arena: Settings, name: str) -> None:
    change, check, level, said = CHANGES[name]
    found = levels(replace(arena, **change))[check]
    assert found[0] == level
    assert said in found[1]


def test_who_may_trade_is_said_for_each_broker(arena: Settings) -> None:
    with open_users(arena) as users:
        users.revoke_live("ann@desk", "oanda", by="host")
        assert levels(arena)["grants"][0] == WARN
        users.grant_live("ann@desk", "oanda", by="host")
    assert levels(arena)["grants"][0] == FAIL, "without an amount a day"


def test_no_credentials_at_all_is_a_failure(arena: Settings) -> None:
    assert next(iter(arena_findings(arena, [], is_root=False))).level == FAIL


def test_root_is_a_failure(arena: Settings) -> None:
    assert levels(arena, is_root=True)["user"][0] == FAIL
