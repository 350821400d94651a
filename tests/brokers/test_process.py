"""The adapter as a process of its own: killed while orders flow, stopped in order, refusing to start with a sentence."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bus.codec import pack
from bus.requests import RequestClient
from runtime.settings import Settings
from tests.brokers.desk_kit import TRADER, events_of, ticket
from trading.errors import ArenaError, OutcomeUnknown, Unavailable

pytestmark = pytest.mark.system


def environment(settings: Settings, **more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("ARENA_", "OANDA_", "COINBASE_", "EXECUTION_"))}
    return {**plain, "ARENA_HOME": str(settings.home), "ARENA_STORE__FREE_MB_MIN": "1", **more}


@contextmanager
def adapter(settings: Settings, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """``python -m brokers oanda``; killed at the latest on leaving."""
    process = subprocess.Popen([sys.executable, "-m", "brokers", "oanda"], env=environment(settings, **more), stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def reason(process: "subprocess.Popen[bytes]") -> str:
    """What the last line of its log gives as the reason."""
    _, log = process.communicate(timeout=30)
    return str(json.loads(log.splitlines()[-1])["reason"])


async def test_killed_again_and_again_while_orders_flow_nothing_is_lost_and_nothing_doubled(settings: Settings) -> None:
    """Six callers place and, after a doubt, ask what became of it; five times the process is killed. Every id ends as one order or as none."""
    told: dict[str, dict[str, Any] | None] = {}
    stop = asyncio.Event()

    async def trade(client: RequestClient, name: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            client_order_id = f"{name}-{number}"
            try:
                told[client_order_id] = (
                    await client.call("order.place", ticket(client_order_id, units=1), actor=TRADER, ttl_ms=1000, timeout_s=1.0)
                ).result
            except OutcomeUnknown:
                told[client_order_id] = None
            except Unavailable:
                number -= 1
                await asyncio.sleep(0.01)

    async with RequestClient(settings.orders_address("oanda")) as client:
        for _round in range(5):
            with adapter(settings) as process:
                assert await client.wait_connected(30)
                before = len(told)
                stop.clear()
                traders = [asyncio.create_task(trade(client, f"r{_round}c{number}")) for number in range(6)]
                while len(told) < before + 60:
                    await asyncio.sleep(0.002)
                process.send_signal(signal.SIGKILL)
                process.wait()
                stop.set()
                await asyncio.gather(*traders)
        with adapter(settings):
            assert await client.wait_connected(30)
            for client_order_id, placed in told.items():
                resolved = (await client.call("order.resolve", {"client_order_id": client_order_id}, actor=TRADER, timeout_s=30)).result
                if placed is None:
                    assert resolved["status"] in {"PENDING", "VOID"}
                    continue
                assert resolved["placement"] == placed
                again = (await client.call("order.place", ticket(client_order_id, units=1), actor=TRADER, ttl_ms=3000, timeout_s=30)).result
                assert again.pop("replayed") is True
                assert pack(again) == pack(placed)
            journal = await events_of(settings)
    placed_ids = [each.payload["client_order_id"] for each in journal if each.type == "oco_placed"]
    assert len(placed_ids) == len(set(placed_ids))
    acknowledged = {client_order_id for client_order_id, placed in told.items() if placed is not None}
    assert acknowledged <= set(placed_ids) <= set(told)
    assert [each.seq for each in journal] == list(range(1, len(journal) + 1))
    assert len({each.epoch for each in journal}) == 1


async def test_told_to_stop_it_ends_cleanly_and_soon(settings: Settings) -> None:
    async with RequestClient(settings.orders_address("oanda")) as client:
        with adapter(settings) as process:
            assert await client.wait_connected(30)
            await client.call("order.place", ticket("a1"), actor=TRADER, ttl_ms=3000, timeout_s=30)
            process.terminate()
            assert await asyncio.to_thread(process.wait, 30) == 0, "supervisord waits for so long before it kills"
        with pytest.raises(ArenaError):
            await client.call("order.place", ticket("a2"), actor=TRADER, ttl_ms=500, timeout_s=0.5)


async def test_a_second_process_for_the_source_refuses_to_start(settings: Settings) -> None:
    async with RequestClient(settings.orders_address("oanda")) as client:
        with adapter(settings):
            assert await client.wait_connected(30)
            with adapter(settings) as second:
                assert "only one may own this source" in await asyncio.to_thread(reason, second)
                assert second.returncode == 3
            assert (await client.call("order.place", ticket("a1"), actor=TRADER, ttl_ms=3000, timeout_s=30)).result["status"] == "PENDING"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"EXECUTION_ENABLED": "true", "OANDA_API_TOKEN": "secret"}, "OANDA_ACCOUNT_ID is not"),
        ({"EXECUTION_ENABLED": "true", "OANDA_API_TOKEN": "secret", "OANDA_ACCOUNT_ID": "1/2"}, "OANDA_ACCOUNT_ID must look like"),
        (
            {"EXECUTION_ENABLED": "true", "OANDA_API_TOKEN": "secret", "OANDA_ACCOUNT_ID": "1", "OANDA_BASE_URL": "http://example.com"},
            "in clear text to example.com",
        ),
        ({"EXECUTION_ENABLED": "yes"}, "EXECUTION_ENABLED is 'yes'"),
        ({"ARENA_RISK__ORDER_NOTIONAL_MAX": "lots"}, "order_notional_max"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(settings: Settings, more: dict[str, str], said: str) -> None:
    with adapter(settings, **more) as process:
        assert said in reason(process)
        assert process.returncode == 3


def test_a_broken_instruments_file_is_refused_with_a_sentence(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "arena.toml").write_text("")
    (tmp_path / "instruments.toml").write_text('[EUR_USD]\nvenue = "oanda"\n')
    with adapter(settings, ARENA_CONF=str(tmp_path / "arena.toml")) as process:
        assert "EUR_USD" in reason(process)
        assert process.returncode == 3


def test_another_source_than_the_two_is_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "brokers", "kraken"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert "oanda|coinbase" in done.stderr
