"""With the recorded ticks running, brackets placed over HTTP fill, stop and hit their targets, and say so in the streams."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.system.stack import ROOT, Stack
from tests.system.wires import next_event

SLICE = ROOT / "tests" / "data" / "oanda-eurusd-2014-05-02.csv.gz"


@pytest_asyncio.fixture(scope="module")
async def payrolls() -> AsyncIterator[Stack]:
    """Ten minutes around the payrolls figure of 2014-05-02, held at its first quote until the order is there: at 20x it lasts half a minute."""
    environ = {"ARENA_MARKET_DATA__FEED": "replay", "ARENA_MARKET_DATA__REPLAY_FILES": f"EUR_USD={SLICE}", "ARENA_MARKET_DATA__REPLAY_SPEED": "20"}
    async with Stack(environ) as stack:
        yield stack


async def test_market_entries_live_through_the_payrolls_jump(payrolls: Stack) -> None:
    """A long with a stop below and a short with a target below, placed before 12:30: the jump stops the one and pays the other."""
    async with payrolls.events() as frames:
        long_order = {
            "instrument": "EUR_USD",
            "side": "BUY",
            "units": 1000,
            "entry_type": "market",
            "stop_loss_price": 1.3840,
            "take_profit_price": 1.3990,
        }
        short_order = {
            "instrument": "EUR_USD",
            "side": "SELL",
            "units": 1000,
            "entry_type": "market",
            "stop_loss_price": 1.3990,
            "take_profit_price": 1.3840,
        }
        (status, long_answer), (_, short_answer) = await payrolls.place(order=long_order), await payrolls.place(order=short_order)
        assert status == 201, long_answer
        closed: dict[str, str] = {}
        fills: dict[tuple[str, str], float] = {}
        while len(closed) < 2:
            frame = await next_event(frames, lambda event: event["type"] in {"order_filled", "bracket_closed"}, seconds=60)
            payload = frame["data"]["payload"]
            if frame["data"]["type"] == "order_filled":
                fills[payload["order_id"], payload["leg"]] = payload["price"]
            else:
                closed[payload["order_id"]] = payload["close_reason"]
    assert closed == {long_answer["order_id"]: "STOP_LOSS", short_answer["order_id"]: "TAKE_PROFIT"}
    assert fills[long_answer["order_id"], "stop_loss"] <= 1.3840
    assert fills[short_answer["order_id"], "take_profit"] <= 1.3840
    _, told, _ = await payrolls.call("POST", f"{payrolls.dashboard}/api/narration")
    assert any(entry["about"]["order_id"] == long_answer["order_id"] for entry in told["narration"])
