"""Whatever is asked of the simulated venue and wherever the market goes, its books stay whole."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.oanda import closing, placing
from tests.venues.oanda.errors import Refusal
from tests.venues.oanda.kit import Desk, bracket, desk, limit, market
from trading.instruments import Side

PIPS = st.integers(-300, 300)
UNITS = st.integers(-3000, 3000)


def price(pips: int) -> str:
    return f"{Decimal('1.10000') + Decimal(pips).scaleb(-4):.5f}"


# A step: what to do, and three numbers to do it with.
STEPS = st.lists(
    st.tuples(st.sampled_from(["market", "limit", "stop", "trailing", "quote", "cancel", "close", "replace"]), PIPS, PIPS, UNITS), max_size=25
)


def act(venue: Desk, kind: str, first: int, second: int, units: int) -> None:
    """One step; a refusal is an answer like any other."""
    orders: dict[str, dict[str, Any]] = {
        "market": market(str(units), **bracket(price(first), price(second))),
        "limit": limit(str(units), price(first), **bracket(price(second), price(-second))),
        "stop": {**limit(str(units), price(first)), "type": "STOP"},
        "trailing": market(str(units), trailingStopLossOnFill={"distance": f"{Decimal(abs(first)).scaleb(-4):.5f}"}),
    }
    try:
        match kind:
            case "quote":
                venue.quote(price(first), f"{Decimal(price(first)) + Decimal('0.0001'):.5f}", size=str(abs(units) + 1) if second > 0 else None)
            case "cancel":
                placing.cancel(venue.account, str(4 + abs(first) % 40))
            case "close":
                closing.close_trade(venue.account, str(4 + abs(first) % 40), {"units": str(abs(units))} if second > 0 else {})
            case "replace":
                placing.replace(venue.account, str(4 + abs(first) % 40), {"order": limit(str(units), price(second))})
            case _:
                venue.place(**orders[kind])
    except Refusal:
        pass


@settings(max_examples=60)
@given(steps=STEPS, hedging=st.booleans())
def test_the_books_stay_whole(steps: list[tuple[str, int, int, int]], hedging: bool) -> None:
    """Ids without a hole, money that adds up, exits that belong to open trades, orders that are pending or were finished by a transaction."""
    venue = desk(hedging=hedging)
    for step in steps:
        act(venue, *step)
    account = venue.account
    log = account.log.transactions
    assert [int(each["id"]) for each in log] == list(range(1, len(log) + 1))
    fills = [each for each in log if each["type"] == "ORDER_FILL"]
    assert account.balance == account.config.balance + sum(Decimal(each["pl"]) for each in fills)
    assert account.realized == sum((trade.realized for trade in account.trades.values()), Decimal(0))
    assert account.nav() == account.balance + sum((account.unrealized(trade) for trade in account.open.values()), Decimal(0))
    for side in Side:
        assert account.sizes["EUR_USD", side] == sum((abs(trade.units) for trade in account.open_in("EUR_USD", side)), Decimal(0))
    for trade in account.trades.values():
        assert (trade.id in account.open) == (trade.state == "OPEN") == bool(trade.units)
        assert abs(trade.units) <= abs(trade.initial_units)
        assert not trade.exits or trade.state == "OPEN", "an exit outlived its trade"
        assert all(order_id in account.pending for order_id in trade.exits.values())
    finished = {each["orderID"] for each in log if each["type"] in {"ORDER_FILL", "ORDER_CANCEL"}}
    for order in account.orders.values():
        assert (order.state == "PENDING") == (order.id in account.pending) == (str(order.id) not in finished)
    if not hedging:
        assert len({trade.side for trade in account.open.values()}) <= 1
