"""From transactions to facts, with JSON as the venue writes it: every type that means something, what is new, and what is broken."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from brokers.live.facts import Booked, BookingKind, Noted
from brokers.live.venue import EntryAccepted, EntryEnded, EntryFilled, EntryRefused, ExitFilled, LegGone, LegStands, Unplaced
from brokers.oanda.memory import KnownOrder, KnownTrade, Memory, Missing, Role
from brokers.oanda.transactions import facts_of, unreadable
from brokers.oanda.wire import Malformed
from trading.events import CancelReason
from trading.orders import CloseReason, Leg

ID = "7f3a0000-0000-4000-8000-000000000001"
AT = "2026-09-23T21:14:07.570329138Z"
AT_NS = 1_790_198_047_570_329_000

# A real market fill of September 2026, with what newer servers add.
FILL: Mapping[str, Any] = {
    "id": "31",
    "accountID": "101-001-1234567-001",
    "userID": 1234567,
    "batchID": "30",
    "requestID": "115595025886925388",
    "time": AT,
    "type": "ORDER_FILL",
    "orderID": "30",
    "clientOrderID": ID,
    "instrument": "EUR_USD",
    "units": "1",
    "requestedUnits": "1",
    "price": "1.13835",
    "fullVWAP": "1.13835",
    "pl": "0.0000",
    "quotePL": "0",
    "financing": "0.0000",
    "baseFinancing": "0",
    "commission": "0.0000",
    "accountBalance": "100000.0000",
    "gainQuoteHomeConversionFactor": "1",
    "lossQuoteHomeConversionFactor": "1",
    "guaranteedExecutionFee": "0.0000",
    "quoteGuaranteedExecutionFee": "0",
    "halfSpreadCost": "0.0003",
    "reason": "MARKET_ORDER",
    "tradeOpened": {"tradeID": "31", "units": "1", "price": "1.13835", "halfSpreadCost": "0.0003", "initialMarginRequired": "0.0228"},
    "fullPrice": {"closeoutBid": "1.13761", "closeoutAsk": "1.13845", "time": AT, "bids": [{"price": "1.13770", "liquidity": "500000"}]},
    "homeConversionFactors": {"gainQuoteHome": {"factor": "1"}},
}


def closing(reason: str, part: str = "tradesClosed", **more: Any) -> dict[str, Any]:
    """A fill that takes 1 unit off trade 31."""
    taken = {"tradeID": "31", "units": "-1", "price": "1.14000", "realizedPL": "0.0016", "financing": "-0.0001"}
    base = {key: value for key, value in FILL.items() if key not in {"tradeOpened", "clientOrderID"}}
    return {**base, "id": "40", "orderID": "32", "units": "-1", "reason": reason, part: [taken] if part == "tradesClosed" else taken, **more}


def transaction(kind: str, number: str = "50", **fields: Any) -> dict[str, Any]:
    return {"id": number, "accountID": "101-001-1234567-001", "batchID": number, "time": AT, "type": kind, **fields}


@pytest.fixture
def memory() -> Memory:
    """Trade 31 of 10 units, opened by order 30, with target 32 and stop 33."""
    made = Memory()
    made.keep_order(KnownOrder(order_id="30", role=Role.ENTRY))
    target = KnownOrder(order_id="32", role=Role.TAKE_PROFIT, trade_id="31", price=Decimal("1.14"))
    stop = KnownOrder(order_id="33", role=Role.STOP_LOSS, trade_id="31", price=Decimal("1.13"))
    made.keep_trade(KnownTrade(trade_id="31", units=Decimal(10), as_of=33, exits={Role.TAKE_PROFIT: target, Role.STOP_LOSS: stop}))
    return made


def test_a_fill_that_opens(memory: Memory) -> None:
    assert facts_of(FILL, memory) == [
        EntryFilled(
            client_id=ID,
            order_ref="30",
            trade_ref="31",
            fill_id="31",
            units=Decimal(1),
            price=Decimal("1.13835"),
            fee=Decimal(0),
            time_ns=AT_NS,
            at=31,
        )
    ]


def test_a_fill_of_the_old_kind_has_its_price_outside_the_trade(memory: Memory) -> None:
    (fact,) = facts_of({**FILL, "tradeOpened": {"tradeID": "31", "units": "1"}}, memory)
    assert isinstance(fact, EntryFilled)
    assert fact.price == Decimal("1.13835")


def test_fees_of_a_fill_are_counted_once(memory: Memory) -> None:
    facts = facts_of({**closing("MARKET_ORDER", commission="0.5", guaranteedExecutionFee="0.25"), "tradeOpened": FILL["tradeOpened"]}, memory)
    assert [getattr(fact, "fee", None) for fact in facts] == [Decimal("0.75"), Decimal(0)]


@pytest.mark.parametrize(
    ("reason", "leg", "why"),
    [
        ("TAKE_PROFIT_ORDER", Leg.TAKE_PROFIT, None),
        ("STOP_LOSS_ORDER", Leg.STOP_LOSS, None),
        ("TRAILING_STOP_LOSS_ORDER", Leg.STOP_LOSS, None),
        ("GUARANTEED_STOP_LOSS_ORDER", Leg.STOP_LOSS, None),
        ("MARKET_ORDER_DELAYED_TRADE_CLOSE", Leg.STOP_LOSS, None),
        ("MARKET_ORDER_TRADE_CLOSE", Leg.CLOSE, None),
        ("MARKET_ORDER_POSITION_CLOSEOUT", Leg.CLOSE, None),
        ("MARKET_ORDER_MARGIN_CLOSEOUT", Leg.CLOSE, CloseReason.MARGIN_CLOSEOUT),
        ("MARKET_ORDER", Leg.CLOSE, None),
        ("LIMIT_ORDER", Leg.CLOSE, None),
        ("A_REASON_OF_TOMORROW", Leg.CLOSE, None),
    ],
)
def test_a_fill_that_closes_says_which_leg_it_was(memory: Memory, reason: str, leg: Leg, why: CloseReason | None) -> None:
    (out,) = facts_of(closing(reason), memory)
    assert isinstance(out, ExitFilled)
    assert (out.leg, out.reason, out.trade_ref, out.fill_id, out.units, out.price) == (leg, why, "31", "40.31", Decimal(1), Decimal("1.14000"))
    assert out.realized_pnl == Decimal("0.0015")


def test_one_fill_that_closes_several_trades_is_a_fact_for_each(memory: Memory) -> None:
    fill = closing("MARKET_ORDER_POSITION_CLOSEOUT")
    fill["tradesClosed"] = [fill["tradesClosed"][0], {**fill["tradesClosed"][0], "tradeID": "35"}]
    assert [fact.fill_id for fact in facts_of(fill, memory)] == ["40.31", "40.35"]  # type: ignore[attr-defined]


def test_a_reduction_tells_that_the_exits_follow_the_smaller_size(memory: Memory) -> None:
    fill = closing("MARKET_ORDER_TRADE_CLOSE", "tradeReduced")
    told = [(type(fact), getattr(fact, "leg", None), getattr(fact, "units", None)) for fact in facts_of(fill, memory)]
    assert told == [(ExitFilled, Leg.CLOSE, 1), (LegStands, Leg.STOP_LOSS, 9), (LegStands, Leg.TAKE_PROFIT, 9)]
    again = [(type(fact), getattr(fact, "leg", None), getattr(fact, "units", None)) for fact in facts_of(fill, memory)]
    assert again == told, "told a second time, through another door, it takes nothing off a second time"


def test_a_reduction_of_a_trade_that_is_not_known_asks_for_it() -> None:
    with pytest.raises(Missing) as missing:
        facts_of(closing("MARKET_ORDER_TRADE_CLOSE", "tradeReduced"), Memory())
    assert missing.value.trade_id == "31"


def test_what_was_read_later_is_not_reduced_by_what_came_before(memory: Memory) -> None:
    memory.keep_trade(KnownTrade(trade_id="31", units=Decimal(9), as_of=45))
    facts_of(closing("MARKET_ORDER_TRADE_CLOSE", "tradeReduced"), memory)
    assert memory.trade("31").units == 9


def test_entries_that_are_made_and_replaced() -> None:
    memory = Memory()
    fields = {"instrument": "EUR_USD", "units": "1", "price": "1.10000", "timeInForce": "GTD", "gtdTime": AT, "clientExtensions": {"id": ID}}
    assert facts_of(transaction("LIMIT_ORDER", reason="CLIENT_ORDER", **fields), memory) == [
        EntryAccepted(client_id=ID, order_ref="50", price=Decimal("1.1"), expires_ns=AT_NS, time_ns=AT_NS)
    ]
    (replaced,) = facts_of(transaction("STOP_ORDER", "52", reason="REPLACEMENT", replacesOrderID="50", **fields), memory)
    assert isinstance(replaced, EntryAccepted)
    assert (replaced.replaces, replaced.order_ref) == ("50", "52")
    (by_hand,) = facts_of(transaction("MARKET_ORDER", "53", reason="CLIENT_ORDER", instrument="EUR_USD", units="1"), memory)
    assert isinstance(by_hand, EntryAccepted)
    assert (by_hand.client_id, by_hand.price, by_hand.expires_ns) == ("", None, None)


@pytest.mark.parametrize("reason", ["TRADE_CLOSE", "POSITION_CLOSEOUT", "MARGIN_CLOSEOUT", "DELAYED_TRADE_CLOSE"])
def test_a_market_order_that_only_closes_is_no_entry_nor_is_its_end(reason: str) -> None:
    memory = Memory()
    assert facts_of(transaction("MARKET_ORDER", reason=reason, instrument="EUR_USD", units="-1"), memory) == ()
    assert facts_of(transaction("ORDER_CANCEL", "51", orderID="50", reason="MARKET_HALTED"), memory) == ()


def test_an_exit_of_a_trade_stands_for_all_of_it(memory: Memory) -> None:
    made = transaction("STOP_LOSS_ORDER", reason="REPLACEMENT", tradeID="31", price="1.13500", replacesOrderID="33")
    assert facts_of(made, memory) == [
        LegStands(leg=Leg.STOP_LOSS, trade_ref="31", order_ref="50", units=Decimal(10), price=Decimal("1.135"), time_ns=AT_NS)
    ]


def test_a_trailing_stop_beside_a_fixed_one_is_not_told_and_one_alone_is_asked_for(memory: Memory) -> None:
    trailing = transaction("TRAILING_STOP_LOSS_ORDER", reason="ON_FILL", tradeID="31", distance="0.00500")
    assert facts_of(trailing, memory) == []
    alone = Memory()
    alone.keep_trade(KnownTrade(trade_id="31", units=Decimal(10), as_of=33))
    with pytest.raises(Missing):
        facts_of(trailing, alone)
    stands_at = KnownOrder(order_id="50", role=Role.TRAILING_STOP, trade_id="31", price=Decimal("1.1325"))
    alone.keep_trade(KnownTrade(trade_id="31", units=Decimal(10), as_of=50, exits={Role.TRAILING_STOP: stands_at}))
    (leg,) = facts_of(trailing, alone)
    assert isinstance(leg, LegStands)
    assert (leg.leg, leg.price) == (Leg.STOP_LOSS, Decimal("1.1325"))


def test_the_end_of_an_entry_and_of_an_exit_are_told_apart(memory: Memory) -> None:
    (ended,) = facts_of(transaction("ORDER_CANCEL", orderID="30", clientOrderID=ID, reason="CLIENT_REQUEST"), memory)
    assert ended == EntryEnded(client_id=ID, order_ref="30", reason=CancelReason.USER, text="CLIENT_REQUEST", time_ns=AT_NS)
    (gone,) = facts_of(transaction("ORDER_CANCEL", "51", orderID="33", reason="CLIENT_REQUEST"), memory)
    assert gone == LegGone(order_ref="33", trade_ref="31", leg=Leg.STOP_LOSS, text="CLIENT_REQUEST", time_ns=AT_NS)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("TIME_IN_FORCE_EXPIRED", CancelReason.TTL_EXPIRED),
        ("MARKET_HALTED", CancelReason.MARKET_HALTED),
        ("INSTRUMENT_BID_HALTED", CancelReason.MARKET_HALTED),
        ("INSUFFICIENT_MARGIN", CancelReason.INSUFFICIENT_MARGIN),
        ("STOP_LOSS_ON_FILL_LOSS", CancelReason.STOP_LOSS_ON_FILL),
        ("TRAILING_STOP_LOSS_ON_FILL_GTD_TIMESTAMP_IN_PAST", CancelReason.STOP_LOSS_ON_FILL),
        ("TAKE_PROFIT_ON_FILL_LOSS", CancelReason.TAKE_PROFIT_ON_FILL),
        ("FIFO_VIOLATION", CancelReason.VENUE),
        ("INSUFFICIENT_LIQUIDITY", CancelReason.VENUE),
        ("A_REASON_OF_TOMORROW", CancelReason.VENUE),
    ],
)
def test_why_an_entry_ended(memory: Memory, word: str, reason: CancelReason) -> None:
    (ended,) = facts_of(transaction("ORDER_CANCEL", orderID="30", reason=word), memory)
    assert isinstance(ended, EntryEnded)
    assert (ended.reason, ended.text) == (reason, word)


def test_what_was_replaced_or_went_with_its_trade_ends_nothing(memory: Memory) -> None:
    replaced = transaction("ORDER_CANCEL", orderID="30", reason="CLIENT_REQUEST_REPLACED", replacedByOrderID="51")
    linked = transaction("ORDER_CANCEL", orderID="33", reason="LINKED_TRADE_CLOSED", closedTradeID="31", tradeCloseTransactionID="40")
    assert facts_of(replaced, memory) == ()
    assert facts_of(linked, memory) == ()


def test_the_end_of_an_order_that_is_not_known_asks_for_it() -> None:
    with pytest.raises(Missing) as missing:
        facts_of(transaction("ORDER_CANCEL", orderID="30", reason="CLIENT_REQUEST"), Memory())
    assert missing.value.order_id == "30"


def test_a_refused_entry_is_refused_and_a_refused_change_ends_nothing() -> None:
    refused = transaction("LIMIT_ORDER_REJECT", reason="CLIENT_ORDER", rejectReason="UNITS_INVALID", clientExtensions={"id": ID})
    assert facts_of(refused, Memory()) == [EntryRefused(client_id=ID, code="UNITS_INVALID", time_ns=AT_NS)]
    for harmless in (
        {**refused, "intendedReplacesOrderID": "30"},
        {**refused, "rejectReason": "CLIENT_ORDER_ID_ALREADY_EXISTS"},
        {**refused, "clientExtensions": None},
        {**refused, "type": "STOP_LOSS_ORDER_REJECT"},
        {**refused, "type": "MARKET_ORDER_REJECT", "reason": "TRADE_CLOSE"},
    ):
        assert facts_of(harmless, Memory()) == ()


@pytest.mark.parametrize("kind", ["ORDER_CANCEL_REJECT", "CREATE"])
def test_the_accounts_own_affairs_concern_no_bracket(kind: str) -> None:
    assert facts_of(transaction(kind), Memory()) == ()


@pytest.mark.parametrize("kind", ["MARGIN_CALL_ENTER", "MARGIN_CALL_EXTEND", "MARGIN_CALL_EXIT"])
def test_a_margin_call_is_for_a_person(kind: str) -> None:
    (fact,) = facts_of(transaction(kind), Memory())
    assert isinstance(fact, Noted)
    assert "margin call" in fact.text


def test_financing_dividends_and_transfers_are_told_with_their_amounts() -> None:
    positions = [{"instrument": "EUR_USD", "financing": "-1.0000"}, {"instrument": "USD_JPY", "financing": "-0.2500"}]
    daily = transaction("DAILY_FINANCING", financing="-1.2500", accountBalance="99998.7500", positionFinancings=positions)
    (fact,) = facts_of(daily, Memory())
    assert isinstance(fact, Booked)
    assert (fact.kind, fact.booking_id, fact.amount) == (BookingKind.FINANCING, daily["id"], Decimal("-1.25"))
    assert fact.instruments == {"EUR_USD": Decimal(-1), "USD_JPY": Decimal("-0.25")}
    dividend = transaction("DIVIDEND_ADJUSTMENT", instrument="SPX500_USD", dividendAdjustment="3.0000")
    (fact,) = facts_of(dividend, Memory())
    assert isinstance(fact, Booked)
    assert (fact.kind, fact.amount, fact.instruments) == (BookingKind.DIVIDEND, Decimal(3), {"SPX500_USD": Decimal(3)})
    (fact,) = facts_of(transaction("TRANSFER_FUNDS", amount="-500.0000"), Memory())
    assert isinstance(fact, Booked)
    assert (fact.kind, fact.amount) == (BookingKind.TRANSFER, Decimal(-500))
    assert facts_of(transaction("DAILY_FINANCING", financing="0.0000"), Memory()) == ()
    with pytest.raises(Malformed):
        facts_of(transaction("DAILY_FINANCING"), Memory())


@pytest.mark.parametrize("kind", ["A_TYPE_OF_TOMORROW", "DELAYED_TRADE_CLOSURE", "REOPEN", "TRADE_CLIENT_EXTENSIONS_MODIFY", "FIXED_PRICE_ORDER"])
def test_what_is_not_handled_asks_for_a_comparison(kind: str) -> None:
    (fact,) = facts_of(transaction(kind), Memory())
    assert isinstance(fact, Unplaced)
    assert fact.text == kind


@pytest.mark.parametrize(
    "broken",
    [
        {key: value for key, value in FILL.items() if key != "id"},
        {**FILL, "orderID": 30},
        {**FILL, "price": None, "tradeOpened": {"tradeID": "31", "units": "1"}},
        {**FILL, "tradeOpened": {"tradeID": "31", "units": "one", "price": "1.1"}},
        {key: value for key, value in FILL.items() if key != "tradeOpened"},
        {**FILL, "tradesClosed": [{"tradeID": "9", "units": "1", "price": "1"}]},
        transaction("LIMIT_ORDER", reason="CLIENT_ORDER"),
        transaction("STOP_LOSS_ORDER", price="1.1"),
        transaction("ORDER_CANCEL", orderID="30"),
        {"id": "1"},
    ],
)
def test_what_lacks_what_it_must_have_is_malformed_and_asks_for_a_comparison(memory: Memory, broken: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as error:
        facts_of(broken, memory)
    assert isinstance(unreadable(broken, error.value), Unplaced)


def test_a_time_that_cannot_be_read_hides_no_fill(memory: Memory) -> None:
    (fact,) = facts_of({**FILL, "time": "1234567890.000000123"}, memory)
    assert fact.time_ns == 0


def test_memory_is_bounded() -> None:
    memory = Memory(kept_max=3)
    for number in range(1, 6):
        memory.keep_order(KnownOrder(order_id=str(number), role=Role.ENTRY))
        memory.keep_trade(KnownTrade(trade_id=str(number), units=Decimal(1), as_of=number))
    assert memory.order("3").order_id == "3"
    for forgotten in ("1", "2"):
        with pytest.raises(Missing):
            memory.order(forgotten)
        with pytest.raises(Missing):
            memory.trade(forgotten)
