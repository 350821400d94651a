"""What a bracket shows of itself: its legs at every stage, and the trade it was."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trading.seed import BRACKET
from trading.brackets import Bracket, legs_of, r_multiple, trade_of
from trading.orders import CloseReason, OrderStatus

D = Decimal

PARTLY = replace(BRACKET, status=OrderStatus.PARTIALLY_FILLED, filled_units=D(40), entry_value=D("46.62"), opened_ns=5)
OPEN = replace(BRACKET, status=OrderStatus.OPEN, filled_units=D(100), entry_value=D("116.55"), opened_ns=5)
CLOSED = replace(
    OPEN,
    status=OrderStatus.CLOSED,
    closed_units=D(100),
    exit_value=D(116),
    realized_pnl=D("-0.55"),
    fees=D("0.05"),
    risk_money=D("0.6"),
    closed_ns=9,
    close_reason=CloseReason.STOP_LOSS,
)


@pytest.mark.parametrize(
    ("bracket", "entry", "stop", "target"),
    [
        (BRACKET, "PENDING", "WAITING", "WAITING"),
        (PARTLY, "PARTIALLY_FILLED", "WORKING", "WORKING"),
        (replace(PARTLY, status=OrderStatus.OPEN, entry_cancelled=True), "CANCELLED", "WORKING", "WORKING"),
        (OPEN, "FILLED", "WORKING", "WORKING"),
        (replace(OPEN, closed_units=D(30), stop_triggered=True), "FILLED", "WORKING", "CANCELLED"),
        (CLOSED, "FILLED", "FILLED", "CANCELLED"),
        (replace(CLOSED, close_reason=CloseReason.TAKE_PROFIT), "FILLED", "CANCELLED", "FILLED"),
        (replace(CLOSED, close_reason=CloseReason.MANUAL), "FILLED", "CANCELLED", "CANCELLED"),
        (replace(BRACKET, status=OrderStatus.EXPIRED, entry_cancelled=True), "CANCELLED", "CANCELLED", "CANCELLED"),
    ],
)
def test_each_leg_says_where_it_stands(bracket: Bracket, entry: str, stop: str, target: str) -> None:
    assert [leg["status"] for leg in legs_of(bracket)] == [entry, stop, target]


def test_exits_trade_the_other_way_for_what_is_held() -> None:
    """40 of 100 bought: both exits sell 40; the stop is shown where it stands now."""
    legs = legs_of(replace(PARTLY, stop_price=D("1.165")))
    assert [(leg["leg"], leg["side"], leg["units"], leg["price"]) for leg in legs] == [
        ("entry", "BUY", D(100), D("1.1655")),
        ("stop_loss", "SELL", D(40), D("1.165")),
        ("take_profit", "SELL", D(40), D("1.17")),
    ]


def test_a_trade_is_what_the_bracket_was() -> None:
    """Bought at 1.1655, sold at 1.16, 0.05 of fees: -0.60 net on 0.60 at risk is -1 R."""
    trade = trade_of(CLOSED)
    assert (trade.entry_price, trade.exit_price, trade.units, trade.net_pnl, trade.held_ns) == (D("1.1655"), D("1.16"), D(100), D("-0.6"), 4)
    assert trade.r_multiple == r_multiple(CLOSED) == -1


def test_nothing_at_risk_has_no_multiple() -> None:
    assert r_multiple(replace(CLOSED, risk_money=D(0))) is None


@pytest.mark.parametrize("bracket", [BRACKET, OPEN])
def test_what_has_not_closed_was_no_trade_yet(bracket: Bracket) -> None:
    with pytest.raises(ValueError, match="never open, or still is"):
        trade_of(bracket)
