"""What OANDA books beside fills (financing, dividends, transfers) and says of the account itself is told, once, by whichever door it came."""

import asyncio
from decimal import Decimal
from typing import Any

from runtime.settings import Settings
from tests.brokers.desk_kit import GRANTED, Caller, events_of
from tests.brokers.oanda.conftest import Live
from tests.brokers.oanda.kit import WAIT_S
from tests.brokers.oanda.test_hands import differences
from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue


async def account(ask: Caller) -> dict[str, Decimal]:
    found = (await ask("account.get", {}, GRANTED))["account"]
    return {name: Decimal(str(found[name])) for name in ("balance", "equity", "realized_pnl", "fees", "financing")}


async def becomes(ask: Caller, **wanted: Decimal) -> None:
    """Returns once the account has these figures."""
    async with asyncio.timeout(WAIT_S):
        while (now := await account(ask)) != {**now, **wanted}:
            await asyncio.sleep(0.01)


async def booked(settings: Settings) -> list[dict[str, Any]]:
    """The details of every event about a booking."""
    told = [each.payload["details"] for each in await events_of(settings, "oanda") if each.type == "reconciled"]
    return [dict(details) for details in told if isinstance(details, dict) and "booked" in details]


async def test_financing_is_in_the_figures_and_told_once(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        sim.account.charge_financing(Decimal("-1.25"))
        await becomes(ask, balance=Decimal("99998.75"), equity=Decimal("99998.75"), financing=Decimal("-1.25"), realized_pnl=Decimal(0))
        (told,) = await booked(settings)
        assert told["differences"] == ["the venue charged 1.25 USD of financing"]
        assert (told["booked"]["kind"], told["booked"]["amount"], told["booked"]["currency"]) == ("financing", Decimal("-1.25"), "USD")


async def test_what_was_booked_while_nobody_ran_is_counted_at_the_start_and_never_again(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live():
        pass
    sim.account.charge_financing(Decimal("-1.25"))
    sim.account.adjust_dividend("EUR_USD", Decimal("0.5"))
    for _start in range(2):
        async with live() as (_, ask):
            await becomes(ask, balance=Decimal("99999.25"), financing=Decimal("-0.75"))
            assert [each["booked"]["kind"] for each in await booked(settings)] == ["financing", "dividend"]


async def test_a_stream_that_repeats_itself_books_once(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        sim.faults.add(Fault(kind=Kind.STREAM_TWICE, path="/transactions/stream", times=None))
        sim.account.charge_financing(Decimal("-1.25"))
        sim.account.charge_financing(Decimal("-1.25"))
        await becomes(ask, balance=Decimal("99997.5"), financing=Decimal("-2.5"))
        assert len(await booked(settings)) == 2


async def test_a_margin_call_is_told_in_words(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live():
        sim.account.log.batch().write("MARGIN_CALL_ENTER")
        (told,) = await differences(settings, "margin call")
        assert told == "OANDA has put the account into a margin call: there is too little money for what is open, and OANDA may close it"


async def test_money_paid_in_is_told_and_is_no_result_of_trading(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        sim.account.transfer(Decimal(500))
        await becomes(ask, balance=Decimal(100_500), financing=Decimal(0))
        (told,) = await booked(settings)
        assert told["differences"] == ["500 USD paid into the account"]
