"""Placing at the paper account: once each, refused with a reason, repeated to the byte, and never late."""

import asyncio
from decimal import Decimal

import pytest

from bus.codec import pack
from bus.requests import RequestClient
from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import Open
from tests.brokers.desk_kit import ADMIN, OTHER, TRADER, VIEWER, Bus, event, events_of, ticket, until
from trading.errors import DeadlinePassed, InvalidRequest, NotAllowed, NotFound, OrderDenied, StateConflict


async def test_the_seeds_order_is_answered_as_the_seed_did(paper: Open, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (adapter, ask):
        placed = await ask("order.place", ticket("a1"))
        assert placed == {
            "order_id": "paper-oanda-1",
            "client_order_id": "a1",
            "status": "PENDING",
            "mode": "paper",
            "ttl_expires_at": (clock.wall_ns() + 360 * 60 * 10**9) // 10**6 / 1000,
            "event_id": f"oanda@{adapter.context.journal.epoch}:2",
        }
        told = await event(settings, "oco_placed")
        assert told.seq == 2
        assert told.payload["order_id"] == "paper-oanda-1"
        assert (told.payload["entry"], told.payload["sl"], told.payload["tp"], told.payload["quality"]) == (1.1655, 1.16, 1.17, 75)


async def test_an_order_without_an_id_gets_one(paper: Open) -> None:
    async with paper() as (_, ask):
        first, second = await ask("order.place", ticket()), await ask("order.place", ticket())
        assert first["client_order_id"] != second["client_order_id"]
        assert (await ask("order.get", {"client_order_id": first["client_order_id"]}))["order"]["order_id"] == first["order_id"]


async def test_a_repeat_gets_the_first_answer_to_the_byte_even_after_a_restart_and_a_fill_of_time(paper: Open, clock: ManualClock) -> None:
    async with paper() as (_, ask):
        first = await ask("order.place", ticket("a1"))
        again = await ask("order.place", ticket("a1", units="100.0", entry_price="1.16550"))
        assert again.pop("replayed") is True
        assert pack(again) == pack(first)
    clock.advance(3600)
    async with paper() as (_, ask):
        await ask("order.cancel", {"order_id": "paper-oanda-1"})
        again = await ask("order.place", ticket("a1"))
        assert again.pop("replayed") is True
        assert pack(again) == pack(first)
        assert [order["order_id"] for order in (await ask("order.list"))["orders"]] == ["paper-oanda-1"]


async def test_twenty_twins_at_once_are_one_order_and_one_first_answer(paper: Open) -> None:
    async with paper() as (_, ask):
        answers = await asyncio.gather(*(ask("order.place", ticket("a1")) for _ in range(20)))
        assert sum(1 for answer in answers if not answer.pop("replayed", False)) == 1
        assert len({pack(answer) for answer in answers}) == 1
        assert len((await ask("order.list"))["orders"]) == 1


async def test_the_same_id_with_another_body_is_refused_and_the_first_order_stands(paper: Open) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"))
        sell = {"side": "SELL", "stop_loss_price": 1.17, "take_profit_price": 1.16}
        for change in ({"units": 101}, sell, {"stop_loss_price": 1.2}, {"ttl_min": 1}):
            with pytest.raises(OrderDenied) as refusal:
                await ask("order.place", ticket("a1", **change))
            assert refusal.value.code == "IDEMPOTENCY_MISMATCH"
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["units"] == 100


async def test_an_id_is_its_users_own(paper: Open) -> None:
    async with paper() as (_, ask):
        first = await ask("order.place", ticket("a1"), TRADER)
        second = await ask("order.place", ticket("a1"), OTHER)
        assert second["order_id"] != first["order_id"]
        assert (await ask("order.get", {"client_order_id": "a1"}, OTHER))["order"]["order_id"] == second["order_id"]
        both = (await ask("order.list", {"client_order_id": "a1"}))["orders"]
        assert {order["placed_by"] for order in both} == {"trader@test", "other@test"}


async def test_a_denied_order_is_journalled_with_its_reason_and_leaves_the_id_free(paper: Open, settings: Settings) -> None:
    async with paper() as (_, ask):
        with pytest.raises(OrderDenied) as refusal:
            await ask("order.place", ticket("a1", entry_price="1.165501"))
        assert refusal.value.code == "PRICE_OFF_TICK"
        assert (refusal.value.details["below"], refusal.value.details["above"]) == (1.1655, 1.16551)
        told = (await event(settings, "order_rejected")).payload
        assert (told["order_id"], told["client_order_id"], told["code"]) == (None, "a1", "PRICE_OFF_TICK")
        assert told["message"] == refusal.value.message
        assert (await ask("order.place", ticket("a1")))["order_id"] == "paper-oanda-1"


async def test_what_cannot_travel_is_refused_and_journalled_all_the_same(paper: Open, settings: Settings) -> None:
    async with paper() as (_, ask):
        for number, change in enumerate(({"units": "0.12345678901234567"}, {"units": "NaN"}, {"instrument": "X" * 5000}, {"units": "1e999999"})):
            with pytest.raises(OrderDenied):
                await ask("order.place", ticket("a1", **change))
            await event(settings, "order_rejected", count=number + 1)


@pytest.mark.parametrize(
    "args",
    [
        {**ticket("a1"), "stop_los_price": 1},
        {**ticket("a1"), "units": True},
        {**ticket("a1"), "units": None, "size": None},
        {**ticket("a1"), "size": 100},
        {**ticket("a1"), "side": "HOLD"},
        {**ticket("a b")},
        {**ticket("a" * 49)},
        {**ticket("a1"), "entry_type": "market"},
    ],
)
async def test_what_is_no_order_is_refused_and_not_journalled(paper: Open, settings: Settings, args: dict[str, object]) -> None:
    async with paper() as (_, ask):
        with pytest.raises(InvalidRequest):
            await ask("order.place", args)
        assert [each.type for each in await events_of(settings)] == ["source_reset"]


def ten_seconds_ago(clock: ManualClock) -> ManualClock:
    return ManualClock(clock.wall_ns(), clock.boot_ns() - 10**10)


async def test_a_late_order_becomes_a_tombstone_and_is_never_placed(paper: Open, clock: ManualClock, settings: Settings) -> None:
    async with (
        paper() as (_, ask),
        RequestClient(settings.orders_address("oanda"), clock=ten_seconds_ago(clock)) as slow,
    ):
        assert await slow.wait_connected(30)
        with pytest.raises(DeadlinePassed):
            await slow.call("order.place", ticket("a1"), actor=TRADER, ttl_ms=3000, timeout_s=30)
        assert (await event(settings, "order_rejected")).payload["code"] == "EXPIRED"
        with pytest.raises(StateConflict) as conflict:
            await ask("order.place", ticket("a1"))
        assert conflict.value.code == "ORDER_VOID"
        (listed,) = (await ask("order.list", {"client_order_id": "a1"}))["orders"]
        assert (listed["order_id"], listed["status"]) == (None, "VOID")
        for op, args in (("order.cancel", {"order_id": "paper-oanda-1"}), ("order.cancel_all", {}), ("position.close", {"instrument": "EUR_USD"})):
            with pytest.raises(DeadlinePassed):
                await slow.call(op, args, actor=TRADER, ttl_ms=3000, timeout_s=30)


async def test_a_late_repeat_still_gets_its_answer(paper: Open, clock: ManualClock, settings: Settings) -> None:
    async with (
        paper() as (_, ask),
        RequestClient(settings.orders_address("oanda"), clock=ten_seconds_ago(clock)) as slow,
    ):
        first = await ask("order.place", ticket("a1"))
        assert await slow.wait_connected(30)
        again = (await slow.call("order.place", ticket("a1"), actor=TRADER, ttl_ms=3000, timeout_s=30)).result
        assert {**first, "replayed": True} == again


async def test_an_id_that_was_resolved_before_it_arrived_is_refused_when_it_does(paper: Open, settings: Settings) -> None:
    async with paper() as (_, ask):
        resolved = await ask("order.resolve", {"client_order_id": "a1"})
        assert resolved == {"client_order_id": "a1", "status": "VOID", "order": None, "placement": None}
        assert await ask("order.resolve", {"client_order_id": "a1"}) == resolved
        told = (await event(settings, "order_resolved")).payload
        assert (told["order_id"], told["client_order_id"], told["status"], told["placed_by"]) == (None, "a1", "VOID", "trader@test")
    async with paper() as (_, ask):
        with pytest.raises(StateConflict) as conflict:
            await ask("order.place", ticket("a1"))
        assert conflict.value.code == "ORDER_VOID"
        assert (await ask("order.place", ticket("a1"), OTHER))["status"] == "PENDING"
        assert [each.type for each in await events_of(settings)].count("order_resolved") == 1


async def test_resolving_an_order_that_arrived_tells_what_it_was_answered(paper: Open) -> None:
    async with paper() as (_, ask):
        placed = await ask("order.place", ticket("a1"))
        resolved = await ask("order.resolve", {"client_order_id": "a1"})
        assert (resolved["status"], resolved["placement"], resolved["order"]["order_id"]) == ("PENDING", placed, "paper-oanda-1")


async def test_a_deadline_is_needed_to_command(paper: Open, settings: Settings, clock: ManualClock) -> None:
    async with paper(), RequestClient(settings.orders_address("oanda"), clock=clock) as client:
        assert await client.wait_connected(30)
        with pytest.raises(InvalidRequest) as refusal:
            await client.call("order.place", ticket("a1"), timeout_s=30)
        assert refusal.value.code == "DEADLINE_REQUIRED"


async def test_only_the_owner_or_an_admin_changes_an_order(paper: Open) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"), TRADER)
        change = {"order_id": "paper-oanda-1", "take_profit_price": 1.18}
        for op, args in (("order.modify", change), ("order.cancel", {"order_id": "paper-oanda-1"})):
            for actor in (OTHER, None):
                with pytest.raises(NotAllowed) as refusal:
                    await ask(op, args, actor)
                assert refusal.value.code == "NOT_YOUR_ORDER"
            with pytest.raises(NotAllowed) as refusal:
                await ask(op, args, VIEWER)
            assert refusal.value.code == "ROLE_NOT_ALLOWED"
        assert (await ask("order.cancel_all", {}, OTHER)) == {"results": [], "cancelled": 0, "failed": 0}
        modified = (await ask("order.modify", change, ADMIN))["order"]
        assert modified["take_profit_price"] == 1.18
        assert (await ask("order.cancel", {"order_id": "paper-oanda-1"}, TRADER))["order"]["status"] == "CANCELLED"


async def test_a_viewer_looks_and_places_nothing(paper: Open) -> None:
    async with paper() as (_, ask):
        for op, args in (
            ("order.place", ticket("a1")),
            ("order.cancel_all", {}),
            ("order.resolve", {"client_order_id": "a1"}),
            ("position.close", {"instrument": "EUR_USD"}),
            ("trading_state.set", {"state": "HALTED"}),
            ("paper.reset", {}),
            ("store.backup", {"path": "/nowhere"}),
        ):
            with pytest.raises(NotAllowed) as refusal:
                await ask(op, args, VIEWER)
            assert refusal.value.code == "ROLE_NOT_ALLOWED"
        for op in ("order.list", "position.list", "trade.list", "fill.list", "equity.list", "account.get", "instrument.list", "capabilities.get"):
            assert await ask(op, {}, VIEWER)


async def test_a_modification_changes_what_it_names_and_tells_it(paper: Open, settings: Settings) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"))
        order = (await ask("order.modify", {"order_id": "paper-oanda-1", "entry_price": 1.166, "ttl_min": 10}))["order"]
        assert (order["entry_price"], order["ttl_min"], order["stop_loss_price"]) == (1.166, 10, 1.16)
        assert [each["type"] for each in order["events"]] == ["oco_placed", "order_modified"]
        told = (await event(settings, "order_modified")).payload["changes"]
        assert told["entry_price"] == {"from": 1.1655, "to": 1.166}
        for wrong in ({}, {"stop_loss_price": 1.2}, {"stop_loss_price": 1.1600001}):
            with pytest.raises((InvalidRequest, OrderDenied)):
                await ask("order.modify", {"order_id": "paper-oanda-1", **wrong})


async def test_what_is_over_cannot_be_changed_and_what_never_was_cannot_be_found(paper: Open) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"))
        await ask("order.cancel", {"order_id": "paper-oanda-1"})
        for op, args in (("order.cancel", {"order_id": "paper-oanda-1"}), ("order.modify", {"order_id": "paper-oanda-1", "ttl_min": 5})):
            with pytest.raises(StateConflict) as conflict:
                await ask(op, args)
            assert conflict.value.code == "ORDER_FINAL"
        for order_id in ("paper-oanda-2", "live-oanda-1", "paper-coinbase-1"):
            with pytest.raises(NotFound):
                await ask("order.cancel", {"order_id": order_id})
        with pytest.raises(NotFound):
            await ask("order.get", {"client_order_id": "never"})


async def test_cancel_all_takes_ones_own_or_everybodys_for_an_admin(paper: Open) -> None:
    async with paper() as (_, ask):
        for number in range(3):
            await ask("order.place", ticket(f"a{number}"), TRADER)
            await ask("order.place", ticket(f"b{number}", instrument="GBP_USD", entry_price=1.25, stop_loss_price=1.2, take_profit_price=1.3), OTHER)
        mine = await ask("order.cancel_all", {"instrument": "GBP_USD"}, TRADER)
        assert mine["results"] == []
        mine = await ask("order.cancel_all", {}, TRADER)
        assert [item["order_id"] for item in mine["results"]] == ["paper-oanda-1", "paper-oanda-3", "paper-oanda-5"]
        assert all(item["ok"] and item["status"] == "CANCELLED" for item in mine["results"])
        assert (mine["cancelled"], mine["failed"]) == (3, 0)
        assert (await ask("order.cancel_all", {}, ADMIN))["cancelled"] == 3


async def test_an_unknown_operation_is_refused_by_name(paper: Open) -> None:
    async with paper() as (_, ask):
        with pytest.raises(NotFound) as refusal:
            await ask("order.destroy")
        assert refusal.value.code == "UNKNOWN_OP"


async def test_a_preview_reckons_and_places_nothing(paper: Open, settings: Settings) -> None:
    async with paper() as (_, ask):
        preview = await ask("order.preview", ticket())
        assert preview["loss_at_stop"] == pytest.approx(0.55)
        assert preview["reward_risk"] == pytest.approx(0.82, abs=0.01)
        assert preview["stale"] is True
        await ask("trading_state.set", {"state": "HALTED", "reason": "lunch"})
        assert any("halted" in warning for warning in (await ask("order.preview", ticket()))["warnings"])
        with pytest.raises(OrderDenied):
            await ask("order.preview", ticket(units=Decimal("0.5")))
        assert "oco_placed" not in [each.type for each in await events_of(settings)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {"units": 99_999_999, "entry_price": 1234567890.12345, "stop_loss_price": 0.00001, "take_profit_price": 999999999999999},
            "RISK_PER_TRADE_PCT_MAX",
        ),
        ({"instrument": "X" * 8190}, "UNKNOWN_INSTRUMENT"),
    ],
)
async def test_an_absurd_order_is_refused_and_takes_nobody_with_it(paper: Open, settings: Settings, changes: dict[str, object], code: str) -> None:
    """What it would cost has more digits than an event carries; a name may fill a request. Neither may end the adapter."""
    async with paper() as (_, ask):
        with pytest.raises(OrderDenied) as refused:
            await ask("order.place", ticket("absurd", **changes))
        assert refused.value.code == code
        assert (await event(settings, "order_rejected")).payload["code"] == code
        assert (await ask("order.place", ticket("a1")))["status"] == "PENDING"


async def test_a_preview_of_an_absurd_order_leaves_out_what_has_too_many_digits(paper: Open, bus: Bus, clock: ManualClock) -> None:
    async with paper() as (adapter, ask):
        await bus.subscribed()
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await until(lambda: adapter.context.quotes.feed is not None)
        looked_up = await ask("order.preview", ticket(units=77_777_777, take_profit_price=99999999.99999))
        assert looked_up["gain_at_target"] is None
        assert looked_up["loss_at_stop"] == 427777.7735


@pytest.mark.parametrize(
    "changes",
    [
        *({name: "NaN"} for name in ("entry_price", "stop_loss_price", "take_profit_price", "trailing_stop_distance", "ttl_min")),
        {"entry_price": 0, "stop_loss_price": -1, "take_profit_price": 0},
    ],
)
async def test_a_change_to_no_price_at_all_is_refused_and_takes_nobody_with_it(paper: Open, changes: dict[str, object]) -> None:
    """Before the first quote, when an order's own price is all that a limit can reckon with."""
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1", instrument="USD_JPY", entry_price=100, stop_loss_price=99, take_profit_price=102))
        with pytest.raises(OrderDenied) as refused:
            await ask("order.modify", {"order_id": "paper-oanda-1", **changes})
        assert refused.value.code in {"NUMBER_NOT_FINITE", "PRICE_NOT_POSITIVE"}
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "PENDING"
