"""Exits that are orders of their own: what a close leaves of them, and what is done when none can stand. In virtual time."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from brokers.base import Progress
from brokers.live.broker import LiveBroker
from brokers.live.venue import Batch, ExitFilled, Exits, Fact
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, virtually
from trading.instruments import Side
from trading.orders import CloseReason, Leg, OrderStatus

D = Decimal
RELEASING = replace(POLICY, releases=True, resends=True)


def _close(units: str) -> Callable[[LiveBroker, int], Progress]:
    return lambda broker, now_ns: broker.close(
        "EUR_USD", side=Side.BUY, units=D(units), percent=None, placed_by="ann", reason=CloseReason.MANUAL, now_ns=now_ns
    )


@virtually
async def test_who_wants_more_closed_while_a_close_is_out_has_it_closed_next() -> None:
    """Its mark was taken for the first close's, whose fills were then waited for in vain for a quarter of a minute."""
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", Script.HANG)
        desk.ask(_close("30"))
        await desk.until(lambda: "close" in desk.venue.calls)
        desk.ask(_close("20"))
        desk.venue.release.set()
        begun_ns = desk.clock.boot_ns()
        await desk.until(lambda: desk.bracket(order_id).position_units == D(50))
        assert desk.clock.boot_ns() - begun_ns < 3e9


@virtually
async def test_a_close_that_found_half_a_counterpart_is_followed_by_one_for_the_rest() -> None:
    """Nothing guards the rest while it is wanted out: the campaign found such a rest waiting eight seconds for fills that could not come."""

    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life():
        order_id = await desk.opened()
        real = desk.exchange.close
        sizes: list[Decimal] = []

        def half(client_id: str, units: Decimal, price: Decimal | None = None) -> list[Fact]:
            sizes.append(units)
            return real(client_id, units / 2 if len(sizes) == 1 else units, price)

        desk.exchange.close = half  # type: ignore[method-assign]  # this one market
        desk.ask(_close("60"))
        begun_ns = desk.clock.boot_ns()
        await desk.until(lambda: desk.bracket(order_id).position_units == D(40))
        assert (sizes, desk.clock.boot_ns() - begun_ns < 2e9) == ([D(60), D(30)], True)


@virtually
async def test_a_close_that_found_no_counterpart_and_left_no_stop_is_asked_for_again_at_once() -> None:
    """The market is past the stop and empty: the close trades nothing, its exit is not taken again. That was waited on as if fills could come."""
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life():
        order_id = await desk.opened()
        real, asked_ns = desk.exchange.close, list[int]()

        def nothing(client_id: str, units: Decimal, price: Decimal | None = None) -> list[Fact]:
            asked_ns.append(desk.clock.boot_ns())
            return real(client_id, units, price) if len(asked_ns) > 1 else []

        desk.exchange.close = nothing  # type: ignore[method-assign]  # this one market
        desk.exchange.protect = lambda target: []  # type: ignore[method-assign]  # it takes no stop
        desk.ask(lambda broker, now_ns: broker.close_bracket(order_id, reason=CloseReason.KILL_SWITCH, now_ns=now_ns))
        await desk.until(lambda: desk.bracket(order_id).status is OrderStatus.CLOSED)
        assert asked_ns[1] - asked_ns[0] < 1e9


@virtually
async def test_an_exit_for_more_than_is_held_is_mended() -> None:
    """A close that the venue carried out late, beside an exit that had been placed again: the exit would sell what is not the bracket's."""
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life() as service:
        order_id = await desk.opened()
        held = desk.held()
        held.open_units -= D(40)  # the exchange's exits stay as they are
        late = ExitFilled(client_id=held.client_id, leg=Leg.CLOSE, fill_id="late", units=D(40), price=D("1.165"))
        await service.submit(lambda now_ns: service.broker.told(Batch(facts=[late]), now_ns))
        await desk.until(lambda: desk.bracket(order_id).position_units == D(60) and held.stop is not None and held.stop.units == D(60))


@virtually
async def test_a_halted_market_is_asked_for_the_stop_again_and_nothing_is_closed() -> None:
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life():
        desk.venue.next("protect", Script.REFUSE, Script.REFUSE)
        order_id = await desk.opened()
        assert desk.bracket(order_id).status is OrderStatus.OPEN
        assert "close" not in desk.venue.calls
