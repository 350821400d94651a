"""Lists: every filter, every page, newest first, nothing twice and nothing left out; and what an adapter says it can do."""

from collections.abc import Mapping
from typing import Any

import pytest

from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import Open
from tests.brokers.desk_kit import OTHER, TRADER, Bus, Caller, event, ticket
from trading.errors import InvalidRequest

GBP = {"instrument": "GBP_USD", "entry_price": 1.25, "stop_loss_price": 1.2, "take_profit_price": 1.3}


async def all_pages(ask: Caller, op: str, key: str, args: Mapping[str, object]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: dict[str, object] = {}
    while True:
        page = await ask(op, {**args, **after})
        assert len(page[key]) <= args["limit"]  # type: ignore[operator]
        found += page[key]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


async def test_pages_of_orders_join_to_the_whole_newest_first_while_new_ones_come(paper: Open) -> None:
    async with paper() as (_, ask):
        for number in range(7):
            await ask("order.place", ticket(f"a{number}"))
        first = await ask("order.list", {"limit": 3})
        await ask("order.place", ticket("late"))
        rest = await all_pages(ask, "order.list", "orders", {"limit": 3, "after": first["next"]})
        assert [order["client_order_id"] for order in first["orders"] + rest] == ["a6", "a5", "a4", "a3", "a2", "a1", "a0"]
        exactly = await ask("order.list", {"limit": 8})
        assert (len(exactly["orders"]), exactly["next"]) == (8, None)


async def test_orders_are_filtered_by_status_and_instrument_alone_and_together(paper: Open) -> None:
    async with paper() as (_, ask):
        for number in range(6):
            await ask("order.place", ticket(f"e{number}"))
            await ask("order.place", ticket(f"g{number}", **GBP))
        for n in (1, 2, 5, 8):
            await ask("order.cancel", {"order_id": f"paper-oanda-{n}"})
        numbers = {
            key: [int(order["order_id"].rpartition("-")[2]) for order in await all_pages(ask, "order.list", "orders", {**args, "limit": 2})]
            for key, args in {
                "cancelled": {"status": "CANCELLED"},
                "both": {"status": ["CANCELLED", "PENDING"]},
                "pounds": {"instrument": "GBP_USD"},
                "pending pounds": {"instrument": "GBP_USD", "status": "PENDING"},
                "none": {"status": "CLOSED"},
                "unknown": {"instrument": "XAU_USD"},
            }.items()
        }
        assert numbers == {
            "cancelled": [8, 5, 2, 1],
            "both": list(range(12, 0, -1)),
            "pounds": [12, 10, 8, 6, 4, 2],
            "pending pounds": [12, 10, 6, 4],
            "none": [],
            "unknown": [],
        }


async def test_an_unknown_client_order_id_is_an_empty_list(paper: Open) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"), TRADER)
        assert await ask("order.list", {"client_order_id": "never"}) == {"orders": [], "next": None}
        (found,) = (await ask("order.list", {"client_order_id": "a1"}, OTHER))["orders"]
        assert found["order_id"] == "paper-oanda-1"
        assert (await ask("order.list", {"client_order_id": "a1", "status": "OPEN"}))["orders"] == []


async def test_fills_and_trades_come_in_pages_and_by_instrument_and_order(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        for number in range(3):
            await ask("order.place", ticket(f"a{number}"))
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        bus.quote("1.17000", "1.17010", sent_boot_ns=clock.boot_ns(), n=1)
        await event(settings, "bracket_closed", count=3)
        fills = await all_pages(ask, "fill.list", "fills", {"limit": 2})
        assert len(fills) == 6
        assert len({fill["fill_id"] for fill in fills}) == 6
        assert [fill["leg"] for fill in (await ask("fill.list", {"order_id": "paper-oanda-2"}))["fills"]] == ["take_profit", "entry"]
        assert (await ask("fill.list", {"order_id": "paper-oanda-2", "instrument": "GBP_USD"}))["fills"] == []
        assert (await ask("fill.list", {"instrument": "GBP_USD"}))["fills"] == []
        trades = await all_pages(ask, "trade.list", "trades", {"limit": 1, "instrument": "EUR_USD"})
        assert [trade["order_id"] for trade in trades] == ["paper-oanda-3", "paper-oanda-2", "paper-oanda-1"]
        assert trades[0]["close_reason"] == "TAKE_PROFIT"
        assert trades[0]["net_pnl"] == trades[0]["realized_pnl"] - trades[0]["fees"]
        for op in ("trade.list", "fill.list", "order.list", "equity.list"):
            with pytest.raises(InvalidRequest):
                await ask(op, {"limit": 201})


async def test_an_adapter_says_what_it_can_do(paper: Open) -> None:
    async with paper() as (_, ask):
        can = await ask("capabilities.get")
        assert (can["broker"], can["mode"], can["protection"], can["entry_types"]) == ("oanda", "paper", "adapter", ["limit", "stop", "market"])
        names = [each["instrument"] for each in (await ask("instrument.list"))["instruments"]]
        assert names == can["instruments"]
        assert "EUR_USD" in names
        assert "BTC-USD" not in names
        account = (await ask("account.get"))["account"]
        assert (account["broker"], account["account"], account["currency"], account["balance"]) == ("oanda", "paper", "USD", 100_000)
        with pytest.raises(InvalidRequest):
            await ask("account.get", {"verbose": True})
