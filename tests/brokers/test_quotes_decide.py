"""Quotes from the bus at a running adapter: what decides, what does not, and what is said about the feed."""

import pytest

from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import Open
from tests.brokers.desk_kit import ADMIN, OTHER, TRADER, Bus, event, events_of, ticket, until
from trading.errors import InvalidRequest, NotAllowed, NotFound, OrderDenied, StateConflict, Unavailable


async def test_a_limit_fills_stops_and_is_in_the_books(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await ask("order.place", ticket("a1"))
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns(), n=1)
        filled = (await event(settings, "order_filled")).payload
        assert (filled["leg"], filled["price"], filled["units"], filled["position_units"]) == ("entry", 1.1654, 100, 100)
        (position,) = (await ask("position.list"))["positions"]
        assert (position["side"], position["units"], position["average_price"], position["protection"]) == ("BUY", 100, 1.1654, "adapter")
        assert position["stale"] is False
        clock.advance(30)
        bus.quote("1.15990", "1.16000", sent_boot_ns=clock.boot_ns(), n=2)
        closed = (await event(settings, "bracket_closed")).payload
        assert (closed["close_reason"], closed["held_s"]) == ("STOP_LOSS", 30)
        assert (await ask("position.list"))["positions"] == []
        order = (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]
        assert (order["status"], order["close_reason"], order["average_exit_price"]) == ("CLOSED", "STOP_LOSS", 1.1599)
        assert [each["type"] for each in order["events"]] == ["oco_placed", "order_filled", "order_filled", "order_cancelled", "bracket_closed"]
        (trade,) = (await ask("trade.list"))["trades"]
        assert (trade["order_id"], trade["close_reason"], trade["realized_pnl"]) == ("paper-oanda-1", "STOP_LOSS", -0.55)
        fills = (await ask("fill.list", {"order_id": "paper-oanda-1"}))["fills"]
        assert [fill["leg"] for fill in fills] == ["stop_loss", "entry"]
        account = (await ask("account.get"))["account"]
        assert (account["balance"], account["open_trades"]) == (99_999.45, 0)


async def test_a_marketable_order_meets_the_standing_quote_once_it_is_answered(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (adapter, ask):
        await bus.subscribed()
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await until(lambda: adapter.context.quotes.feed == "simulated")
        placed = await ask("order.place", ticket("a1", entry_type="market", entry_price=None, take_profit_price=1.18))
        assert placed["status"] == "PENDING"
        assert (await event(settings, "order_filled")).payload["price"] == 1.1671


async def test_nothing_fills_on_a_quote_that_lay_in_a_queue_for_too_long(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"))
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns() - 10 * 10**9)
        await event(settings, "feed_stale")
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "PENDING"
        bus.quote("1.16535", "1.16545", sent_boot_ns=clock.boot_ns(), n=1)
        assert (await event(settings, "order_filled")).payload["price"] == 1.16545
        assert (await event(settings, "feed_recovered")).payload["silent_s"] == 10


async def test_a_quote_that_a_newer_one_has_overtaken_decides_nothing(paper: Open, bus: Bus, clock: ManualClock) -> None:
    """Two publishers, as when market data restarts, need not be heard in the order in which they spoke."""
    async with paper() as (adapter, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"))
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns(), n=2)
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns() - 10**9, n=1)
        await until(lambda: adapter.heartbeat()["metrics"]["arena_quotes_total"] == 2)  # type: ignore[index]
        assert (await ask("order.list"))["orders"][0]["status"] == "PENDING"
        await ask("order.cancel", {"order_id": "paper-oanda-1"})


async def test_a_market_order_does_not_fill_on_a_stale_standing_quote(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (adapter, ask):
        await bus.subscribed()
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await until(lambda: adapter.context.quotes.feed == "simulated")
        clock.advance(11)
        stale = (await event(settings, "feed_stale")).payload
        assert (stale["instruments"], stale["reason"], stale["age_ms"]) == (["EUR_USD"], "stale", 11_000)
        await ask("order.place", ticket("a1", entry_type="market", entry_price=None, take_profit_price=1.18))
        assert (await ask("account.get"))["account"]["pending_orders"] == 1
        bus.quote("1.16720", "1.16730", sent_boot_ns=clock.boot_ns(), n=1)
        assert (await event(settings, "order_filled")).payload["price"] == 1.1673
        kinds = [each.type for each in await events_of(settings)]
        assert kinds.index("feed_recovered") < kinds.index("order_filled")


async def test_quotes_that_change_nothing_cost_no_work(paper: Open, bus: Bus, clock: ManualClock) -> None:
    async with paper() as (adapter, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"))
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await until(lambda: adapter.heartbeat()["metrics"]["arena_quotes_total"] == 1)  # type: ignore[index]
        await ask("order.list")
        decided = adapter.context.quotes.decided
        for n in range(500):
            bus.quote(f"1.167{n % 50:02}", f"1.168{n % 50:02}", sent_boot_ns=clock.boot_ns(), n=n)
        await until(lambda: adapter.heartbeat()["metrics"]["arena_quotes_total"] == 501)  # type: ignore[index]
        assert adapter.context.quotes.decided == decided
        (mark,) = adapter.context.quotes.marks().values()
        assert str(mark.quote.bid) == "1.16749"


async def test_the_account_is_valued_by_quotes_that_decided_nothing(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (adapter, ask):
        await bus.subscribed()
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        await until(lambda: adapter.context.quotes.feed is not None)
        await ask("order.place", ticket("a1"))
        await event(settings, "order_filled")
        bus.quote("1.16640", "1.16650", sent_boot_ns=clock.boot_ns(), n=1)
        await until(lambda: str(adapter.context.quotes.marks()["EUR_USD"].quote.bid) == "1.1664")
        account = (await ask("account.get"))["account"]
        assert (account["open_pnl"], account["stale"]) == (0.1, False)
        clock.advance(11)
        assert (await ask("account.get"))["account"]["stale"] is True


async def test_an_adapter_that_was_down_says_how_long_it_was_blind_before_it_decides(
    paper: Open, bus: Bus, clock: ManualClock, settings: Settings
) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await ask("order.place", ticket("a1"))
    await bus.unsubscribed()
    clock.advance(3600)
    async with paper():
        await bus.subscribed()
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns(), n=1)
        await event(settings, "order_filled")
        told = (await event(settings, "reconciled")).payload
        assert (told["instrument"], told["orders"]) == ("EUR_USD", 1)
        assert told["blind_s"] == pytest.approx(3600, abs=0.1)
        kinds = [each.type for each in await events_of(settings)]
        assert kinds.index("reconciled") < kinds.index("order_filled")


async def test_another_feed_holds_fills_until_it_is_adopted(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await ask("order.place", ticket("a1"))
        bus.quote("1.16700", "1.16711", sent_boot_ns=clock.boot_ns(), n=1)
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns(), n=2, feed="replay")
        told = (await event(settings, "feed_stale")).payload
        assert (told["reason"], told["feed"], told["orders_feed"]) == ("FEED_CHANGED", "replay", "simulated")
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "PENDING"
        with pytest.raises(OrderDenied) as refusal:
            await ask("order.place", ticket("a2"))
        assert refusal.value.code == "FEED_CHANGED"
        with pytest.raises(NotAllowed):
            await ask("paper.reset", {"adopt": True}, TRADER)
        assert (await ask("paper.reset", {"adopt": True}, ADMIN))["adopted"] is True
        assert (await event(settings, "order_filled")).payload["price"] == 1.1654


async def test_a_reset_ends_every_order_and_opens_the_account_anew(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"))
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        await event(settings, "order_filled")
        await ask("order.place", ticket("a2", entry_price=1.162))
        assert await ask("paper.reset", {}, None) == {"adopted": False, "cancelled": 2, "balance": 100_000}
        assert [order["status"] for order in (await ask("order.list"))["orders"]] == ["VOID", "VOID"]
        assert (await ask("position.list"))["positions"] == []
        await event(settings, "paper_reset")
        assert (await ask("order.place", ticket("a3")))["order_id"] == "paper-oanda-3"


async def test_a_position_is_closed_oldest_first_and_only_ones_own(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        for number, actor in enumerate((TRADER, OTHER, TRADER)):
            await ask("order.place", ticket(f"a{number}"), actor)
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        await event(settings, "order_filled", count=3)
        closed = await ask("position.close", {"instrument": "EUR_USD", "units": 150}, TRADER)
        assert [(order["order_id"], order["status"], order["position_units"]) for order in closed["orders"]] == [
            ("paper-oanda-1", "CLOSED", 0),
            ("paper-oanda-3", "OPEN", 50),
        ]
        assert [item["ok"] for item in closed["results"]] == [True, True]
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["close_reason"] == "MANUAL"
        (position,) = (await ask("position.list"))["positions"]
        assert (position["units"], position["order_ids"]) == (150, ["paper-oanda-2", "paper-oanda-3"])
        await ask("position.close", {"instrument": "EUR_USD", "percent": 100}, ADMIN)
        assert (await ask("position.list"))["positions"] == []
        with pytest.raises(NotFound) as refusal:
            await ask("position.close", {"instrument": "EUR_USD"}, TRADER)
        assert refusal.value.code == "NO_POSITION"


async def test_a_close_sent_twice_under_one_id_closes_once(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    """Half of it, twice, is half of it; the id is one user's, stands for one close, and is known after a restart."""
    half = {"instrument": "EUR_USD", "percent": 50, "client_close_id": "half-1"}
    async with paper() as (_, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"), TRADER)
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        await event(settings, "order_filled")
        first = await ask("position.close", half, TRADER)
        again = await ask("position.close", {**half, "percent": "50.0"}, TRADER)
        assert (first["replayed"], again["replayed"]) == (False, True)
        assert first["orders"] == again["orders"]
        assert [order["position_units"] for order in again["orders"]] == [50]
        for other in ({"percent": 25}, {"side": "BUY"}):
            with pytest.raises(OrderDenied) as refusal:
                await ask("position.close", {**half, **other}, TRADER)
            assert refusal.value.code == "IDEMPOTENCY_MISMATCH"
    async with paper() as (_, ask):
        assert (await ask("position.close", half, TRADER))["replayed"] is True
        assert (await ask("position.list"))["positions"][0]["units"] == 50
        with pytest.raises(NotAllowed):
            await ask("position.close", half, OTHER)


async def test_somebody_elses_position_is_not_closed(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"), TRADER)
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        await event(settings, "order_filled")
        with pytest.raises(NotAllowed) as refusal:
            await ask("position.close", {"instrument": "EUR_USD"}, OTHER)
        assert refusal.value.code == "NOT_YOUR_ORDER"
        for wrong in ({"units": 0}, {"units": 0.5}, {"units": 101}, {"percent": 0}, {"percent": 101}):
            with pytest.raises((OrderDenied, InvalidRequest)):
                await ask("position.close", {"instrument": "EUR_USD", **wrong}, TRADER)
        with pytest.raises(StateConflict) as conflict:
            await ask("order.cancel", {"order_id": "paper-oanda-1"}, TRADER)
        assert conflict.value.code == "ORDER_OPEN"


async def test_what_a_store_without_room_could_not_be_told_is_told_by_the_next_quote(
    paper: Open, bus: Bus, clock: ManualClock, settings: Settings
) -> None:
    """The quote that ends a silence finds the journal closed to it; the recovery is not forgotten."""
    async with paper() as (adapter, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"))
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await until(lambda: adapter.context.quotes.feed is not None)
        clock.advance(11)
        await event(settings, "feed_stale")
        journal, submit = adapter.context.journal, adapter.context.journal.submit

        def busy(work: object) -> None:
            raise Unavailable("more waits for the store than it can write", code="STORE_BUSY")

        journal.submit = busy  # type: ignore[method-assign,assignment]
        bus.quote("1.16701", "1.16711", sent_boot_ns=clock.boot_ns(), n=1)
        await until(lambda: adapter.context.quotes.dropped == 1)
        journal.submit = submit  # type: ignore[method-assign]
        bus.quote("1.16702", "1.16712", sent_boot_ns=clock.boot_ns(), n=2)
        assert (await event(settings, "feed_recovered")).payload["silent_s"] == 11
