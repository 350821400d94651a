"""The gateway's half of the brake: what is wanted outlives it, is told again, and never releases by itself."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from arena_gateway.braking import Braking
from arena_gateway.wanted_state import NOTHING, Wanted, WantedStates
from runtime.clock import ManualClock
from tests.arena_gateway.fakes import SEED_ORDER, Desk, open_desk
from trading.risk_limits import RiskLimits

HALTED = Wanted(state="HALTED", reason="lunch", set_by="ann", set_ns=5)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


def test_what_is_wanted_is_read_by_the_next_gateway_and_by_one_beside(tmp_path: Path) -> None:
    path = tmp_path / "wanted.json"
    one, beside = WantedStates(path), WantedStates(path)
    assert one.of("oanda") is NOTHING
    one.set(["oanda"], HALTED)
    assert (beside.of("oanda"), beside.of("coinbase")) == (HALTED, NOTHING)
    beside.set(["coinbase"], HALTED)
    assert [WantedStates(path).of(name) for name in ("oanda", "coinbase")] == [HALTED, HALTED]
    assert path.stat().st_mode & 0o077 == 0


def test_only_stricter_never_loosens(tmp_path: Path) -> None:
    states = WantedStates(tmp_path / "wanted.json")
    states.set(["oanda"], HALTED)
    states.set(["oanda", "coinbase"], Wanted(state="REDUCING", set_by="watchdog"), only_stricter=True)
    assert (states.of("oanda").state, states.of("coinbase").state) == ("HALTED", "REDUCING")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"oanda": {"state": "OFF"}}', b'{"oanda": 1}', b'{"oanda": {"state": "ACTIVE"}}'])
def test_a_file_that_cannot_be_read_wants_everything_halted(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "wanted.json"
    path.write_bytes(raw)
    assert {WantedStates(path).of(name).state for name in ("oanda", "coinbase")} == {"HALTED"}


async def halt(desk: Desk, state: str = "HALTED") -> int:
    answer = await desk.call("POST", "/admin/trading-state", token=await desk.token(), json={"state": state, "reason": "lunch"})
    return answer.status


async def test_before_every_order_the_adapter_is_told_once_more(desk: Desk) -> None:
    await desk.place(SEED_ORDER)
    assert [call.op for call in desk.oanda.calls] == ["order.place"], "nothing is wanted: nothing is told"
    desk.oanda.calls.clear()
    await halt(desk)
    await desk.place({**SEED_ORDER, "units": 5})
    assert [(call.op, call.args.get("only_stricter")) for call in desk.oanda.calls] == [
        ("trading_state.set", None), ("trading_state.set", True), ("order.place", None)
    ]  # fmt: skip


async def test_an_adapter_that_does_not_take_the_word_gets_no_order(desk: Desk) -> None:
    """503, nothing sent: an order is not UNKNOWN because the brake before it was."""
    await halt(desk)
    desk.oanda.silent = True
    answer = await desk.place(SEED_ORDER)
    assert (answer.status, answer.body["code"]) == (503, "ADAPTER_SLOW")
    assert "order.place" not in [call.op for call in desk.oanda.calls]


async def test_an_adapter_that_was_down_is_told_when_it_is_back(desk: Desk) -> None:
    desk.oanda.down = True
    assert await halt(desk) == 207
    await desk.gateway.braking.look(0.1)
    desk.oanda.down = False
    await desk.gateway.braking.look(0.1)
    told = desk.oanda.calls[-1]
    assert (told.op, told.args, told.ttl_ms) == ("trading_state.set", {"state": "HALTED", "reason": "lunch", "only_stricter": True}, None)


async def test_a_release_is_told_to_those_who_are_there_and_never_again(desk: Desk) -> None:
    desk.oanda.down = True
    await halt(desk)
    assert await halt(desk, "ACTIVE") == 207
    desk.oanda.down = False
    await desk.gateway.braking.look(0.1)
    assert desk.oanda.calls == []


async def test_the_answer_says_what_is_known_of_a_broker_that_is_down(desk: Desk) -> None:
    desk.oanda.down = True
    answer = await desk.call("POST", "/admin/trading-state", token=await desk.token(), json={"state": "HALTED", "flatten": True})
    waiting = answer.body["waiting"]["oanda"]
    assert (waiting["code"], waiting["wanted"], waiting["trading_state"], waiting["age_s"]) == ("ADAPTER_DOWN", "HALTED", "ACTIVE", 0.1)
    assert "before its first order" in waiting["message"]


@pytest.mark.parametrize(("watch", "state"), [("always", "REDUCING"), ("live", "ACTIVE"), ("off", "ACTIVE")])
async def test_an_adapter_that_fell_silent_is_wanted_reducing_where_that_is_watched(tmp_path: Path, watch: str, state: str) -> None:
    """Paper is not watched by default; and a second in which this process itself did not run accuses nobody."""

    class Silent:
        def all(self) -> dict[str, dict[str, object]]:
            return {"oanda": {"age_s": 60.0, "trading_state": "ACTIVE"}}

    async with open_desk(tmp_path) as desk:
        states = WantedStates(tmp_path / "wanted.json")
        limits = RiskLimits.from_settings({"heartbeat_lost_s": 3, "heartbeat_watch": watch})
        braking = Braking(desk.gateway.dispatcher, states, Silent(), ManualClock(), limits)  # type: ignore[arg-type]
        await braking.look(3600)
        for _ in range(2):
            await braking.look(1.4)
        assert states.of("oanda").state == "ACTIVE"
        await braking.look(1.4)
        assert (states.of("oanda").state, states.of("coinbase").state) == (state, "ACTIVE")
        if state == "REDUCING":
            assert json.loads((tmp_path / "wanted.json").read_text())["oanda"]["set_by"] == "watchdog"


@pytest.mark.parametrize(("last_seq", "state"), [(None, "REDUCING"), (7, "ACTIVE")])
async def test_an_adapter_whose_writer_beats_for_its_loop_is_as_silent_as_one_that_does_not_beat(
    tmp_path: Path, last_seq: int | None, state: str
) -> None:
    """Its disk hangs: nobody in it watches a stop or takes an order. One whose disk is full is degraded too, and its loop beats itself."""

    class HeldUp:
        def all(self) -> dict[str, dict[str, object]]:
            return {"oanda": {"age_s": 0.3, "trading_state": "ACTIVE", "status": "degraded", "last_seq": last_seq}}

    async with open_desk(tmp_path) as desk:
        states = WantedStates(tmp_path / "wanted.json")
        limits = RiskLimits.from_settings({"heartbeat_lost_s": 3, "heartbeat_watch": "always"})
        braking = Braking(desk.gateway.dispatcher, states, HeldUp(), ManualClock(), limits)  # type: ignore[arg-type]
        for _ in range(3):
            await braking.look(1.4)
        assert states.of("oanda").state == state
