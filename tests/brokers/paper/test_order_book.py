"""What differs at an exchange (Coinbase): limits rest and are makers, fees are paid, and only what is held is sold."""

import pytest

from tests.brokers.paper.kit import D, Desk, coinbase, order, said
from trading.brackets import Liquidity
from trading.errors import OrderDenied
from trading.orders import BracketOrder, OrderStatus

# Fees of conf/instruments.toml: 40 basis points for makers, 60 for takers.


def btc(
    side: str = "BUY", units: str = "0.5", entry: str | None = "60000.00", stop: str = "59000.00", target: str = "62000.00", **more: str
) -> BracketOrder:
    return order(side, units, entry, stop, target, name="BTC-USD", **more)


class Book(Desk):
    def at(self, bid: str, ask: str, **more: object) -> list[str]:
        return said(self.quote(bid, ask, name="BTC-USD", **more))


@pytest.fixture
def desk() -> Book:
    return Book(coinbase())


def test_a_limit_that_meets_the_market_on_arrival_is_a_taker(desk: Book) -> None:
    """A buy limit at 60,000 against an ask of 59,990: bought at 59,990 with the taker's fee, 0.5 * 59,990 * 0.6% = 179.97."""
    desk.place(btc())
    assert desk.at("59980.00", "59990.00") == ["order_filled entry 59990 0.5"]
    fill = desk.changes[-1].fills[0]
    assert (fill.liquidity, fill.fee) == (Liquidity.TAKER, D("179.97"))


def test_a_limit_that_has_rested_trades_at_its_own_price_as_a_maker(desk: Book) -> None:
    """Resting at 60,000 while the ask is 60,100; the ask then falls to 59,950: bought at 60,000, not at the quote, fee 0.5 * 60,000 * 0.4% = 120."""
    desk.place(btc())
    assert desk.at("60090.00", "60100.00") == []
    assert desk.at("59940.00", "59950.00") == ["order_filled entry 60000 0.5"]
    fill = desk.changes[-1].fills[0]
    assert (fill.liquidity, fill.fee) == (Liquidity.MAKER, D(120))


def test_a_target_rests_and_is_a_maker_and_a_stop_is_a_taker(desk: Book) -> None:
    """Target at 62,000 with the bid gapped to 62,300: sold at 62,000, maker. Stop at 59,000 with the bid at 58,900: sold there, taker."""
    desk.place(btc())
    desk.place(btc())
    desk.at("59980.00", "59990.00", sizes=("9", "0.5"))
    assert desk.at("62300.00", "62310.00")[0] == "order_filled take_profit 62000 0.5"
    assert desk.changes[-1].fills[0].fee == D(124)
    desk.at("59980.00", "59990.00")
    assert desk.at("58900.00", "58910.00")[0] == "order_filled stop_loss 58900 0.5"
    assert desk.changes[-1].fills[0].fee == D("176.7")


def test_the_rest_of_a_taker_limit_rests_in_the_book(desk: Book) -> None:
    """0.2 taken at 59,990 on arrival, the other 0.3 wait at 60,000 and are made there."""
    desk.place(btc())
    assert desk.at("59980.00", "59990.00", sizes=("1", "0.2")) == ["order_partially_filled entry 59990 0.2"]
    assert desk.at("59970.00", "59980.00") == ["order_filled entry 60000 0.3"]
    assert desk.changes[-1].fills[0].liquidity is Liquidity.MAKER


def test_a_limit_moved_to_a_new_price_is_new_in_the_book(desk: Book) -> None:
    """Rested at 60,000; moved to 60,200 over an ask of 60,100: it takes 60,100."""
    order_id = desk.place(btc())
    desk.at("60090.00", "60100.00")
    desk.engine.modify(order_id, {"entry_price": D("60200.00")}, now_ns=desk.now)
    assert desk.at("60090.00", "60100.00", sizes=("1", "1")) == ["order_modified", "order_filled entry 60100 0.5"]
    assert desk.changes[-1].fills[0].liquidity is Liquidity.TAKER


def test_a_target_moved_into_the_market_takes_the_quote(desk: Book) -> None:
    """Long at 59,990; the target moved down to 60,000 under a bid of 60,500 sells at 60,500, not at 60,000."""
    order_id = desk.place(btc())
    desk.at("59980.00", "59990.00")
    desk.at("60500.00", "60510.00")
    desk.engine.modify(order_id, {"take_profit_price": D("60000.00")}, now_ns=desk.now)
    assert desk.at("60500.00", "60510.00", sizes=("1", "1"))[1] == "order_filled take_profit 60500 0.5"


def test_money_of_a_round_trip(desk: Book) -> None:
    """Bought 0.5 at 59,990 (fee 179.97), sold at 62,000 as a maker (fee 124): 1,005 realised, 701.03 net.

    Cash 100,000 - 29,995 - 179.97 = 69,825.03 in between, 100,701.03 after. At risk: (59,990 - 59,000) * 0.5 = 495; 701.03 / 495 = 1.4162 R.
    """
    order_id = desk.place(btc())
    desk.at("59980.00", "59990.00")
    account = desk.engine.account(desk.now)
    assert (account.cash, account.balance, account.holdings) == (D("69825.03"), D("99820.03"), {"BTC": D("1.5")})
    assert account.open_pnl == D(-5)
    assert account.holdings_value == D(59985), "what no bracket will sell counts at mid"
    assert account.equity == D("99820.03") - 5 + 59985
    desk.at("62000.00", "62010.00")
    account = desk.engine.account(desk.now)
    assert (account.cash, account.balance, account.holdings) == (D("100701.03"), D("100701.03"), {"BTC": D(1)})
    bracket = desk.bracket(order_id)
    assert (bracket.realized_pnl, bracket.fees, bracket.net_pnl) == (D(1005), D("303.97"), D("701.03"))
    assert desk.changes[-1].trades[0].r_multiple == D("1.4162")


def test_a_sell_sells_what_is_held_and_buys_it_back(desk: Book) -> None:
    """Sold 0.5 of the 1 BTC at 59,980, target 58,000 made: bought back there; holdings are whole again."""
    desk.place(btc("SELL", "0.5", None, "61000.00", "58000.00", kind="market"))
    desk.at("59980.00", "59990.00")
    assert desk.engine.account(desk.now).holdings == {"BTC": D("0.5")}
    assert desk.at("57900.00", "57910.00")[0] == "order_filled take_profit 58000 0.5"
    account = desk.engine.account(desk.now)
    assert account.holdings == {"BTC": D(1)}
    assert account.realized_pnl == D(990)


def test_what_was_bought_and_sold_again_is_not_held_any_more(desk: Book) -> None:
    """Not even as a zero: after a restart it would not be listed either."""
    desk.place(order("BUY", "1", None, "2900.00", "3100.00", name="ETH-USD", kind="market"))
    desk.quote("2999.00", "3000.00", name="ETH-USD")
    assert desk.engine.account(desk.now).holdings == {"BTC": D(1), "ETH": D(1)}
    desk.quote("3100.00", "3101.00", name="ETH-USD")
    assert desk.engine.account(desk.now).holdings == {"BTC": D(1)}


def test_more_than_is_held_cannot_be_sold(desk: Book) -> None:
    """1.2 BTC of 1; and 0.6 after 0.5 are promised to a resting order: both refused with what is free, and nothing has changed."""
    desk.at("59980.00", "59990.00")
    with pytest.raises(OrderDenied) as refusal:
        desk.place(btc("SELL", "1.2", "60500.00", "61000.00", "58000.00"))
    assert refusal.value.code == "INSUFFICIENT_HOLDINGS"
    assert refusal.value.details == {"currency": "BTC", "value": D("1.2"), "limit": D(1)}
    desk.place(btc("SELL", "0.5", "60500.00", "61000.00", "58000.00"))
    with pytest.raises(OrderDenied) as refusal:
        desk.place(btc("SELL", "0.6", "60500.00", "61000.00", "58000.00"))
    assert refusal.value.details["limit"] == D("0.5")
    assert desk.engine.next_n == 2
    assert not desk.engine.drain()


def test_what_a_long_holds_is_kept_for_its_own_exits(desk: Book) -> None:
    """1 BTC held and 0.5 bought by a bracket: a sell order may still promise 1, not 1.5."""
    desk.place(btc())
    desk.at("59980.00", "59990.00")
    with pytest.raises(OrderDenied, match="1 BTC of it is free"):
        desk.place(btc("SELL", "1.1", "60500.00", "61000.00", "58000.00"))
    desk.place(btc("SELL", "1", "60500.00", "60600.00", "58000.00"))


def test_more_than_there_is_money_for_cannot_be_bought(desk: Book) -> None:
    """2 BTC at 60,000 need 120,720 with the taker's fee; resting orders keep theirs back."""
    desk.at("59980.00", "59990.00")
    with pytest.raises(OrderDenied) as refusal:
        desk.place(btc(units="2"))
    assert (refusal.value.code, refusal.value.details["value"]) == ("INSUFFICIENT_FUNDS", D("120720.00"))
    desk.place(btc(units="1", entry="50000.00", stop="49000.00"))
    assert desk.engine.account(desk.now).reserved == D(50300)
    with pytest.raises(OrderDenied) as refusal:
        desk.place(btc(units="1", entry="50000.00", stop="49000.00"))
    assert refusal.value.details["limit"] == D("49700.00")


def test_a_resting_order_cannot_be_moved_beyond_the_money(desk: Book) -> None:
    """1.6 BTC at 60,000 fit into 100,000; moved up to 63,000 they need 101,404.80: refused, and the order stands as it was."""
    order_id = desk.place(btc(units="1.6", target="70000.00"))
    with pytest.raises(OrderDenied) as refusal:
        desk.engine.modify(order_id, {"entry_price": D("63000.00")}, now_ns=desk.now)
    assert refusal.value.code == "INSUFFICIENT_FUNDS"
    assert desk.engine.open_brackets()[0].order.entry_price == D("60000.00")


def test_a_gapped_stop_entry_that_cannot_be_paid_is_cancelled() -> None:
    """A buy stop for 1 BTC at 60,000 with 61,000 in hand; the market gaps to 61,500: 61,869 are not there."""
    desk = Book(coinbase("61000", "0"))
    order_id = desk.place(btc(units="1", kind="stop", target="70000.00"))
    desk.at("59000.00", "59010.00")
    assert desk.at("61490.00", "61500.00") == ["order_cancelled entry insufficient_margin"]
    assert desk.bracket(order_id).status is OrderStatus.CANCELLED


def test_a_short_keeps_back_what_buying_back_at_its_stop_costs(desk: Book) -> None:
    """Sold 0.5 at 59,980: of the proceeds 0.5 * 61,000 * 1.006 = 30,683 stay reserved."""
    desk.place(btc("SELL", "0.5", None, "61000.00", "58000.00", kind="market"))
    desk.at("59980.00", "59990.00")
    account = desk.engine.account(desk.now)
    assert account.cash == D("129810.06")  # 100,000 + 29,990 - 179.94
    assert account.reserved == D("30683")


def test_fees_below_a_millionth_are_rounded_half_to_even_once(desk: Book) -> None:
    """0.00001 BTC at 59,990.01: value 0.5999001 is booked as 0.599900, its fee 0.0035994006 as 0.003599."""
    desk.place(btc(units="0.00001"))
    desk.at("59980.00", "59990.01")
    assert desk.changes[-1].fills[0].fee == D("0.003599")
    assert desk.engine.account(desk.now).cash == D("100000") - D("0.5999") - D("0.003599")


def test_a_maker_fill_uses_up_quoted_size_too(desk: Book) -> None:
    """Two resting bids of 0.5 under an offer of 0.7: the older gets 0.5, the younger 0.2."""
    desk.place(btc())
    desk.place(btc())
    desk.at("60090.00", "60100.00")
    desk.at("59940.00", "59950.00", sizes=("5", "0.7"))
    assert [units for _, units, _ in desk.fills()] == [D("0.5"), D("0.2")]


def test_size_below_a_step_fills_nothing(desk: Book) -> None:
    """A quoted size finer than the instrument's step is cut to whole steps."""
    desk.place(btc(units="0.00002"))
    desk.at("59980.00", "59990.00", sizes=("1", "0.000010009"))
    assert desk.fills() == [("entry", D("0.00001"), D("59990"))]
