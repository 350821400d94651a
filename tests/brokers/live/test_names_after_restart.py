"""A restart knows everything that its brackets were ever called at the venue, those that have ended too; in virtual time."""

from decimal import Decimal

from brokers.live.venue import Standing, Stranger, VenueAccount, VenueSnapshot
from tests.brokers.live.stories import Desk, virtually
from trading.instruments import Side
from trading.orders import EntryType, Leg, OrderStatus
from trading.venue_refs import VenueRefs


@virtually
async def test_an_exit_of_a_bracket_that_has_ended_is_no_strangers_order() -> None:
    """Its own name says nothing of the bracket; before the restart it was known by what the venue calls it."""
    desk = Desk()
    async with desk.life():
        order_id = await desk.opened()
        stop = desk.held().stop
        assert stop is not None
        desk.exchange.hit(desk.held().client_id, Leg.TAKE_PROFIT)
        await desk.becomes(OrderStatus.CLOSED, order_id)
    left = Stranger(
        refs=VenueRefs(client_id="an-exit", order_refs=(stop.ref,)),
        instrument="EUR_USD",
        side=Side.SELL,
        units=Decimal(100),
        entry_type=EntryType.STOP,
        entry_price=Decimal("1.16"),
        standing=Standing(remaining_units=Decimal(100), position_units=Decimal(0)),
        created_ns=0,
    )
    account = VenueAccount(currency="USD", balance=Decimal(100))
    async with desk.life() as service:
        shown = VenueSnapshot(sightings={}, strangers=[left], account=account, cursor="")
        await service.submit(lambda now_ns: service.broker.compared(shown, {}, desk.clock.boot_ns(), now_ns))
        assert [bracket.order_id for bracket in desk.store.all()] == [order_id]
