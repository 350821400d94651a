"""Moments of the recorded market, worked out by hand: EUR/USD at OANDA, US payrolls of Friday 2014-05-02, 12:30 UTC, and the weekend after it.

The quotes are rows of ``oanda-eurusd-ticks-2014-05.csv.gz``, bid and ask as recorded. All P&L is for 10,000 units, where one pip is a dollar.
"""

from decimal import Decimal

import pytest

from tests.brokers.paper.kit import Desk, oanda, order, said
from trading.brackets import Bracket

# 2014-05-02T12:30:01 UTC in nanoseconds, and milliseconds after it.
PAYROLLS = 1_399_033_801_000_000_000
MS = 1_000_000

JUMP = [
    (410, "1.38569", "1.38681"),
    (450, "1.38561", "1.38672"),
    (470, "1.38526", "1.38676"),
    (474, "1.38532", "1.38682"),
    (485, "1.38546", "1.38696"),
    (502, "1.38502", "1.38652"),
    (506, "1.38487", "1.38637"),
    (508, "1.38481", "1.38631"),
    (509, "1.38476", "1.38626"),
    (511, "1.38471", "1.38621"),
    (521, "1.38467", "1.38617"),
    (535, "1.38258", "1.38408"),
    (547, "1.38248", "1.38398"),
]


class Payrolls(Desk):
    """A desk at 12:30:01.401, one quote before the run begins."""

    def __init__(self) -> None:
        super().__init__(oanda())
        self.shown = 0
        self.quote("1.38572", "1.38684", time_ns=PAYROLLS + 401 * MS)

    def run_until(self, ms: int) -> list[str]:
        """Show the recorded quotes up to and with the one of that millisecond; what they caused."""
        told = []
        while JUMP[self.shown][0] <= ms:
            at_ms, bid, ask = JUMP[self.shown]
            told += self.quote(bid, ask, time_ns=PAYROLLS + at_ms * MS)
            self.shown += 1
            if self.shown == len(JUMP):
                break
        return said(told)

    def long_since(self, stop: str) -> str:
        """A market buy of 10,000 filled at the ask of the first quote."""
        order_id = self.place(order("BUY", "10000", None, stop, "1.40000", kind="market"))
        self.engine.match("EUR_USD", now_ns=self.now, fresh=True)
        assert said(self.take()) == ["order_filled entry 1.38684 10000"]
        return order_id


def result(bracket: Bracket) -> Decimal:
    return bracket.realized_pnl


def test_a_long_stop_fills_at_the_first_bid_through_it() -> None:
    """Bought at 1.38684, stop 1.38500. Bids: …, 1.38502 at .502 (above), 1.38487 at .506 (through): sold at 1.38487, not at 1.38500.

    (1.38487 - 1.38684) * 10,000 = -19.70 USD; the stop's own price would have said -18.40.
    """
    desk = Payrolls()
    order_id = desk.long_since("1.38500")
    assert desk.run_until(502) == []
    assert desk.run_until(506) == [
        "order_filled stop_loss 1.38487 10000",
        "order_cancelled take_profit oco_sibling",
        "bracket_closed STOP_LOSS",
    ]
    assert result(desk.bracket(order_id)) == Decimal("-19.7")


def test_a_gap_through_a_stop_costs_what_it_costs() -> None:
    """Bought at 1.38684, stop 1.38400. The bid goes from 1.38467 at .521 to 1.38258 at .535 in one quote: sold at 1.38258, 14.2 pips past the stop.

    (1.38258 - 1.38684) * 10,000 = -42.60 USD. At risk were (1.38684 - 1.38400) * 10,000 = 28.40, so it is -1.5 R: -42.6 / 28.4.
    """
    desk = Payrolls()
    order_id = desk.long_since("1.38400")
    assert desk.run_until(521) == []
    assert desk.run_until(535)[0] == "order_filled stop_loss 1.38258 10000"
    assert result(desk.bracket(order_id)) == Decimal("-42.6")
    assert desk.changes[-1].trades[0].r_multiple == Decimal("-1.5")


def test_a_limit_that_is_touched_exactly_fills_at_its_price() -> None:
    """A buy limit at 1.38637: the ask is 1.38652 at .502 (dearer, nothing) and 1.38637 at .506 (its price to the point): bought at 1.38637.

    A second one a tick lower, 1.38636, waits for .508 and gets that quote's 1.38631, half a pip better than it asked for.
    """
    desk = Payrolls()
    touched = desk.place(order("BUY", "10000", "1.38637", "1.37000", "1.40000"))
    missed = desk.place(order("BUY", "10000", "1.38636", "1.37000", "1.40000"))
    assert desk.run_until(502) == []
    assert desk.run_until(506) == ["order_filled entry 1.38637 10000"]
    assert desk.run_until(508) == ["order_filled entry 1.38631 10000"]
    assert desk.bracket(touched).average_entry_price == Decimal("1.38637")
    assert desk.bracket(missed).average_entry_price == Decimal("1.38631")


def test_a_spread_that_widens_stops_a_short_whose_market_falls() -> None:
    """Sold at the bid of .450, 1.38561, stop 1.38675. From .450 to .470 the bid falls by 3.5 pips and the mid by 1.55, but the spread goes from
    11.1 to
    15.0 pips, so the ask rises from 1.38672 to 1.38676, and it is the ask that a short buys back at: bought at 1.38676.

    (1.38561 - 1.38676) * 10,000 = -11.50 USD, with the market moving the right way.
    """
    desk = Payrolls()
    desk.run_until(410)
    order_id = desk.place(order("SELL", "10000", None, "1.38675", "1.38000", kind="market"))
    assert desk.run_until(450) == ["order_filled entry 1.38561 10000"]
    assert desk.run_until(470)[0] == "order_filled stop_loss 1.38676 10000"
    assert result(desk.bracket(order_id)) == Decimal("-11.5")


def test_a_bracket_whose_stop_and_target_lie_inside_one_spread_does_not_fill() -> None:
    """At .535 the bid is 1.38258 and the ask 1.38408. A market buy would pay 1.38408 with a stop at 1.38300 and a target at 1.38350, both inside the
    spread. The bid is already under the stop, so what would be bought would be sold on the same quote for 15 pips of nothing: it is cancelled.
    """
    desk = Payrolls()
    desk.run_until(521)
    order_id = desk.place(order("BUY", "10000", None, "1.38300", "1.38350", kind="market"))
    assert desk.run_until(535) == ["order_cancelled entry stop_loss_on_fill"]
    assert desk.bracket(order_id).status == "CANCELLED"
    assert desk.fills() == []


def test_a_limit_filled_by_the_jump_beyond_its_stop_is_cancelled_and_not_naked() -> None:
    """A buy limit at 1.38500 with its stop at 1.38300: the ask jumps from 1.38617 to 1.38408, under the limit, but the bid with it to 1.38258,
    under the
    stop. It is cancelled. The same with its stop at 1.38250 is bought at 1.38408, 9.2 pips better than asked, and stopped on the next quote, whose
    bid is 1.38248: (1.38248 - 1.38408) * 10,000 = -16.00 USD.
    """
    desk = Payrolls()
    gone = desk.place(order("BUY", "10000", "1.38500", "1.38300", "1.39000"))
    kept = desk.place(order("BUY", "10000", "1.38500", "1.38250", "1.39000"))
    assert desk.run_until(535) == ["order_cancelled entry stop_loss_on_fill", "order_filled entry 1.38408 10000"]
    assert desk.run_until(547)[0] == "order_filled stop_loss 1.38248 10000"
    assert desk.bracket(gone).status == "CANCELLED"
    assert result(desk.bracket(kept)) == Decimal(-16)


# 2014-05-02T20:59:58.557Z and 2014-05-04T21:00:00.462Z
FRIDAY = 1_399_064_398_557_000_000
SUNDAY = 1_399_237_200_462_000_000


def test_friday_to_sunday_a_stop_fills_at_the_opening_quote() -> None:
    """Sold before the weekend at Friday's last bid, 1.38685, stop 1.38800. Friday's last ask is 1.38782, below the stop; Sunday's first ask is
    1.38884:
    bought back there, 8.4 pips past the stop. (1.38685 - 1.38884) * 10,000 = -19.90 USD. A quote dated in between, as a feed might invent one,
    moves nothing, though it is far beyond the stop.
    """
    desk = Desk(oanda())
    order_id = desk.place(order("SELL", "10000", None, "1.38800", "1.38000", kind="market"))
    assert said(desk.quote("1.38685", "1.38782", time_ns=FRIDAY)) == ["order_filled entry 1.38685 10000"]
    assert desk.quote("1.39900", "1.40000", time_ns=(FRIDAY + SUNDAY) // 2) == []
    assert said(desk.quote("1.38817", "1.38884", time_ns=SUNDAY))[0] == "order_filled stop_loss 1.38884 10000"
    assert result(desk.bracket(order_id)) == Decimal("-19.9")


@pytest.mark.parametrize(("time_ns", "fills"), [(FRIDAY, 1), (FRIDAY + 2_000 * MS, 0), (SUNDAY - 463 * MS, 0), (SUNDAY - 462 * MS, 1)])
def test_the_week_ends_at_2100_utc_in_summer_to_the_millisecond(time_ns: int, fills: int) -> None:
    """17:00 in New York is 21:00 UTC in May: the closing instant is out, the opening instant is in."""
    desk = Desk(oanda())
    desk.place(order("BUY", "10000", None, "1.38000", "1.40000", kind="market"))
    desk.quote("1.38685", "1.38782", time_ns=time_ns)
    assert len(desk.fills()) == fills
