"""The store behind an adapter: restarts, rollbacks, a full disk, copies, a second owner."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from brokers.host import open_adapter
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from bus.epoch import request_new_epoch
from bus.txn import Txn
from runtime.clock import ManualClock
from runtime.program import CannotStart
from runtime.settings import Settings, StoreSettings
from tests.brokers.conftest import Open, running
from tests.brokers.desk_kit import ADMIN, Bus, event, events_of, ticket
from trading.errors import NotAllowed, StateConflict, Unavailable
from trading.instruments import Instruments


def paper_broker(instruments: Instruments, settings: Settings) -> PaperBroker:
    return PaperBroker(venue="oanda", instruments=instruments, account=PaperAccountConfig.for_venue("oanda", settings.paper))


async def test_a_restart_goes_on_exactly_where_it_was(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (adapter, ask):
        await bus.subscribed()
        for number, entry in enumerate(("1.16550", "1.16100", "1.16550")):
            await ask("order.place", ticket(f"a{number}", entry_price=entry, trailing_stop_distance="0.005" if number == 2 else None))
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        bus.quote("1.16800", "1.16810", sent_boot_ns=clock.boot_ns(), n=1)
        await event(settings, "order_filled", count=2)
        await ask("order.modify", {"order_id": "paper-oanda-2", "ttl_min": 30})
        before = list(await adapter.context.journal.read(lambda _: adapter.context.desk.broker.open_brackets()))
        account = (await ask("account.get"))["account"]
    async with paper() as (adapter, ask):
        after = list(await adapter.context.journal.read(lambda _: adapter.context.desk.broker.open_brackets()))
        assert after == before
        again = (await ask("account.get"))["account"]
        assert (again["balance"], again["realized_pnl"], again["open_trades"]) == (account["balance"], account["realized_pnl"], 2)
        assert (await ask("order.place", ticket("b1")))["order_id"] == "paper-oanda-4"


async def test_after_a_restore_numbers_go_on_a_thousand_higher_and_readers_are_told(paper: Open, settings: Settings) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"))
    request_new_epoch(settings.data_dir / "oanda.db")
    async with paper() as (_, ask):
        assert (await ask("order.place", ticket("a2")))["order_id"] == "paper-oanda-1002"
        told = await events_of(settings)
        assert [each.type for each in told] == ["source_reset", "oco_placed"]
        first = (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]
        assert [each["type"] for each in first["events"]] == ["oco_placed"]
        assert (await ask("order.place", ticket("a1")))["replayed"] is True


async def test_an_older_copy_put_back_never_uses_a_number_again(paper: Open, settings: Settings, home: Path) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"))
        await ask("store.backup", {"path": str(home / "copy.db")}, ADMIN)
        for number in range(2, 6):
            await ask("order.place", ticket(f"a{number}"))
    for left in settings.data_dir.glob("oanda.db*"):
        left.unlink()
    (home / "copy.db").rename(settings.data_dir / "oanda.db")
    async with paper() as (_, ask):
        assert (await ask("order.place", ticket("new")))["order_id"] == "paper-oanda-1006"


async def test_a_transaction_that_is_taken_back_leaves_nothing_in_memory(paper: Open) -> None:
    async with paper() as (adapter, ask):
        await ask("order.place", ticket("a1"))
        desk, journal = adapter.context.desk, adapter.context.journal

        def fails_after_writing(txn: Txn) -> None:
            desk.broker.cancel("paper-oanda-1", reason="user", now_ns=adapter.context.steady.now_ns())
            desk.record(txn)
            raise StateConflict("after a write")

        with pytest.raises(StateConflict):
            await journal.run(fails_after_writing)
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "PENDING"
        assert (await journal.read(lambda _: desk.broker.bracket("paper-oanda-1"))) is not None
        assert (await ask("order.place", ticket("a2")))["order_id"] == "paper-oanda-2"
        assert (await ask("order.cancel", {"order_id": "paper-oanda-1"}))["order"]["status"] == "CANCELLED"


async def test_below_the_floor_of_free_space_only_new_orders_are_refused(
    paper: Open, settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus
) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"))
    full = replace(settings, store=StoreSettings(free_mb_min=2**40))
    async with running(full, paper_broker(instruments, settings), instruments, clock) as (adapter, ask):
        assert adapter.status == "degraded"
        assert adapter.heartbeat()["metrics"]["arena_degraded"] == 1  # type: ignore[index]
        with pytest.raises(Unavailable) as refusal:
            await ask("order.place", ticket("a2"))
        assert refusal.value.code == "STORE_LOW"
        assert (await ask("order.place", ticket("a1")))["replayed"] is True
        assert (await ask("order.cancel", {"order_id": "paper-oanda-1"}))["order"]["status"] == "CANCELLED"
    async with paper() as (_, ask):
        assert (await ask("order.place", ticket("a2")))["order_id"] == "paper-oanda-2"


async def test_a_copy_is_made_while_orders_go_on_and_only_for_who_may(paper: Open, settings: Settings, home: Path) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"))
        target = home / "copy.db"
        made = await ask("store.backup", {"path": str(target)}, None)
        assert (made["path"], made["last_seq"]) == (str(target), 2)
        with sqlite3.connect(target) as copy:
            assert copy.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        copy.close()
        with pytest.raises(Unavailable):
            await ask("store.backup", {"path": str(target)}, ADMIN)
        with pytest.raises(NotAllowed):
            await ask("store.backup", {"path": str(home / "mine.db")})
        assert (await ask("order.place", ticket("a2")))["order_id"] == "paper-oanda-2"


async def open_and_close(settings: Settings, instruments: Instruments, clock: ManualClock) -> None:
    async with open_adapter(settings, "oanda", broker=paper_broker(instruments, settings), instruments=instruments, clock=clock):
        pass


async def test_a_second_owner_is_refused_and_the_first_is_not_disturbed(
    paper: Open, settings: Settings, instruments: Instruments, clock: ManualClock
) -> None:
    async with paper() as (_, ask):
        with pytest.raises(CannotStart):
            await asyncio.wait_for(open_and_close(settings, instruments, clock), 30)
        assert (await ask("order.place", ticket("a1")))["status"] == "PENDING"


async def test_a_path_that_cannot_be_bound_is_one_sentence(settings: Settings, instruments: Instruments, clock: ManualClock) -> None:
    settings.run_dir.chmod(0o755)
    with pytest.raises(CannotStart):
        await open_and_close(settings, instruments, clock)
    settings.run_dir.chmod(0o700)
