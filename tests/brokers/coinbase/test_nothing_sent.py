"""What comes after something was done is never told as "nothing was sent", and a question that comes before it leaves nothing in doubt."""

import asyncio
from decimal import Decimal
from unittest.mock import patch

import pytest

from brokers.coinbase.client import Cancelled
from brokers.live.venue import Amendment, NotSent
from runtime.outbound import InDoubt
from tests.brokers.coinbase.kit import WAIT_S, Pair, bracket, limit

D = Decimal


async def _not_sent(*_: object, **__: object) -> None:
    raise NotSent(message="too many requests wait for their turn at the venue")


async def _never(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


async def test_an_exit_that_was_taken_off_is_no_change_of_which_nothing_was_sent(at: Pair) -> None:
    """The venue would not have the next one for want of coins, and whether they are there could not be asked."""
    known = await at.place(bracket())
    at.strike("leg_refused", times=2, reason="INSUFFICIENT_FUND")
    with patch.object(at.venue._context.guard, "holdings", _not_sent), pytest.raises(InDoubt):
        await at.venue.amend(known.target(), Amendment(stop_loss_price=D(59000)))
    assert at.naked == known.position


async def test_a_cancel_that_the_venue_answered_is_no_cancel_of_which_nothing_was_sent(at: Pair) -> None:
    """Its answer says no, which the one that ended the entry may have been the cause of, and what became of it could not be asked."""
    known = await at.place(limit("59000"))
    placing = at.venue._entries._placing

    async def refused(order_ids: list[str]) -> list[Cancelled]:
        at.sim.exchange.cancel(order_ids[0])
        return [Cancelled(order_id=order_ids[0], is_taken=False, reason="COMMANDER_REJECTED_CANCEL_ORDER")]

    with patch.object(placing, "ask_to_end", refused), patch.object(placing, "seen", _not_sent), pytest.raises(InDoubt):
        await at.venue.cancel(known.target())
    assert at.orders(working=True) == []


@pytest.mark.parametrize("is_filled", [False, True], ids=["entry", "exits"])
async def test_a_change_that_is_waiting_to_be_asked_about_leaves_nothing_in_doubt(at: Pair, is_filled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preview waits for its turn behind new orders, and again when it is refused one: the call ran out over it, the order was UNKNOWN, and its stop
    was believed no more."""
    monkeypatch.setattr("brokers.coinbase.placing.OBJECT_S_MAX", 0.01)
    known = await at.place(bracket() if is_filled else limit("59000"))
    change = Amendment(stop_loss_price=D(59000 if is_filled else 58500))
    stands = at.orders(working=True)
    with patch.object(at.venue._context.client, "preview", _never), pytest.raises(NotSent):
        async with asyncio.timeout(WAIT_S / 10):
            await at.venue.amend(known.target(), change)
    assert at.orders(working=True) == stands
    assert not at.venue._context.aside
