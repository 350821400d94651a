"""Guessing at full size: an unknown user costs what a known one costs, and a crowd that logs in neither fills the memory nor holds up orders."""

import asyncio
import statistics
import time
from collections import Counter
from pathlib import Path

import pytest

from arena_gateway import throttles
from tests.arena_gateway.fakes import SEED_ORDER, Desk
from tests.security.fuzzing import IS_FULL, amount
from tests.system.stack import Stack

TRIES = amount(15, 200)
DIFFERENCE_S_MAX = 0.005
HASH_S_MIN = 0.008  # an Argon2id hash of our costs takes 17 to 34 ms of a processor
CROWD = amount(60, 500)
MEMORY_KB_MAX = 60 * 1024


@pytest.mark.timeout(600 if IS_FULL else 110)
@pytest.mark.usefixtures("full_cost")
async def test_login_of_an_unknown_user_takes_as_long_as_a_wrong_password(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAILURES_FREE", "PER_ADDRESS_MAX", "GLOBAL_MAX"):
        monkeypatch.setattr(throttles, name, 100_000)
    await desk.register("trader@test")
    taken: dict[str, list[float]] = {"trader@test": [], "nobody@test": []}
    # The gateway runs in this process: beside other tests its processor time says what the clock cannot.
    now = time.perf_counter if IS_FULL else time.process_time
    for number in range(TRIES):
        for email in sorted(taken, reverse=bool(number % 2)):  # in turn: whatever else the machine does hits both
            started = now()
            assert (await desk.login(email, "wrong")).status == 401
            taken[email].append(now() - started)
    known, unknown = (statistics.median(times) for times in taken.values())
    print(f"median of {TRIES}: known {known * 1000:.2f} ms, unknown {unknown * 1000:.2f} ms")
    assert min(known, unknown) > HASH_S_MIN, "a password was hashed"
    assert abs(known - unknown) < DIFFERENCE_S_MAX


def _memory_kb(pid: int) -> int:
    """The most this process has held so far, in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")


@pytest.mark.system
@pytest.mark.timeout(110)
async def test_login_by_a_crowd_costs_little_memory_and_orders_go_on() -> None:
    """500 at once (60 in the short form): at most 60 MB more, and an order's latency at most doubled where two processors are to be had."""
    async with Stack({"ARENA_AUTH__ORDERS_PER_S_MAX": "1000", "ARENA_AUTH__ORDERS_BURST_MAX": "1000"}) as stack:
        token = await stack.token()
        before_kb = _memory_kb(stack.pid("gateway"))

        async def order_s() -> float:
            started = time.perf_counter()
            status, answer, _ = await stack.call("POST", f"{stack.gateway}/brokers/oanda/orders", token=token, json=SEED_ORDER)
            assert status == 201, answer
            return time.perf_counter() - started

        quiet = [await order_s() for _ in range(50)]
        statuses: Counter[int] = Counter()

        async def log_in() -> None:
            status, _, _ = await stack.call("POST", f"{stack.gateway}/auth/login", json={"email": "trader@test", "password": "pass"})
            statuses[status] += 1

        crowd = [asyncio.create_task(log_in()) for _ in range(CROWD)]
        under = []
        while not all(task.done() for task in crowd):
            under.append(await order_s())
        await asyncio.gather(*crowd)
        grown_kb = _memory_kb(stack.pid("gateway")) - before_kb
        quiet_s, under_s = statistics.median(quiet), statistics.median(under)
        print(f"{CROWD} logins {dict(statuses)}: +{grown_kb / 1024:.1f} MB; order {quiet_s * 1000:.1f} ms quiet, {under_s * 1000:.1f} ms under them")
        assert set(statuses) <= {200, 429}
        assert statuses[200] >= 1
        assert grown_kb < MEMORY_KB_MAX
        if IS_FULL:  # a figure of time; the short form runs beside other tests
            assert under_s <= 2 * quiet_s
