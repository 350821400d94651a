"""Exits that are watched here because the venue cannot hold them, and a stop at the venue that leaves something behind."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.live.venue import Capability, Exits, Target, VenueSnapshot
from tests.brokers.live.stories import POLICY, Desk
from tests.brokers.live.virtual import run_virtually
from tests.brokers.paper.kit import quote
from trading.orders import CloseReason, OrderStatus
from trading.quotes import Quote


def show(desk: Desk, bid: str, ask: str, *, fresh: bool = True, at: int = 0) -> None:
    """A quote reaches the adapter."""

    def take(now_ns: int) -> tuple[()]:
        desk.service.broker.on_quote(_quote(bid, ask, at), now_ns=now_ns, fresh=fresh)
        return ()

    asyncio.get_running_loop().create_task(desk.service.submit(take))


def _quote(bid: str, ask: str, at: int) -> Quote:
    return quote(bid, ask, at=at, feed="oanda")


def with_capability(desk: Desk, **changes: object) -> None:
    """What the venue says it can do in EUR_USD."""
    desk.venue.capability = Capability(**{"exits": desk.exits, **changes})  # type: ignore[arg-type]  # its fields by name


@pytest.mark.parametrize(("exits", "price", "reason"), [
    (Exits.HELD, ("1.15990", "1.16000"), CloseReason.STOP_LOSS),
    (Exits.HELD, ("1.17010", "1.17020"), CloseReason.TAKE_PROFIT),
    (Exits.STOP_ONLY, ("1.17010", "1.17020"), CloseReason.TAKE_PROFIT),
])  # fmt: skip
def test_a_held_exit_closes_when_its_price_is_quoted(exits: Exits, price: tuple[str, str], reason: CloseReason) -> None:
    async def story() -> None:
        desk = Desk(exits=exits)
        async with desk.life() as service:
            await desk.opened()
            assert service.broker.wants(_quote("1.1650", "1.1651", 0))
            show(desk, "1.16500", "1.16510")
            await asyncio.sleep(1)
            assert desk.bracket().status is OrderStatus.OPEN
            show(desk, *price, at=1)
            closed = await desk.becomes(OrderStatus.CLOSED)
            assert closed.close_reason is reason
            assert not desk.held().open_units
            assert [each["leg"] for each in desk.told("order_filled")][-1] == str(reason).lower()

    run_virtually(story)


@pytest.mark.parametrize("why", ["stale", "closed"])
def test_a_quote_that_may_not_decide_closes_nothing(why: str) -> None:
    saturday = 3 * 86_400_000_000_000  # after a Wednesday

    async def story() -> None:
        desk = Desk(exits=Exits.HELD)
        async with desk.life():
            await desk.opened()
            show(desk, "1.15000", "1.15010", fresh=why != "stale", at=saturday if why == "closed" else 0)
            await asyncio.sleep(5)
            assert desk.bracket().status is OrderStatus.OPEN
            assert "close" not in desk.venue.calls

    run_virtually(story)


def test_a_trailing_stop_that_the_venue_does_not_move_is_moved_from_here_and_only_tightens() -> None:
    async def story() -> None:
        desk = Desk(exits=Exits.AFTER_FILL)
        async with desk.life(lambda desk: with_capability(desk, trails=False)):
            await desk.opened(trailing_stop_distance=Decimal("0.005"))
            assert desk.held().stop_price == Decimal("1.16")
            show(desk, "1.16900", "1.16910")
            await desk.until(lambda: desk.held().stop_price == Decimal("1.164"))
            assert desk.bracket().stop_price == Decimal("1.164")
            await asyncio.sleep(5)
            show(desk, "1.16600", "1.16610", at=1)
            await asyncio.sleep(5)
            assert desk.held().stop_price == Decimal("1.164")
            assert desk.bracket().order.stop_loss_price == Decimal("1.16"), "what was ordered stays what was ordered"
            desk.agrees()

    run_virtually(story)


def test_what_a_resting_stop_left_behind_is_closed_at_the_market() -> None:
    """A stop that turned into a limit order and was run over: two seconds beyond its price, and the position goes at any price."""

    async def story() -> None:
        desk = Desk(exits=Exits.AFTER_FILL)
        async with desk.life(lambda desk: with_capability(desk, stop_may_rest=True)):
            await desk.opened()
            show(desk, "1.15900", "1.15910")
            await asyncio.sleep(1)
            assert desk.bracket().status is OrderStatus.OPEN
            await asyncio.sleep(1.5)
            show(desk, "1.15800", "1.15810", at=1)
            closed = await desk.becomes(OrderStatus.CLOSED)
            assert closed.close_reason is CloseReason.STOP_LOSS

    run_virtually(story)


def test_a_stop_that_trails_while_the_account_is_looked_at_keeps_nothing_from_being_seen() -> None:
    """The stop moves with every quote, and a snapshot takes longer than quotes are apart: that the position has gone is seen all the same."""

    async def story() -> None:
        desk = Desk(exits=Exits.HELD, policy=replace(POLICY, reconcile_s=1.0))
        async with desk.life():
            await desk.opened(trailing_stop_distance=Decimal("0.0050"))
            desk.venue.is_mute = True
            snapshot, prices = desk.venue.snapshot, iter(range(16600, 16900))

            async def slow(targets: Sequence[Target]) -> VenueSnapshot:
                picture, price = await snapshot(targets), next(prices)
                show(desk, f"1.{price}", f"1.{price + 1}", at=price)
                await asyncio.sleep(0.2)
                return picture

            desk.venue.snapshot = slow  # type: ignore[method-assign]  # a venue that takes its time
            desk.exchange.forget(desk.held().client_id)
            assert (await desk.becomes(OrderStatus.CLOSED)).close_reason is CloseReason.EXTERNAL

    run_virtually(story)
