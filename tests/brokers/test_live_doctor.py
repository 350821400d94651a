"""What ``arena doctor --live`` finds out from a venue: green where all is well, and each thing that is wrong named, without anything being placed."""

import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from brokers import live_doctor
from brokers.coinbase import stream
from brokers.live_doctor import FAIL, OK, WARN, Finding, examine
from runtime.clock import Clock, SystemClock
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda.account import AccountConfig
from tests.venues.oanda.venue import OandaVenue
from trading.instruments import Instruments


class Ahead(SystemClock):
    """A machine whose clock is wrong."""

    def __init__(self, seconds: int) -> None:
        super().__init__(None)
        self._ahead_ns = seconds * 1_000_000_000

    def wall_ns(self) -> int:
        return super().wall_ns() + self._ahead_ns


@pytest_asyncio.fixture
async def oanda() -> AsyncIterator[OandaVenue]:
    async with OandaVenue(config=AccountConfig(hedging=True), heartbeat_s=0.1) as venue:
        yield venue


@pytest_asyncio.fixture
async def coinbase() -> AsyncIterator[CoinbaseVenue]:
    async with CoinbaseVenue() as venue:
        yield venue


def files(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` with its secrets in files of their own."""
    found = dict(environ)
    for name in ("OANDA_API_TOKEN", "OANDA_ACCOUNT_ID", "COINBASE_API_KEY", "COINBASE_API_SECRET"):
        if name in found:
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(found.pop(name))
            found[f"{name}_FILE"] = str(folder / name)
    return found


async def looked(source: str, instruments: Instruments, environ: Mapping[str, str], clock: Clock | None = None) -> dict[str, Finding]:
    """The findings by check; of several the worst."""
    found = await examine(source, instruments=instruments, clock=clock or SystemClock(), environ=environ)
    assert all(each.source == source for each in found)
    ranks = {OK: 0, WARN: 1, FAIL: 2}
    return {each.check: each for each in sorted(found, key=lambda each: ranks[each.level])}


async def test_an_account_that_is_in_order_is_green_and_nothing_was_placed(oanda: OandaVenue, instruments: Instruments, tmp_path: Path) -> None:
    found = await looked("oanda", instruments, files(tmp_path, oanda.addresses()))
    assert {check: each.level for check, each in found.items()} == {
        "credentials": OK, "address": WARN, "account": OK, "funds": OK, "precision": OK, "stream": OK, "clock": OK,
    }  # fmt: skip
    assert found["address"].say.endswith("a simulator on this machine")
    assert oanda.account_id in found["account"].say
    assert oanda.hits.orders() == 0


async def test_a_coinbase_key_is_looked_at_the_same_way(
    coinbase: CoinbaseVenue, instruments: Instruments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LIFE_S", 0.1)
    environ = files(tmp_path, {**coinbase.addresses(), "COINBASE_API_SECRET": coinbase.key.secret})
    coinbase.set_state({"options": {"can_transfer": True}})
    found = await looked("coinbase", instruments, environ)
    assert all(each.level != FAIL for each in found.values()), found
    assert {found[check].level for check in ("credentials", "account", "funds", "stream", "clock")} == {OK}
    assert all("POST" not in name or "preview" in name for name in coinbase.hits.counts), coinbase.hits.counts
    assert "move money out" in found["venue"].say
    coinbase.set_state({"options": {"can_trade": False}})
    refused = (await looked("coinbase", instruments, environ))["account"]
    assert (refused.level, "NO_TRADE_PERMISSION" in refused.say) == (FAIL, True)


@pytest.mark.parametrize(
    ("change", "check", "said"),
    [
        ({"OANDA_API_TOKEN": "another"}, "account", "OANDA_API_TOKEN_FILE"),
        ({"OANDA_ACCOUNT_ID": "101-001-7-001"}, "account", "OANDA_ACCOUNT_ID"),
        ({"OANDA_ACCOUNT_ID": ""}, "credentials", "set both"),
        ({"OANDA_BASE_URL": "http://example.com"}, "credentials", "clear text"),
    ],
)
async def test_what_refuses_orders_is_named_with_what_to_do(
    oanda: OandaVenue, instruments: Instruments, change: Mapping[str, str], check: str, said: str
) -> None:
    found = await looked("oanda", instruments, {**oanda.addresses(), **change})
    assert found[check].level == FAIL
    assert said in found[check].say
    assert oanda.token not in "".join(each.say for each in found.values())


async def test_a_venue_that_is_not_there_is_a_failure_and_not_a_crash(instruments: Instruments) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = await looked("oanda", instruments, {"OANDA_API_TOKEN": "t", "OANDA_ACCOUNT_ID": "1", "OANDA_BASE_URL": url, "OANDA_STREAM_URL": url})
    assert "could not be asked" in found["account"].say
    assert (found["account"].level, found["clock"].level) == (FAIL, WARN)


async def test_a_stream_that_is_mute_is_a_failure(oanda: OandaVenue, instruments: Instruments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_doctor, "STREAM_S_MAX", 0.5)
    oanda.faults.add(Fault(kind=Kind.STREAM_MUTE, times=None))
    assert (await looked("oanda", instruments, oanda.addresses()))["stream"].level == FAIL


@pytest.mark.parametrize(("seconds", "level"), [(0, OK), (10, WARN), (-120, FAIL)])
async def test_a_clock_that_is_off_is_named(oanda: OandaVenue, instruments: Instruments, seconds: int, level: str) -> None:
    found = (await looked("oanda", instruments, oanda.addresses(), Ahead(seconds)))["clock"]
    assert found.level == level
    assert seconds == 0 or ("ahead of" if seconds > 0 else "behind") in found.say


async def test_an_empty_account_and_another_precision_are_named(instruments: Instruments) -> None:
    coarse = Instruments(replace(each, tick=Decimal("0.1")) if each.name == "EUR_USD" else each for _, each in instruments.items())
    async with OandaVenue(config=AccountConfig(balance=Decimal(0)), heartbeat_s=0.1) as venue:
        found = await looked("oanda", coarse, venue.addresses())
    assert found["funds"].level == FAIL
    assert (found["precision"].level, "EUR_USD tick 0.00001 (here 0.1)" in found["precision"].say) == (WARN, True)


async def test_secrets_in_the_environment_are_a_warning_and_none_at_all_is_paper(oanda: OandaVenue, instruments: Instruments) -> None:
    assert (await looked("oanda", instruments, oanda.addresses()))["credentials"].level == WARN
    assert (await looked("oanda", instruments, {}))["credentials"].say.startswith("none: oanda stays paper")
