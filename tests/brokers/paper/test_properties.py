"""What must hold whatever the market does and whatever is ordered: random quotes, orders, partial fills, commands and restarts.

A plan is a list of steps that hypothesis draws and shrinks. It is run against the engine, and what the engine said (events, fills, trades, rows) is
then judged by rules written down here a second time, without the engine's help.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.paper.triggers import Triggers
from tests.brokers.paper.kit import INSTRUMENTS, T0, S
from tests.brokers.paper.plans import MID, NAMES, Run, Step, fresh_engine, plans, quote_at
from trading.brackets import Bracket, Fill, Liquidity
from trading.instruments import Side
from trading.money import ZERO
from trading.orders import EntryType, Leg, OrderStatus
from trading.quotes import Quote

VENUES = pytest.mark.parametrize("venue", ["oanda", "coinbase"])
OFTEN = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def drawn(data: st.DataObject, venue: str, **more: Any) -> list[Step]:
    return data.draw(plans(venue, **more))


@VENUES
@OFTEN
@given(data=st.data())
def test_the_books_add_up_to_the_last_digit(venue: str, data: st.DataObject) -> None:
    """Position = sum of fills, realised P&L and fees = sums over fills, balance = paid in + realised - fees, equity = balance + open P&L +
    holdings.
    """
    run = Run(fresh_engine(venue))
    paid_in = run.engine.account(T0).balance
    run.go(drawn(data, venue))
    by_order: dict[str, list[Fill]] = defaultdict(list)
    for fill in run.fills:
        by_order[fill.order_id].append(fill)
    for bracket in run.rows.values():
        fills = by_order[bracket.order_id]
        entered = sum((fill.units for fill in fills if fill.leg is Leg.ENTRY), ZERO)
        left = sum((fill.units for fill in fills if fill.leg is not Leg.ENTRY), ZERO)
        assert (bracket.filled_units, bracket.closed_units) == (entered, left)
        assert bracket.realized_pnl == sum((fill.realized_pnl for fill in fills), ZERO)
        assert bracket.fees == sum((fill.fee for fill in fills), ZERO)
        assert 0 <= left <= entered <= bracket.order.units
    account = run.engine.account(T0)
    assert account.realized_pnl == sum((fill.realized_pnl for fill in run.fills), ZERO)
    assert account.fees == sum((fill.fee for fill in run.fills), ZERO)
    assert account.balance == paid_in + account.realized_pnl - account.fees
    assert account.equity == account.balance + account.open_pnl + account.holdings_value
    positions = run.engine.positions()
    assert account.open_pnl == sum((position.open_pnl for position in positions), ZERO)
    for position in positions:
        held = [row for row in run.rows.values() if not row.is_final and (row.instrument, row.side) == (position.instrument, position.side)]
        assert position.units == sum((row.position_units for row in held), ZERO)


@VENUES
@OFTEN
@given(data=st.data())
def test_cash_and_holdings_are_what_the_fills_moved(venue: str, data: st.DataObject) -> None:
    """Without margin, cash = paid in - bought + sold - fees and holdings = start + bought - sold, recomputed from the fills alone."""
    run = Run(fresh_engine(venue))
    before = run.engine.account(T0)
    run.go(drawn(data, venue))
    after = run.engine.account(T0)
    if venue == "oanda":
        assert (after.cash, after.holdings) == (after.balance, {})
        return
    spent = sum(((fill.units * fill.price).quantize(Decimal("0.000001")) * fill.side.sign for fill in run.fills), ZERO)
    fees = sum((fill.fee for fill in run.fills), ZERO)
    bought = sum((fill.units * fill.side.sign for fill in run.fills), ZERO)
    assert after.cash == before.cash - spent - fees
    assert after.holdings["BTC"] == before.holdings["BTC"] + bought
    assert after.holdings["BTC"] >= 0, "only what is held can be sold"


@VENUES
@OFTEN
@given(data=st.data())
def test_one_exit_per_entry_and_no_leg_is_left_behind(venue: str, data: st.DataObject) -> None:
    """A closed bracket left with exactly what it entered with, told so once, and each leg that did not fill was told to be cancelled exactly once."""
    run = Run(fresh_engine(venue)).go(drawn(data, venue))
    told: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for changes in run.log:
        for event in changes.events:
            told[str(event.payload.get("order_id"))].append((str(event.type), str(event.payload.get("leg", ""))))
    trades = [trade.order_id for changes in run.log for trade in changes.trades]
    for bracket in run.rows.values():
        story = told[bracket.order_id]
        cancelled = [leg for kind, leg in story if kind == "order_cancelled"]
        assert len(cancelled) == len(set(cancelled)), "a leg was cancelled twice"
        closings = [kind for kind, _ in story if kind == "bracket_closed"]
        if bracket.status is OrderStatus.CLOSED:
            assert bracket.filled_units == bracket.closed_units > 0
            assert len(closings) == trades.count(bracket.order_id) == 1
            assert story[-1][0] == "bracket_closed"
            whole = {leg for kind, leg in story if kind == "order_filled"}
            assert {"take_profit", "stop_loss"} - whole - {"close"} == set(cancelled) & {"take_profit", "stop_loss"} - (whole & set(cancelled))
            assert ("entry" in cancelled) == (bracket.filled_units < bracket.order.units)
        else:
            assert not closings
        if bracket.status in {OrderStatus.CANCELLED, OrderStatus.EXPIRED}:
            assert cancelled == ["entry"]
            assert bracket.filled_units == 0


@VENUES
@OFTEN
@given(data=st.data())
def test_no_fill_is_worse_than_its_rule_and_none_breaks_the_quoted_size(venue: str, data: st.DataObject) -> None:
    """Entries at the right side of the spread and within a limit; stops at the quote and only when reached; targets no worse than asked; sizes
    kept.
    """
    run = Run(fresh_engine(venue))
    standing: dict[str, Quote] = {}
    used: dict[tuple[Quote, Side], Decimal] = defaultdict(Decimal)
    for step in drawn(data, venue):
        before = dict(run.rows)
        fills_before = len(run.fills)
        if step[0] == "quote":
            quote, _, _ = step[1]
            standing[quote.instrument] = quote
        run.go([step])
        for fill in run.fills[fills_before:]:
            quote = standing[fill.instrument]
            assert step[0] in {"quote", "match"}
            assert step[0] != "quote" or step[1][2], "nothing fills on a stale quote"
            assert (fill.bid, fill.ask) == (quote.bid, quote.ask)
            used[quote, fill.side] += fill.units
            _judge(fill, before[_n(fill)], run.rows[_n(fill)], quote)
    for (quote, side), units in used.items():
        size = quote.ask_size if side is Side.BUY else quote.bid_size
        assert size is None or units <= size
        assert units % INSTRUMENTS[quote.instrument].step == 0


def _n(fill: Fill) -> int:
    return int(fill.order_id.rpartition("-")[2])


def _judge(fill: Fill, before: Bracket, after: Bracket, quote: Quote) -> None:
    quoted = quote.ask if fill.side is Side.BUY else quote.bid
    sign = fill.side.sign  # a lower price is better for a buy
    bracket_order = before.order
    if fill.liquidity is Liquidity.TAKER:
        assert fill.price == quoted
    else:
        assert fill.price in {bracket_order.entry_price, bracket_order.take_profit_price}
        assert (fill.price - quoted) * sign >= 0, "a resting order trades only when the market has come to it"
    if fill.leg is Leg.ENTRY and bracket_order.entry_price is not None:
        beyond = (fill.price - bracket_order.entry_price) * sign
        assert beyond <= 0 if bracket_order.entry_type is EntryType.LIMIT else beyond >= 0 or before.entry_triggered
    if fill.leg is Leg.ENTRY:
        exit_price = quote.bid if before.side is Side.BUY else quote.ask
        assert (exit_price - bracket_order.stop_loss_price) * before.side.sign > 0
        assert (bracket_order.take_profit_price - exit_price) * before.side.sign > 0
    if fill.leg is Leg.TAKE_PROFIT:
        assert (fill.price - bracket_order.take_profit_price) * sign <= 0
    if fill.leg is Leg.STOP_LOSS:
        reached = (quoted - before.stop_price) * before.side.sign <= 0
        assert reached or before.stop_triggered
    assert (after.stop_price - before.stop_price) * before.side.sign >= 0, "a stop only tightens by itself"


@VENUES
@OFTEN
@given(data=st.data())
def test_same_input_same_output(venue: str, data: st.DataObject) -> None:
    """Two engines given one plan say the same, byte for byte."""
    steps = drawn(data, venue)
    assert Run(fresh_engine(venue)).go(steps).text() == Run(fresh_engine(venue)).go(steps).text()


@VENUES
@OFTEN
@given(data=st.data())
def test_a_restart_anywhere_changes_nothing(venue: str, data: st.DataObject) -> None:
    """An engine rebuilt after every single step from what had been drained says what the one that lived on says."""
    steps = drawn(data, venue)
    lived_on = Run(fresh_engine(venue)).go(steps)
    restarted = Run(fresh_engine(venue), restart_everywhere=True).go(steps)
    assert restarted.text() == lived_on.text()
    assert restarted.engine.account(T0) == lived_on.engine.account(T0)
    assert restarted.engine.open_brackets() == lived_on.engine.open_brackets()


@VENUES
@OFTEN
@given(data=st.data())
def test_leaving_idle_quotes_out_changes_nothing(venue: str, data: st.DataObject) -> None:
    """A driver that hands in only the quotes outside the idle range gets the same story as one that hands in every quote."""
    steps = drawn(data, venue)
    assert Run(fresh_engine(venue), idle_skips=True).go(steps).text() == Run(fresh_engine(venue)).go(steps).text()


class LookAtAll(Triggers):
    """No index: every quote concerns every bracket, and no quote is idle."""

    def due(self, bid: Decimal, ask: Decimal) -> list[int]:
        return sorted(self._wanted.keys() | self.urgent)

    def bounds(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        return Decimal("Infinity"), Decimal("-Infinity"), Decimal("Infinity"), Decimal("-Infinity")


@VENUES
@OFTEN
@given(data=st.data())
def test_the_index_finds_exactly_what_a_look_at_every_order_finds(venue: str, data: st.DataObject) -> None:
    """The engine with its ordered triggers and idle ranges says the same as one that looks at every bracket on every quote."""
    steps = drawn(data, venue)
    indexed = Run(fresh_engine(venue), idle_skips=True).go(steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("brokers.paper.state.Triggers", LookAtAll)
        patch.setattr("brokers.paper.engine._NO_TRIGGERS", LookAtAll())
        everything = Run(fresh_engine(venue)).go(steps)
    assert indexed.text() == everything.text()


@VENUES
@OFTEN
@given(data=st.data())
def test_no_position_is_without_its_stop(venue: str, data: st.DataObject) -> None:
    """After every step, what is held leaves when the market trades through its stop, whatever else rests or was asked for."""
    run = Run(fresh_engine(venue)).go(drawn(data, venue))
    now = (run.log and T0 + 10_000 * S) or T0
    for name in NAMES[venue]:
        # Beyond any stop that a change may have set, also one that is a price of another instrument.
        for side, mid in ((Side.BUY, 5), (Side.SELL, MID[name] * 1000)):
            run.engine.on_quote(quote_at(name, mid, 2, None, now), now_ns=now, fresh=True)
            assert not [each for each in run.engine.open_brackets() if each.instrument == name and each.side is side and each.position_units]
