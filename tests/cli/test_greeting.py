"""The greeting of ``arena up``: the addresses that are open, and LIVE where real money moves or may."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bus.curve import KeyRing
from cli import greeting as module
from cli.greeting import bus_line, greeting
from runtime.settings import AuthSettings, MarketDataSettings, Settings


def arena(home: Path, *, live: bool = False, read: str = "auto") -> Settings:
    return Settings(home=home, conf=home / "arena.toml", execution_enabled=live, auth=AuthSettings(read=read))  # type: ignore[arg-type]  # one of three


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """What the adapters answer: a live account's id, empty for paper, None for silence."""
    said: dict[str, str | None] = {"oanda": "", "coinbase": ""}

    async def ask(_: Settings) -> Mapping[str, str | None]:
        await asyncio.sleep(0)
        return said

    monkeypatch.setattr(module, "_ask_all", ask)
    return said


def test_paper_says_so_and_how_to_begin(tmp_path: Path, accounts: dict[str, str | None]) -> None:
    said = greeting(arena(tmp_path))
    assert "RBOT Arena is up (PAPER, no real money moves)." in said
    assert "tcp://127.0.0.1:5571" in said
    assert "/auth/register" in said
    assert "LIVE" not in said


def test_live_names_the_account_and_what_is_needed_before_anybody_trades(tmp_path: Path, accounts: dict[str, str | None]) -> None:
    accounts["oanda"] = "101-001-1234567-001"
    said = greeting(arena(tmp_path, live=True))
    assert "LIVE, REAL MONEY at oanda account 101-001-1234567-001; coinbase paper" in said
    assert "arena doctor --live" in said
    assert "grant-live YOU@HOST oanda" in said
    assert "/auth/register" not in said, "it is closed in live"


def test_prices_that_are_not_the_venues_are_named(tmp_path: Path, accounts: dict[str, str | None]) -> None:
    accounts["oanda"] = "101-001-1234567-001"
    assert "ARENA_MARKET_DATA__FEED=oanda" in greeting(arena(tmp_path, live=True))
    fed = replace(arena(tmp_path, live=True), market_data=MarketDataSettings(feed=("oanda",)))
    assert "ARENA_MARKET_DATA__FEED" not in greeting(fed)


def test_an_adapter_that_may_be_live_and_is_silent_is_not_called_paper(tmp_path: Path, accounts: dict[str, str | None]) -> None:
    accounts["coinbase"] = None
    assert "LIVE, REAL MONEY at coinbase account unknown" in greeting(arena(tmp_path, live=True))
    assert "PAPER, no real money moves)" in greeting(arena(tmp_path)), "without the switch it cannot be live"


def test_the_switch_alone_is_paper_and_says_why(tmp_path: Path, accounts: dict[str, str | None]) -> None:
    said = greeting(arena(tmp_path, live=True))
    assert "PAPER, no real money moves; EXECUTION_ENABLED is true, but no broker has credentials" in said
    assert "/auth/register" not in said, "the switch closes it"
    assert "arena user add" in said


@pytest.mark.parametrize("settings", [{"live": True}, {"read": "token"}])
def test_a_bus_port_that_is_closed_is_not_given_as_an_address(tmp_path: Path, settings: dict[str, bool | str]) -> None:
    closed = arena(tmp_path, **settings)  # type: ignore[arg-type]  # one of the two
    assert "tcp://" not in bus_line(closed)
    assert "arena keys add" in bus_line(closed)
    KeyRing(closed.keys_dir).add("subscribers", "tool", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
    assert bus_line(closed).startswith("tcp://127.0.0.1:5571 (CURVE")
