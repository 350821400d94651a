"""A list of orders that is behind what was seen of them one by one."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from brokers.coinbase.answers import VenueFill, VenueOrder, VenueStatus
from tests.brokers.coinbase.kit import Pair, bracket, pair
from trading.instruments import Side

D = Decimal


@contextlib.contextmanager
def _behind(made: Pair, *, late_fills: int) -> Iterator[None]:
    """Lists show a sale as it was before it traded; so does its own address after the first look, and ``late_fills`` times nothing is told to have
    traded."""
    client, seen, told = made.venue._at_once, set[str](), [0]
    orders, order, fills = client.orders, client.order, client.fills

    def before(one: VenueOrder) -> VenueOrder:
        is_sale = one.side is Side.SELL and one.configuration.kind == "market_market_ioc"
        return replace(one, status=VenueStatus.OPEN, filled_size=D(0), number_of_fills=0) if is_sale else one

    async def list_behind(**asked: Any) -> Sequence[VenueOrder]:
        return [before(one) for one in await orders(**asked)]

    async def then_behind(order_id: str) -> VenueOrder:
        one = await order(order_id)
        if order_id in seen:
            return before(one)
        seen.add(order_id)
        return one

    async def late(**asked: Any) -> Sequence[VenueFill]:
        told[0] += 1
        return [] if told[0] <= late_fills else await fills(**asked)

    with patch.object(client, "orders", list_behind), patch.object(client, "order", then_behind), patch.object(client, "fills", late):
        yield


@pytest.mark.parametrize("late_fills", [0, 2])
async def test_coins_whose_sale_was_seen_get_no_exit_when_a_list_does_not_show_it_yet(late_fills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account has more of them, which are none of the bracket's: an exit for what is sold would sell those."""
    monkeypatch.setattr("brokers.coinbase.looking.LAG_PAUSES_S", (0.0,) * 5)
    async with pair(balances={"BTC": "1"}) as made:
        known = await made.place(bracket())
        with _behind(made, late_fills=late_fills):
            known.take(await made.venue.close(known.target(), D("0.004")))
        assert known.position == D("0.006")
        assert [one.remaining for one in made.sim.account.live.values() if one.side == "SELL"] == [D("0.006")]
