"""The brakes over a whole arena: two seconds with an adapter down and one frozen, told again before the first order, and released from the host."""

import asyncio
import json
import os
import re
import signal
import time
from typing import Any

import pytest

from tests.system.stack import Stack

ANSWER_S_MAX = 2.0


async def set_state(stack: Stack, state: str, **more: object) -> tuple[int, dict[str, Any], float]:
    started = time.monotonic()
    status, body, _ = await stack.call(
        "POST", f"{stack.gateway}/admin/trading-state", token=await stack.token(), json={"state": state, "reason": "test", **more}
    )
    return status, body, time.monotonic() - started


async def refused(stack: Stack, broker: str, code: str) -> bool:
    """Whether the first definite word on an order is ``code``; no order may be taken on the way there."""
    async with asyncio.timeout(20):
        while True:
            status, body = await stack.place(broker)
            if body.get("code") not in {"ADAPTER_DOWN", "ADAPTER_SLOW"}:
                print(status, body.get("code"), body.get("message"))
                return bool(body.get("code") == code)
            await asyncio.sleep(0.01)


async def test_the_kill_switch_answers_within_two_seconds_whatever_the_adapters_do() -> None:
    """One by one: all well, one frozen, one down; the frozen and the dead find the word waiting when they come back."""
    async with Stack() as stack:
        status, placed = await stack.place()
        assert status == 201
        status, body, took = await set_state(stack, "HALTED", cancel=True, flatten=True)
        print(f"halt, all well: {took * 1000:.0f} ms")
        assert (status, body["ok"]) == (200, True)
        assert took < ANSWER_S_MAX
        assert [item["order_id"] for item in body["brokers"]["oanda"]["cancelled"]] == [placed["order_id"]]
        assert body["brokers"]["oanda"]["still_open"] == []
        assert await refused(stack, "oanda", "TRADING_HALTED")
        assert (await set_state(stack, "ACTIVE"))[0] == 200
        status, placed = await stack.place()
        assert status == 201

        async def shown() -> bool:
            """Its heartbeat, one a second, says that one order is open."""
            _, text, _ = await stack.call("GET", f"{stack.gateway}/metrics", token=await stack.token())
            return re.search(r"arena_pending_orders\{[^}]*oanda[^}]*\} 1", str(text)) is not None

        await stack.eventually(shown, "the heartbeat of one open order")
        pid = stack.kill("oanda", signal.SIGSTOP)
        try:
            status, body, took = await set_state(stack, "HALTED", cancel=True, flatten=True)
            print(f"halt, oanda frozen: {took * 1000:.0f} ms")
            assert (status, body["ok"], set(body["failed"])) == (207, False, {"oanda"})
            assert took < ANSWER_S_MAX
            assert body["brokers"]["coinbase"]["state"] == "HALTED"
            assert (body["waiting"]["oanda"]["wanted"], body["waiting"]["oanda"]["open_orders"]) == ("HALTED", 1)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await refused(stack, "oanda", "TRADING_HALTED")
        _, orders, _ = await stack.call("GET", f"{stack.gateway}/brokers/oanda/orders/{placed['order_id']}")
        assert orders["order"]["status"] == "PENDING", "a late kill switch brakes and does nothing else"
        assert (await set_state(stack, "ACTIVE"))[0] == 200

        stack.supervisor("stopProcess", "oanda")
        status, body, took = await set_state(stack, "HALTED", cancel=True, flatten=True)
        print(f"halt, oanda down: {took * 1000:.0f} ms")
        assert (status, body["failed"]) == (207, {"oanda": "ADAPTER_DOWN"})
        assert took < ANSWER_S_MAX
        stack.supervisor("startProcess", "oanda")
        await stack.ready()
        assert await refused(stack, "oanda", "TRADING_HALTED")


async def test_resume_from_the_host_needs_neither_token_nor_gateway() -> None:
    async with Stack() as stack:
        await set_state(stack, "HALTED")
        code, out, err = await stack.cli("resume", "seen to", "--json")
        assert code == 0, err
        assert {row["state"] for row in json.loads(out)["brokers"].values()} == {"ACTIVE"}
        assert (await stack.place())[0] == 201
        stack.supervisor("stopProcess", "gateway")
        code, out, err = await stack.cli("halt", "--cancel", "--json")
        assert code == 0, err
        assert [len(row["cancelled"]) for row in json.loads(out)["brokers"].values()] == [1, 0]
        stack.supervisor("startProcess", "gateway")
        await stack.ready()
        _, body, _ = await stack.call("GET", f"{stack.gateway}/admin/trading-state")
        assert (body["wanted"], {row["state"] for row in body["brokers"].values()}) == ({"oanda": "HALTED", "coinbase": "HALTED"}, {"HALTED"})


@pytest.mark.parametrize("n", range(3))
async def test_an_adapter_killed_while_it_is_halted_and_cleared_takes_no_order_when_it_is_back(n: int) -> None:
    """Whatever of the halt was on the disk: the answer came or not, orders after it are refused, and each order stands whole."""
    async with Stack() as stack:
        await stack.token()
        placed = await asyncio.gather(*(stack.place(client_order_id=f"k{n}-{i}") for i in range(20)))
        ids = {answer["order_id"] for status, answer in placed if status == 201}
        assert len(ids) == 20
        pid = stack.pid("oanda")
        halting = asyncio.create_task(set_state(stack, "HALTED", cancel=True))
        await asyncio.sleep(n * 0.004)  # somewhere in the middle; what must hold holds wherever it lands
        os.kill(pid, signal.SIGKILL)
        _, _, took = await halting
        assert took < ANSWER_S_MAX
        await stack.restarted("oanda", pid)
        await stack.ready()
        assert await refused(stack, "oanda", "TRADING_HALTED")
        _, page, _ = await stack.call("GET", f"{stack.gateway}/brokers/oanda/orders?limit=200")
        standing = {order["order_id"]: order["status"] for order in page["orders"]}
        assert set(standing) == ids
        assert set(standing.values()) <= {"PENDING", "CANCELLED"}
        _, history, _ = await stack.call("GET", f"{stack.gateway}/events/history?after=start&limit=500&sources=oanda")
        told = {event["payload"]["order_id"] for event in history["events"] if event["type"] == "order_cancelled"}
        assert told == {order_id for order_id, status in standing.items() if status == "CANCELLED"}
