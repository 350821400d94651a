"""A change of very many orders at once is answered, and the answer can be read."""

import asyncio

from runtime.clock import ManualClock
from tests.brokers.conftest import Open
from tests.brokers.desk_kit import Bus, ticket, until

ORDERS = 501


async def test_closing_a_position_of_more_orders_than_an_answer_holds_is_answered(paper: Open, bus: Bus, clock: ManualClock) -> None:
    async with paper() as (adapter, ask):
        await bus.subscribed()
        bus.quote("1.16500", "1.16510", sent_boot_ns=clock.boot_ns())
        for start in range(0, ORDERS, 100):
            await asyncio.gather(*(ask("order.place", ticket(f"a{n}", units=1)) for n in range(start, min(start + 100, ORDERS))))
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns(), n=1)
        await until(lambda: adapter.context.desk.broker.position_count == ORDERS)
        (position,) = (await ask("position.list"))["positions"]
        assert (position["units"], len(position["order_ids"])) == (ORDERS, 200)
        closed = await ask("position.close", {"instrument": "EUR_USD"})
        assert len(closed["orders"]) == len(closed["results"]) == 500
        assert (await ask("position.list"))["positions"] == []
