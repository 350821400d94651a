"""Changing, closing in parts and cancelling all while the adapter is killed: each change is whole or did not happen, and the rest keeps its stop."""

import asyncio
import contextlib
import os
import signal
from typing import Any

import aiohttp
import pytest

from tests.system.stack import SEED_ORDER, Stack

MARKET = {**{name: value for name, value in SEED_ORDER.items() if name != "entry_price"}, "entry_type": "market", "take_profit_price": 1.3}


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03])
async def test_a_change_that_was_cut_off_is_whole_or_did_not_happen(after_s: float) -> None:
    async with Stack() as stack:
        token = await stack.token()
        _, market = await stack.place(order={**MARKET, "stop_loss_price": 1.0})
        resting = [(await stack.place(client_order_id=f"r{n}"))[1]["order_id"] for n in range(10)]
        url = f"{stack.gateway}/brokers/oanda"

        async def order(order_id: str) -> dict[str, Any]:
            """As it stands, once its adapter can be asked."""
            async with asyncio.timeout(20):
                while True:
                    status, body, _ = await stack.call("GET", f"{url}/orders/{order_id}")
                    if status == 200:
                        return dict(body["order"])
                    await asyncio.sleep(0.02)

        async def is_open() -> bool:
            return bool((await order(market["order_id"]))["position_units"] == 100)

        await stack.eventually(is_open, "the market order to fill")

        async def change(method: str, path: str, **more: Any) -> int:
            with contextlib.suppress(aiohttp.ClientError):
                return (await stack.call(method, f"{url}/{path}", token=token, **more))[0]
            return 0

        pid = stack.pid("oanda")
        changes = [
            *(change("DELETE", f"positions/EUR_USD?units={10 + n}") for n in range(4)),
            *(change("PATCH", f"orders/{order_id}", json={"stop_loss_price": 1.15, "take_profit_price": 1.18}) for order_id in resting[:5]),
            change("DELETE", "orders"),
        ]
        running = asyncio.gather(*changes)
        await asyncio.sleep(after_s)  # somewhere in the middle
        os.kill(pid, signal.SIGKILL)
        statuses = await running
        assert set(statuses) <= {200, 202, 207, 409, 503, 504}, statuses
        await stack.restarted("oanda", pid)
        await stack.ready()

        async def settled() -> bool:
            """What was asked to be closed has traded: nothing is left between two states."""
            status, page, _ = await stack.call("GET", f"{url}/positions")
            held = (await order(market["order_id"]))["position_units"]
            return status == 200 and sum(row["units"] for row in page["positions"]) == held

        await stack.eventually(settled, "positions and order to agree")
        kept = await order(market["order_id"])
        fills = (await stack.call("GET", f"{url}/fills?order_id={market['order_id']}"))[1]["fills"]
        out = [fill["units"] for fill in fills if fill["leg"] == "close"]
        assert kept["position_units"] == 100 - sum(out)
        stop = next(leg for leg in kept["legs"] if leg["leg"] == "stop_loss")
        assert (stop["units"], stop["status"], kept["protection"]) == (kept["position_units"], "WORKING", "adapter"), "what is left has its stop"
        for order_id in resting:
            found = await order(order_id)
            prices = (found["stop_loss_price"], found["take_profit_price"])
            assert prices in {(1.16, 1.17), (1.15, 1.18)}, "both prices or neither"
            modified = [event["payload"] for event in found["events"] if event["type"] == "order_modified"]
            assert bool(modified) is (prices == (1.15, 1.18))
            assert ("order_cancelled" in {event["type"] for event in found["events"]}) is (found["status"] == "CANCELLED")
