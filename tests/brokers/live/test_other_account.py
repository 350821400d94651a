"""Credentials for another account of the same owner: what is open at the first must not be looked for at the second. In virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from brokers.live.venue import VenueInfo
from tests.brokers.live.stories import Desk
from tests.brokers.live.virtual import run_virtually
from trading.orders import OrderStatus


def _at(account_ref: str) -> Callable[[Desk], None]:
    def prepare(desk: Desk) -> None:
        real = desk.venue.open

        async def opened() -> VenueInfo:
            return replace(await real(), account_ref=account_ref)

        desk.venue.open = opened  # type: ignore[method-assign]  # this one venue's answer

    return prepare


def test_open_orders_hold_the_store_to_their_account() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life(_at("first")):
            order_id = await desk.opened()
        held = desk.bracket(order_id)
        async with desk.life(_at("second"), reconciled=False) as service:
            await asyncio.sleep(300)
            assert not service.broker.is_reconciled
            assert not [call for call in desk.venue.calls if call not in {"open", "aclose"}], "nothing was asked of the other account"
            assert desk.bracket(order_id) == held
        async with desk.life(_at("first")):
            assert desk.bracket(order_id).status is OrderStatus.OPEN

    run_virtually(story)


def test_with_nothing_open_the_store_may_move_on() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life(_at("first")):
            pass
        async with desk.life(_at("second")):
            pass
        assert desk.store.account["account_ref"] == "second"

    run_virtually(story)
