"""Money at a dealer: margin, close-out, conversion at mid, positions and previews."""

from dataclasses import fields
from decimal import Decimal

import pytest

from tests.brokers.paper.kit import D, Desk, coinbase, oanda, order, said
from trading.errors import OrderDenied
from trading.instruments import Side
from trading.money import fits_wire
from trading.orders import BracketOrder, OrderStatus

# conf/instruments.toml: margin 3.33% for all three pairs.


@pytest.fixture
def desk() -> Desk:
    return Desk(oanda())


def market(side: str = "BUY", units: str = "100000", stop: str = "1.20000", target: str = "1.60000", name: str = "EUR_USD") -> object:
    return order(side, units, None, stop, target, kind="market", name=name)


def test_a_new_account_is_what_the_settings_say(desk: Desk) -> None:
    account = desk.engine.account(desk.now)
    assert (account.balance, account.equity, account.margin_used, account.margin_available) == (D(100_000), D(100_000), D(0), D(100_000))
    assert (account.currency, account.stale, account.as_of_ns) == ("USD", False, desk.now)


def test_margin_is_a_share_of_the_value_at_mid(desk: Desk) -> None:
    """100,000 EUR at a mid of 1.38505: 138,505 * 3.33% = 4,612.2165; open P&L is the spread, 10 USD."""
    desk.place(market())
    desk.quote("1.38500", "1.38510")
    account = desk.engine.account(desk.now)
    assert account.margin_used == D("4612.2165")
    assert account.open_pnl == D(-10)
    assert account.equity == D(99_990)
    assert account.margin_available == D(99_990) - D("4612.2165")


def test_a_hedge_sets_margin_aside_for_its_larger_side_only(desk: Desk) -> None:
    desk.place(market())
    desk.place(market("SELL", "60000", "1.60000", "1.20000"))
    desk.quote("1.38500", "1.38510")
    account = desk.engine.account(desk.now)
    assert account.margin_used == D("4612.2165")
    assert [(position.side, position.units, position.margin_used) for position in desk.engine.positions()] == [
        (Side.BUY, D(100_000), D("4612.2165")),
        (Side.SELL, D(60_000), D(0)),
    ]


def test_an_order_beyond_the_margin_is_refused_with_the_figures(desk: Desk) -> None:
    """3,000,000 EUR at 1.385 would set 138,361.50 aside."""
    with pytest.raises(OrderDenied) as refusal:
        desk.place(order(units="3000000"))
    assert refusal.value.code == "INSUFFICIENT_MARGIN"
    assert refusal.value.details == {"currency": "USD", "value": D("138361.50"), "limit": D("100000.00")}
    assert desk.engine.next_n == 1


def test_an_entry_that_cannot_be_carried_any_more_is_cancelled_when_it_would_fill(desk: Desk) -> None:
    """Two orders that fit one by one: the first to fill takes the margin, the second is cancelled."""
    desk.place(order(units="1500000", stop="1.30000", target="1.50000"))
    second = desk.place(order(units="1500000", stop="1.30000", target="1.50000"))
    assert said(desk.quote("1.38490", "1.38500")) == ["order_filled entry 1.385 1500000", "order_cancelled entry insufficient_margin"]
    assert desk.bracket(second).status is OrderStatus.CANCELLED


def test_close_out_when_equity_is_below_half_the_margin_used() -> None:
    """10,000 USD, 200,000 EUR long at 1.38500: at a bid b with a spread of 1 pip equity is 10,000 + 200,000 (b - 1.385), and half the margin is
    200,000 (b + 0.00005) * 3.33% / 2 = 3,330 (b + 0.00005). They meet at b = 1.357605…: at 1.35761 it is still held (4,522 against 4,521.01), at
    1.35760 it is closed out (4,520 against 4,520.97).
    """
    desk = Desk(oanda("10000"))
    desk.quote("1.38480", "1.38490")
    order_id = desk.place(market(units="200000"))
    desk.quote("1.38490", "1.38500")
    assert desk.quote("1.35761", "1.35771") == []
    account = desk.engine.account(desk.now)
    assert (account.equity, account.margin_used / 2) == (D(4522), D("4521.0078"))
    assert said(desk.quote("1.35760", "1.35770")) == [
        "order_filled close 1.3576 200000",
        "order_cancelled stop_loss insufficient_margin",
        "order_cancelled take_profit insufficient_margin",
        "bracket_closed MARGIN_CLOSEOUT",
    ]
    assert desk.bracket(order_id).realized_pnl == D(-5480)
    assert desk.engine.account(desk.now).equity == D(4520)


def test_close_out_closes_every_position_and_cancels_what_was_still_entering() -> None:
    """EUR_USD brings the account down; USD_JPY goes on its own next quote, a half filled entry loses its rest, a resting order stays."""
    desk = Desk(oanda("12000"))
    desk.quote("101.700", "101.710", name="USD_JPY")
    desk.place(market(units="200000"))
    yen = desk.place(market(units="50000", stop="80.000", target="120.000", name="USD_JPY"))
    desk.quote("101.700", "101.710", name="USD_JPY", sizes=("20000", "20000"))
    resting = desk.place(order(units="1000", entry="1.30000", stop="1.20000"))
    desk.quote("1.38490", "1.38500")
    told = said(desk.quote("1.34000", "1.34010"))
    assert told[0] == "order_filled close 1.34 200000"
    assert "order_cancelled entry insufficient_margin" in told
    assert said(desk.quote("101.600", "101.610", name="USD_JPY"))[0] == "order_filled close 101.6 20000"
    assert desk.bracket(yen).close_reason == "MARGIN_CLOSEOUT"
    assert [bracket.order_id for bracket in desk.engine.open_brackets()] == [resting]


def test_close_out_waits_for_a_quote_that_decides() -> None:
    """A stale quote far below moves nothing; the next fresh one closes out at its own price."""
    desk = Desk(oanda("10000"))
    desk.quote("1.38480", "1.38490")
    desk.place(market(units="200000"))
    desk.quote("1.38490", "1.38500")
    assert desk.quote("1.30000", "1.30010", fresh=False) == []
    assert said(desk.quote("1.35000", "1.35010"))[0] == "order_filled close 1.35 200000"


def test_yen_are_converted_at_mid() -> None:
    """Long 10,000 USD_JPY from 101.710, out at 102.000: 2,900 JPY at a mid of 102.005 are 28.429978 USD, rounded to a millionth.

    Margin is 3.33% of 10,000 USD: a dollar of the pair's base is a dollar of the account's.
    """
    desk = Desk(oanda())
    order_id = desk.place(market(units="10000", stop="100.000", target="102.000", name="USD_JPY"))
    desk.quote("101.700", "101.710", name="USD_JPY")
    account = desk.engine.account(desk.now)
    assert account.margin_used == D(333)
    assert account.open_pnl == D("-0.983236")  # -100 JPY at 101.705
    desk.quote("102.000", "102.010", name="USD_JPY")
    assert desk.bracket(order_id).realized_pnl == D("28.429979")
    assert desk.engine.account(desk.now).balance == D("100028.429979")


def test_partial_exits_share_the_cost_and_the_last_takes_the_rest() -> None:
    """Bought 3 units for 101.710 + 2 * 101.711 JPY, sold one by one: each share of the cost is rounded, the parts add up to the whole."""
    desk = Desk(oanda())
    order_id = desk.place(order("BUY", "3", None, "100.000", "110.000", kind="market", name="USD_JPY"))
    desk.quote("101.700", "101.710", name="USD_JPY", sizes=("1", "1"))
    desk.quote("101.700", "101.711", name="USD_JPY")
    for _ in range(3):
        desk.engine.close("USD_JPY", units=D(1), now_ns=desk.now)
        desk.quote("101.720", "101.730", name="USD_JPY")
    bracket = desk.bracket(order_id)
    assert (bracket.status, bracket.open_cost, bracket.position_units) == (OrderStatus.CLOSED, D(0), D(0))
    parts = [fill.realized_pnl for changes in desk.changes for fill in changes.fills]
    assert bracket.realized_pnl == sum(parts)


def test_positions_are_summed_by_instrument_and_side(desk: Desk) -> None:
    """Two longs at 1.38500 and 1.38600 make one position of 300 at 1.3856666…, each bracket named."""
    first = desk.place(order("BUY", "100", None, kind="market"))
    desk.quote("1.38490", "1.38500")
    second = desk.place(order("BUY", "200", None, kind="market"))
    desk.quote("1.38590", "1.38600")
    (position,) = desk.engine.positions()
    assert (position.units, position.average_price, position.mark_price) == (D(300), D("1.3856667"), D("1.3859"))
    assert position.open_pnl == D("0.07")  # 100 * 0.0009 - 200 * 0.0001
    assert position.order_ids == (first, second)
    assert position.stale is False


def test_figures_on_a_stale_quote_say_so(desk: Desk) -> None:
    desk.place(order("BUY", "100", None, kind="market"))
    desk.quote("1.38490", "1.38500")
    seen_ns = desk.engine.account(desk.now).as_of_ns
    desk.quote("1.38480", "1.38490", fresh=False)
    account = desk.engine.account(desk.now)
    assert account.stale is True
    assert account.as_of_ns == seen_ns + 1
    assert desk.engine.positions()[0].stale is True


def test_a_preview_says_cost_loss_gain_and_ratio_and_places_nothing(desk: Desk) -> None:
    """1,000 EUR at 1.38500, stop 50 pips, target 100 pips: margin 46.12, loss 5, gain 10, 2 to 1."""
    desk.quote("1.38590", "1.38600")
    preview = desk.engine.preview(order(units="1000", stop="1.38000", target="1.39500"))
    assert (preview.entry_price, preview.spread, preview.notional, preview.cost) == (D("1.385"), D("0.0001"), D(1385), D("46.1205"))
    assert (preview.loss_at_stop, preview.gain_at_target, preview.reward_risk) == (D(5), D(10), D(2))
    assert preview.warnings == ()
    assert desk.engine.open_brackets() == []
    assert not desk.engine.drain()


@pytest.mark.parametrize(
    ("what", "loss"),
    [
        (order(units="1000", stop="1.38000", trail="0.00100"), "1.1"),  # 10 pips behind the bid, which is a pip below the entry
        (order(units="1000", stop="1.38450", trail="0.00100"), "0.5"),  # its own stop is nearer
        (order("SELL", "1000", "1.38700", "1.39500", "1.38000", trail="0.00100"), "1.1"),
        (order("BUY", "1000", None, "1.38000", "1.39500", kind="market", trail="0.00100"), "1.1"),
    ],
)
def test_a_preview_reckons_a_trailing_stop_from_where_it_stands_at_the_fill(desk: Desk, what: BracketOrder, loss: str) -> None:
    """Not from its first price, which it leaves as soon as the entry has filled."""
    desk.quote("1.38590", "1.38600")
    assert desk.engine.preview(what).loss_at_stop == D(loss)


@pytest.mark.parametrize(
    ("what", "warnings"),
    [
        (order(entry="1.38600"), ("FILLS_AT_ONCE",)),
        (order(entry="1.38520", stop="1.38500", target="1.38700"), ("STOP_WITHIN_SPREADS",)),
        (order("BUY", "100", None, "1.38590", "1.39000", kind="market"), ("STOP_WITHIN_SPREADS", "EXIT_ALREADY_PASSED")),
        (order(entry="1.38600", kind="stop", stop="1.38000"), ("FILLS_AT_ONCE",)),
        (order(), ()),
    ],
)
def test_a_preview_warns_of_what_it_sees(desk: Desk, what: object, warnings: tuple[str, ...]) -> None:
    desk.quote("1.38590", "1.38600")
    assert desk.engine.preview(what).warnings == warnings


def test_a_preview_without_a_quote_says_what_it_can(desk: Desk) -> None:
    """A limit has a price of its own; a market entry has none, and its figures are None rather than invented."""
    assert desk.engine.preview(order()).loss_at_stop == D("0.5")
    preview = desk.engine.preview(order("BUY", "100", None, kind="market"))
    assert (preview.entry_price, preview.cost, preview.loss_at_stop, preview.warnings) == (None, None, None, ("NO_QUOTE",))


def test_a_preview_at_an_exchange_counts_both_fees() -> None:
    """0.1 BTC at 60,000 as a maker 24, out at the stop of 59,000 as a taker 35.40: the loss is 100 + 59.40."""
    desk = Desk(coinbase())
    preview = desk.engine.preview(order("BUY", "0.1", "60000.00", "59000.00", "62000.00", name="BTC-USD"))
    assert (preview.entry_fee, preview.exit_fee, preview.loss_at_stop) == (D(24), D("35.4"), D("159.4"))
    assert preview.gain_at_target == D("151.2")  # 200 - 24 - 24.80
    assert preview.cost == D(6024)


def test_exposure_counts_what_is_held_and_what_rests(desk: Desk) -> None:
    """100 held at a mid of 1.38505 and 50 resting at 1.38000 are 150 units and 207.505 USD."""
    desk.place(order("BUY", "100", None, kind="market"))
    desk.quote("1.38500", "1.38510")
    desk.place(order("BUY", "50", "1.38000", "1.37000"))
    exposure = desk.engine.exposure("EUR_USD")
    assert (exposure.open_orders, exposure.instrument_units) == (1, D(150))
    assert exposure.instrument_notional == exposure.total_notional == D("207.505")
    assert desk.engine.exposure("USD_JPY").rate is None


def test_what_is_shown_of_an_account_travels_however_odd_its_orders_are() -> None:
    """A size of eight decimals at a price of two, with a fee of three: what is kept back for it has more digits than a wire number may have."""
    desk = Desk(coinbase())
    desk.quote("42500.55", "42500.57", name="BTC-USD")
    desk.place(order("BUY", "0.12345678", "42500.53", "42000.01", "43333.33", name="BTC-USD"))
    desk.place(order("SELL", "0.87654321", "42500.59", "43333.37", "42000.01", name="BTC-USD"))
    for _ in range(2):
        looked_up = order("BUY", "0.12345678", "42111.13", "42000.01", "43333.33", name="BTC-USD")
        for shown in (desk.engine.account(desk.now), desk.engine.preview(looked_up), *desk.engine.positions()):
            numbers = {field.name: value for field in fields(shown) if isinstance(value := getattr(shown, field.name), Decimal)}
            assert {name: value for name, value in numbers.items() if not fits_wire(value)} == {}
        desk.quote("42500.59", "42500.61", name="BTC-USD")
    assert desk.engine.positions()
