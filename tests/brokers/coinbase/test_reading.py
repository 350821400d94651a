"""Many orders read at once cost a few requests, and each who asked gets its own answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from brokers.coinbase.answers import VenueFill, VenueOrder
from brokers.coinbase.reading import IDS_PER_REQUEST, Reading
from brokers.coinbase.rest import Missing
from runtime.outbound import InDoubt
from tests.brokers.coinbase.kit import WAIT_S
from tests.brokers.coinbase.shapes import venue_fill, venue_order


class _Client:
    """Answers at once, and writes down what it was asked; a request that names an order of ``troubled`` fails."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.unlisted: set[str] = set()
        self.troubled: set[str] = set()
        self.missing: set[str] = set()

    async def order(self, order_id: str) -> VenueOrder:
        self._ask([order_id])
        if order_id in self.missing:
            raise Missing(order_id)
        return venue_order(order_id)

    async def orders(self, *, order_ids: Sequence[str]) -> list[VenueOrder]:
        self._ask(order_ids)
        return [venue_order(order_id) for order_id in order_ids if order_id not in self.unlisted | self.missing]

    async def fills(self, *, order_ids: Sequence[str]) -> list[VenueFill]:
        self._ask(order_ids)
        return [venue_fill(f"fill-{order_id}", order_id) for order_id in order_ids if order_id not in self.missing]

    def _ask(self, order_ids: Sequence[str]) -> None:
        self.asked.append(list(order_ids))
        if self.troubled.intersection(order_ids):
            raise InDoubt("no answer")


def _reading(client: _Client) -> Reading:
    made: Any = client
    return Reading(made, lambda: False, patience_s=WAIT_S)


def _ids(number: int) -> list[str]:
    return [f"order-{n:03}" for n in range(number)]


async def test_sixty_orders_asked_for_at_once_are_two_requests() -> None:
    client = _Client()
    reading = _reading(client)
    found = await asyncio.gather(*map(reading.order, _ids(60)))
    assert [one.order_id for one in found] == _ids(60)
    assert [len(asked) for asked in client.asked] == [IDS_PER_REQUEST, 60 - IDS_PER_REQUEST]


async def test_their_executions_are_two_requests_and_each_gets_its_own() -> None:
    client = _Client()
    client.missing = {"order-007"}
    reading = _reading(client)
    found = await asyncio.gather(*(reading.fills([order_id]) for order_id in _ids(60)))
    assert [[one.order_id for one in fills] for fills in found] == [[] if order_id == "order-007" else [order_id] for order_id in _ids(60)]
    assert len(client.asked) == 2


async def test_a_lone_order_is_asked_for_by_its_own_address() -> None:
    client = _Client()
    client.missing = {"gone"}
    with pytest.raises(Missing):
        await _reading(client).order("gone")
    assert client.asked == [["gone"]]


async def test_what_a_list_leaves_out_is_asked_for_by_itself_before_it_is_missing() -> None:
    client = _Client()
    client.unlisted, client.missing = {"order-001"}, {"order-002"}
    reading = _reading(client)
    found = await asyncio.gather(*map(reading.order, _ids(3)), return_exceptions=True)
    assert isinstance(found[1], VenueOrder)
    assert isinstance(found[2], Missing)
    assert client.asked[0] == _ids(3)
    assert sorted(client.asked[1:]) == [["order-001"], ["order-002"]]
    assert list(await reading.orders(["order-000", "order-001"])) == ["order-000"], "who asks for several is told which a list shows"


async def test_a_request_that_fails_is_trouble_for_those_whom_it_named() -> None:
    client = _Client()
    client.troubled = {"order-059"}
    reading = _reading(client)
    orders = await asyncio.gather(*map(reading.order, _ids(60)), return_exceptions=True)
    fills = await asyncio.gather(*(reading.fills([order_id]) for order_id in _ids(60)), return_exceptions=True)
    assert [type(one) for one in orders] == [VenueOrder] * IDS_PER_REQUEST + [InDoubt] * 10
    assert [type(one) for one in fills] == [list] * IDS_PER_REQUEST + [InDoubt] * 10
    with pytest.raises(InDoubt):
        await reading.orders(["order-000", "order-059"])
