"""A retry never buys twice: equal requests through two gateways, other bodies under used ids, answers that never came, orders that came too late."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp

from tests.ports import free_ports
from tests.system.accounting.collect import read_journal
from tests.system.stack import ROOT, SEED_ORDER, Stack

SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))
LONG = float(os.environ.get("ARENA_CHAOS_SECONDS", "0")) >= 120
IDS, REPEATS = (1000, 20) if LONG else (50, 20)
CRYPTO_ORDER = {"product_id": "BTC-USD", "side": "BUY", "size": 0.001, "entry_price": 20000, "stop_loss_price": 19000, "take_profit_price": 400000}


@contextlib.asynccontextmanager
async def second_gateway(stack: Stack) -> AsyncIterator[str]:
    """The address of another gateway of the same arena: the same users, keys and adapters, another port."""
    (port,) = free_ports(1)
    environ = {**stack.environ, "ARENA_GATEWAY__PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "arena_gateway", cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return (await stack.call("GET", f"{url}/health/ready"))[0] == 200
        return False

    try:
        await stack.eventually(answers, "the second gateway", seconds=30)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def test_equal_posts_through_two_gateways_make_one_order_each() -> None:
    """Every id twenty times at once through two gateways: one order each, equal bodies, one 201; the same ids with another body: 422."""
    rng = random.Random(SEED)
    ids = [f"r{rng.getrandbits(64):x}" for _ in range(IDS)]
    async with Stack({"ARENA_AUTH__ORDERS_PER_S_MAX": "100000", "ARENA_AUTH__ORDERS_BURST_MAX": "100000"}) as stack, second_gateway(stack) as other:
        token = await stack.token()

        async def known() -> bool:
            return (await stack.call("GET", f"{other}/auth/me", token=token))[0] == 200

        # Another gateway of the host sees a new user within a second or two.
        await stack.eventually(known, "the new user to be known at the second gateway")
        at_once = asyncio.Semaphore(200)

        async def post(client_order_id: str, number: int, **changes: object) -> tuple[str, int, bytes]:
            gateway = (stack.gateway, other)[number % 2]
            body = {**SEED_ORDER, "units": 1, "client_order_id": client_order_id, **changes}
            headers = {"Authorization": f"Bearer {token}"}
            async with at_once, stack.http.post(f"{gateway}/brokers/oanda/orders", json=body, headers=headers) as response:
                return client_order_id, response.status, await response.read()

        began = time.monotonic()
        answers = await asyncio.gather(*(post(client_order_id, number) for client_order_id in ids for number in range(REPEATS)))
        took = time.monotonic() - began
        statuses = Counter(status for _, status, _ in answers)
        bodies = {client_order_id: {body for other_id, _, body in answers if other_id == client_order_id} for client_order_id in ids[:50]}
        distinct = len({body for _, _, body in answers})
        others = await asyncio.gather(*(post(client_order_id, number, units=2) for number, client_order_id in enumerate(ids)))
        placed = [event for event in await read_journal(stack, "oanda") if event.type == "oco_placed"]
        line = {"check": "retries", "seed": SEED, "ids": IDS, "posts": len(answers), "statuses": statuses, "distinct_bodies": distinct}
        print(json.dumps({**line, "orders": len(placed), "seconds": round(took, 1), "pass": len(placed) == IDS == distinct}))
        assert statuses == {201: IDS, 200: IDS * (REPEATS - 1)}
        assert all(len(each) == 1 for each in bodies.values())
        assert distinct == IDS
        assert sorted(str(event.payload["client_order_id"]) for event in placed) == sorted(ids)
        assert {status for _, status, _ in others} == {422}
        assert {json.loads(body)["code"] for _, _, body in others} == {"IDEMPOTENCY_MISMATCH"}
        assert len([event for event in await read_journal(stack, "oanda") if event.type == "oco_placed"]) == IDS


async def test_nothing_sent_to_a_frozen_or_stopped_adapter_runs_when_it_is_back() -> None:
    """Ten seconds each, one adapter frozen and the other stopped: what is sent meanwhile is UNKNOWN or refused, never runs, and is soon definite."""
    async with Stack() as stack:
        frozen = stack.kill("oanda", signal.SIGSTOP)
        stack.supervisor("stopProcess", "coinbase")
        ends = time.monotonic() + 10
        tasks: list[asyncio.Task[tuple[str, str, int, dict[str, object]]]] = []
        number = 0
        while time.monotonic() < ends - 3.5:  # the last ones still have time to run into the gateway's own deadline
            for broker, order in (("oanda", SEED_ORDER), ("coinbase", CRYPTO_ORDER)):
                number += 1
                tasks.append(asyncio.create_task(post(stack, broker, f"late-{number}", order)))
            await asyncio.sleep(0.2)
        await asyncio.sleep(max(0.0, ends - time.monotonic()))
        os.kill(frozen, signal.SIGCONT)
        stack.supervisor("startProcess", "coinbase")
        back = time.monotonic()
        answers = await asyncio.gather(*tasks)
        assert {status for broker, _, status, _ in answers if broker == "oanda"} <= {202, 503, 504}
        assert 202 in {status for broker, _, status, _ in answers if broker == "oanda"}, "nobody was left in doubt: the freeze was not felt"
        assert {status for broker, _, status, _ in answers if broker == "coinbase"} == {503}
        await stack.ready()

        async def definite() -> bool:
            """The same request again: void or refused as late for what was UNKNOWN. Never placed, never still in flight."""
            for broker, client_order_id, status, body in answers:
                if status != 202:
                    continue
                assert body["client_order_id"] == client_order_id
                assert body["retry_safe"] is True
                order = SEED_ORDER if broker == "oanda" else CRYPTO_ORDER
                _, _, again, said = await post(stack, broker, client_order_id, order)
                if again == 429:
                    return False
                if (again, said.get("code")) != (409, "ORDER_VOID"):
                    assert again in {202, 503}, (again, said)
                    return False
            return True

        await stack.eventually(definite, "a definite end of everything that was UNKNOWN", seconds=30)
        seconds = time.monotonic() - back
        placed = [
            str(event.payload["client_order_id"])
            for source in ("oanda", "coinbase")
            for event in await read_journal(stack, source)
            if event.type == "oco_placed"
        ]
        counts = Counter(f"{broker} {status}" for broker, _, status, _ in answers)
        print(
            json.dumps(
                {"check": "no late orders", "answers": counts, "executed": len(placed), "definite_after_s": round(seconds, 1), "pass": not placed}
            )
        )
        assert not placed, placed
        status, answer = await stack.place(client_order_id="fresh")
        assert status == 201, answer


async def post(stack: Stack, broker: str, client_order_id: str, order: dict[str, object]) -> tuple[str, str, int, dict[str, object]]:
    """Placed by one of four users, so that nobody's rate is the limit; always the same one for the same id."""
    token = await stack.token(f"user{sum(client_order_id.encode()) % 4}@test")
    status, body, _ = await stack.call(
        "POST", f"{stack.gateway}/brokers/{broker}/orders", token=token, json={**order, "client_order_id": client_order_id}
    )
    return broker, client_order_id, status, body
