"""What an account is worth is not known before the quotes of all it holds: no day begins or ends with less, and no point is drawn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from brokers.host import Adapter
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from brokers.watches import Watches
from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import running
from tests.brokers.desk_kit import ADMIN, Bus, Caller, event, events_of, ticket, until
from trading.errors import Unavailable
from trading.instruments import Instruments

ETHER = {"instrument": "ETH-USD", "units": 1, "entry_type": "market", "entry_price": None, "stop_loss_price": 1000, "take_profit_price": 5000}


class Arena:
    """Coinbase's paper account, 100,000 USD and one bitcoin, with limits of one's own; opened anew at will on the same store."""

    def __init__(self, settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings, self.instruments, self.clock, self.bus = settings, instruments, clock, bus
        self.n = 0
        self.looks = 0
        look = Watches.look

        async def counted(watches: Watches) -> None:
            await look(watches)
            self.looks += 1

        monkeypatch.setattr(Watches, "look", counted)
        monkeypatch.setattr("brokers.upkeep.TICK_S", 0.005)

    @asynccontextmanager
    async def open(self, **risk: object) -> AsyncIterator[tuple[Adapter, Caller]]:
        settings = replace(self.settings, risk=risk)
        broker = PaperBroker(venue="coinbase", instruments=self.instruments, account=PaperAccountConfig.for_venue("coinbase", settings.paper))
        async with running(settings, broker, self.instruments, self.clock, "coinbase") as opened:
            await self.bus.subscribed()
            yield opened
        await self.bus.unsubscribed()

    def quote(self, price: str, instrument: str = "BTC-USD") -> None:
        self.n += 1
        self.bus.quote(price, price, instrument=instrument, sent_boot_ns=self.clock.boot_ns(), n=self.n)

    async def looked(self) -> None:
        """The adapter has looked at its day since now."""
        self.clock.advance(2)
        seen = self.looks
        await until(lambda: self.looks >= seen + 2)  # the first may have begun before


@pytest.fixture
def arena(settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> Arena:
    return Arena(settings, instruments, clock, bus, monkeypatch)


async def valued(arena: Arena, adapter: Adapter, price: str) -> None:
    """The quote is there, and the day has been looked at with it."""
    arena.quote(price)
    await until(lambda: "BTC-USD" in adapter.context.quotes.marks() and str(adapter.context.quotes.marks()["BTC-USD"].quote.bid) == price)
    await arena.looked()


async def test_the_first_day_begins_with_the_coins(arena: Arena) -> None:
    """It began with the money alone: 42,000 were won at once, and a limit of 300 let 42,300 be lost."""
    async with arena.open(daily_loss_max=300) as (adapter, ask):
        limits = adapter.context.desk.limits
        await arena.looked()
        assert limits.day_result is None or not limits.day_result.pnl, "it has not begun"
        await valued(arena, adapter, "42000")
        assert limits.day_result is not None
        assert limits.day_result.pnl == 0
        await valued(arena, adapter, "41700")
        braked = await event(arena.settings, "trading_state_changed", "coinbase")
        assert braked.payload["details"] == {"setting": "risk.daily_loss_max", "limit": 300, "value": 300}
        assert (await ask("trading_state.get"))["state"] == "REDUCING"


async def test_a_restart_before_the_first_quote_is_no_loss(arena: Arena) -> None:
    """The day had begun with 142,000, and with the coins left out 42,000 of it were lost: the brake was set and everything closed."""
    async with arena.open() as (adapter, _):
        await valued(arena, adapter, "42000")
    async with arena.open(daily_loss_max=300, daily_loss_action="flatten") as (adapter, ask):
        await arena.looked()
        with pytest.raises(Unavailable) as unknown:
            await ask("order.place", ticket("a1", **ETHER))
        assert (unknown.value.code, unknown.value.details) == ("DAY_RESULT_UNKNOWN", {"unknown": ["coinbase"], "awaited": ["BTC-USD"]})
        await valued(arena, adapter, "41900")
        assert adapter.context.desk.limits.day_result is not None
        assert adapter.context.desk.limits.day_result.pnl == -100
        assert (await ask("trading_state.get"))["state"] == "ACTIVE"
        await ask("order.place", ticket("a1", **ETHER))
        assert "HALTED" not in {each.payload.get("new") for each in await events_of(arena.settings, "coinbase")}


async def test_whatever_reduces_goes_through_while_the_day_is_not_known(arena: Arena) -> None:
    """The bitcoin is never quoted again; what is held besides can be guarded, closed and stopped."""
    async with arena.open() as (adapter, ask):
        await valued(arena, adapter, "42000")
        arena.quote("2000", "ETH-USD")
        order_id = (await ask("order.place", ticket("a1", **{**ETHER, "units": 4})))["order_id"]
        await event(arena.settings, "order_filled", "coinbase")
    async with arena.open(daily_loss_max=300) as (adapter, ask):
        arena.quote("2000", "ETH-USD")
        await arena.looked()
        with pytest.raises(Unavailable, match="no quote of BTC-USD"):
            await ask("order.place", ticket("a2", **ETHER))
        changed = await ask("order.modify", {"order_id": order_id, "stop_loss_price": 1500})
        assert changed["order"]["stop_loss_price"] == 1500
        await ask("position.close", {"instrument": "ETH-USD", "percent": 50})
        assert [each["units"] for each in (await ask("position.list"))["positions"]] == [2]
        arena.quote("1400", "ETH-USD")  # its stop
        await until_flat(ask)
        assert (await ask("trading_state.set", {"state": "HALTED", "reason": "enough", "cancel": True, "flatten": True}, ADMIN))["state"] == "HALTED"
        assert (await ask("trading_state.set", {"state": "ACTIVE", "reason": "on"}, ADMIN))["state"] == "ACTIVE"


async def test_a_day_that_turned_while_nobody_ran_begins_with_the_quotes_and_not_with_the_start(arena: Arena) -> None:
    async with arena.open(daily_loss_max=300) as (adapter, _):
        await valued(arena, adapter, "42000")
    arena.clock.advance(26 * 3600)
    async with arena.open(daily_loss_max=300) as (adapter, ask):
        await arena.looked()
        assert adapter.context.desk.limits.day_result is not None
        assert adapter.context.desk.limits.day_result.pnl == 0, "it has not begun"
        await valued(arena, adapter, "40000")
        await arena.looked()  # the first look turned the day
        assert adapter.context.desk.limits.day_result is not None
        assert adapter.context.desk.limits.day_result.pnl == 0
        assert (await ask("trading_state.get"))["state"] == "ACTIVE"


async def test_an_account_that_is_never_quoted_holds_up_no_other_broker(arena: Arena) -> None:
    """An arena with OANDA's prices alone: every order at OANDA waited for the day of Coinbase's paper account, which cannot trade."""
    async with arena.open(daily_loss_total_max=300) as (adapter, ask):
        await arena.looked()
        result = adapter.context.desk.limits.day_result
        assert result is not None, "a day that has not begun has brought nothing"
        assert result.pnl == 0
        with pytest.raises(Unavailable, match="no quote of BTC-USD"):
            await ask("order.place", ticket("a1", **ETHER))
        arena.clock.advance(26 * 3600)
        await arena.looked()
        await arena.looked()
        assert adapter.context.desk.limits.day_result == replace(result, day=result.day + 1)


async def test_a_day_that_has_begun_or_that_holds_a_position_is_unknown_without_quotes(arena: Arena) -> None:
    async with arena.open(daily_loss_max=300) as (adapter, ask):
        await valued(arena, adapter, "42000")
        arena.quote("2000", "ETH-USD")
        await ask("order.place", ticket("a1", **ETHER))
        await event(arena.settings, "order_filled", "coinbase")
    for hours in (0, 26):
        arena.clock.advance(hours * 3600)
        async with arena.open(daily_loss_max=300) as (adapter, _):
            await arena.looked()
            assert adapter.context.desk.limits.day_result is None


async def test_an_account_whose_day_is_not_limited_waits_for_nothing(arena: Arena) -> None:
    async with arena.open() as (_, ask):
        arena.quote("2000", "ETH-USD")
        await arena.looked()
        assert (await ask("order.place", ticket("a1", **ETHER)))["status"]


async def test_a_day_that_cannot_be_judged_for_a_minute_is_said_once(arena: Arena, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody brakes for it meanwhile; who runs the arena must know."""

    def said() -> list[tuple[str, object]]:
        return [(each.message, getattr(each, "awaited", None)) for each in caplog.records if "the day's loss" in each.message]

    caplog.set_level("INFO", "brokers.watches")
    async with arena.open(daily_loss_max=300) as (adapter, _):
        await arena.looked()
        assert said() == []
        arena.clock.advance(61)
        await arena.looked()
        await arena.looked()
        assert said() == [("the day's loss is not judged: these have no quotes", ["BTC-USD"])]
        await valued(arena, adapter, "42000")
        assert said()[1:] == [("the day's loss is judged again", None)]


async def until_flat(ask: Caller) -> None:
    async with asyncio.timeout(30):
        while (await ask("position.list"))["positions"]:
            await asyncio.sleep(0.005)


async def test_the_equity_curve_has_no_point_without_the_coins(arena: Arena) -> None:
    async with arena.open() as (adapter, ask):
        await valued(arena, adapter, "42000")
        arena.quote("2000", "ETH-USD")
        await ask("order.place", ticket("a1", **ETHER))
        await event(arena.settings, "order_filled", "coinbase")
    async with arena.open() as (adapter, ask):
        await arena.looked()
        arena.quote("2000", "ETH-USD")
        await valued(arena, adapter, "42000")
        arena.clock.advance(61)
        arena.quote("2000", "ETH-USD")
        await valued(arena, adapter, "42001")
        points = (await ask("equity.list"))["equity"]
        assert points[0]["equity"] > 141_900, "a point after the restart"
        assert min(point["equity"] for point in points) > 141_900


async def test_an_account_opened_anew_before_the_first_quote_begins_its_day_with_it(arena: Arena) -> None:
    async with arena.open() as (adapter, _):
        await valued(arena, adapter, "42000")
    async with arena.open(daily_loss_max=300) as (adapter, ask):
        await ask("paper.reset", {}, ADMIN)
        await valued(arena, adapter, "43000")
        assert adapter.context.desk.limits.day_result is not None
        assert adapter.context.desk.limits.day_result.pnl == 0
        assert (await ask("trading_state.get"))["state"] == "ACTIVE"
