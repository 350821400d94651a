"""Each program killed with -9 while orders flow: it comes back by itself, and what was acknowledged is there, once."""

import asyncio
import contextlib
import uuid

import aiohttp
import pytest

from tests.system.stack import PROGRAMS, SEED_ORDER, Stack


@pytest.mark.parametrize("program", PROGRAMS)
async def test_kill_nine_while_orders_flow(stack: Stack, program: str) -> None:
    """Orders go on before, during and after; each acknowledged id is found exactly once in its owner's list."""
    await stack.ready()
    token = await stack.token()
    acknowledged: dict[str, str] = {}
    doubtful: list[str] = []
    enough_after_restart = asyncio.Event()
    stop = asyncio.Event()

    async def trade() -> None:
        while not stop.is_set():
            client_order_id = uuid.uuid4().hex
            try:
                status, answer, _ = await stack.call(
                    "POST", f"{stack.gateway}/brokers/oanda/orders", token=token, json={**SEED_ORDER, "client_order_id": client_order_id}
                )
            except (aiohttp.ClientError, TimeoutError):
                doubtful.append(client_order_id)
                await asyncio.sleep(0.05)  # the gateway is down: do not spin
                continue
            if status == 201:
                acknowledged[client_order_id] = answer["order_id"]
                if restarted.is_set():
                    enough_after_restart.set()
            else:
                doubtful.append(client_order_id)
            await asyncio.sleep(0.06)  # below the 20 orders a second a user may place

    restarted = asyncio.Event()
    trader = asyncio.create_task(trade())
    try:
        await stack.until(lambda: len(acknowledged) >= 10, "ten orders before the kill")
        pid = stack.kill(program)
        await stack.restarted(program, pid)
        restarted.set()
        async with asyncio.timeout(30):
            await enough_after_restart.wait()
    finally:
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await trader
    await stack.ready()
    # Whoever has this arena next finds every program there; readiness says nothing of the dashboard.
    await stack.eventually(lambda: stack.answers(program), f"{program} to answer again", seconds=30)
    assert len(set(acknowledged.values())) == len(acknowledged)
    for client_order_id, order_id in acknowledged.items():
        _, answer, _ = await stack.call("GET", f"{stack.gateway}/brokers/oanda/orders?client_order_id={client_order_id}", token=token)
        assert [order["order_id"] for order in answer["orders"]] == [order_id]
    for client_order_id in doubtful:
        _, answer, _ = await stack.call("GET", f"{stack.gateway}/brokers/oanda/orders?client_order_id={client_order_id}", token=token)
        assert len(answer["orders"]) <= 1
