"""The driver leaves out nearly every quote and says the same as if it had shown them all."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.paper.config import PaperAccountConfig
from brokers.replay.errors import PlanError
from tests.brokers.paper.kit import INSTRUMENTS, S
from tests.brokers.replay.kit import (
    BITCOIN,
    COINBASE,
    NO_LIMITS,
    OANDA,
    PAYROLLS,
    WEEKEND,
    Case,
    Row,
    drive,
    feed_every_quote,
    planned,
    rows_of,
    scaled,
)
from trading.quote_files import iter_blocks
from trading.risk_limits import RiskLimits

# Two minutes before the week ends on Friday, 2014-05-02, and as long before it begins on Sunday.
FRIDAY = 1_399_064_280 * S
SUNDAY = 1_399_237_080 * S
WEDNESDAY = 1_399_464_000 * S

MID = {"EUR_USD": 138_500, "USD_JPY": 101_700, "BTC-USD": 6_000_000}  # in ticks
UNITS = {"EUR_USD": ["1", "1000", "60000"], "USD_JPY": ["1", "1000", "60000"], "BTC-USD": ["0.01", "0.5", "1.2"]}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Case, int]:
    """A market that wanders in ticks, with equal times, weekends and jumps, and orders round it; and the size of a block."""
    name = draw(st.sampled_from(list(MID)))
    tick = INSTRUMENTS[name].tick
    times = [draw(st.sampled_from([FRIDAY, SUNDAY, WEDNESDAY]))]
    mids = [MID[name]]
    spreads = [draw(st.integers(0, 30))]
    sizes: list[tuple[int | None, int | None]] = [(None, None)]
    has_sizes = name == "BTC-USD" and draw(st.booleans())
    for step, move, spread, bid_size, ask_size in draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 1, 200, 5_000, 61_000, 2_000_000]),
                st.integers(-30, 30),
                st.integers(0, 30),
                st.integers(0, 100),
                st.integers(0, 100),
            ),
            min_size=5,
            max_size=60,
        )
    ):
        times.append(times[-1] + step * S // 1000)
        mids.append(mids[-1] + move * draw(st.sampled_from([1, 1, 1, 10])))
        spreads.append(spread)
        sizes.append((bid_size * 10**6, ask_size * 10**6))
    if has_sizes:
        sizes[0] = (10**8, 10**8)
    unit = int(tick * 10**8)
    rows: list[Row] = [
        (time, (mid - spread) * unit, (mid + spread) * unit, *(size if has_sizes else (None, None)))
        for time, mid, spread, size in zip(times, mids, spreads, sizes, strict=True)
    ]
    plan = []
    for line in range(draw(st.integers(1, 12))):
        side = draw(st.sampled_from(["BUY", "SELL"]))
        sign = 1 if side == "BUY" else -1
        kind = draw(st.sampled_from(["limit", "stop", "market"]))
        entry = MID[name] + draw(st.integers(-60, 60))
        stop, target = entry - sign * draw(st.integers(0, 150)), entry + sign * draw(st.integers(1, 150))
        body: dict[str, Any] = {
            "side": side,
            "entry_type": kind,
            "units": draw(st.sampled_from(UNITS[name])),
            "instrument": name,
            "entry_price": None if kind == "market" else str(entry * tick),
            "stop_loss_price": str(stop * tick),
            "take_profit_price": str(target * tick),
            "trailing_stop_distance": str(draw(st.integers(1, 40)) * tick) if draw(st.booleans()) else None,
            "ttl_min": draw(st.sampled_from(["0.01", "0.5", "3", "360"])),
        }
        at_ns = draw(st.sampled_from(times)) - draw(st.sampled_from([0, 0, 1, S]))
        plan.append(planned(at_ns, line + 1, **body))
    account = COINBASE if name == "BTC-USD" else PaperAccountConfig(balance=draw(st.sampled_from([Decimal(100_000), Decimal(2500)])), on_margin=True)
    limits = draw(st.sampled_from([NO_LIMITS, RiskLimits(daily_loss_max=Decimal(5), orders_per_minute_max=Decimal(3), risk_per_trade_pct_max=None)]))
    plan.sort(key=lambda each: each.at_ns)
    case = Case(name=name, rows=rows, plan=plan, account=account, limits=limits)
    return case, draw(st.sampled_from([1, 3, 7, 1000]))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_the_events_are_those_of_a_replay_that_shows_the_engine_every_quote(drawn: tuple[Case, int]) -> None:
    """To the byte, whatever is ordered: close-outs, trailing stops, times to live, weekends, sizes, limits of a day."""
    case, size = drawn
    told = feed_every_quote(case)
    lines, summary = drive(case, size)
    assert lines == told.lines
    assert summary.equity_end == told.equity[-1]
    # The engine rounds each side of the book to a millionth; the curve rounds their sum.
    assert abs(summary.drawdown.money - told.drawdown) <= Decimal("0.00001")
    assert summary.events == len(lines)


PLAN_SPEC = [
    # seconds after 12:25, side, kind, entry, stop, target, trailing, minutes
    (0, "BUY", "market", None, "1.38400", "1.39000", None, "360"),
    (10, "SELL", "limit", "1.38700", "1.38900", "1.38300", None, "360"),
    (100, "BUY", "limit", "1.38500", "1.38250", "1.39000", None, "360"),
    (200, "SELL", "stop", "1.38300", "1.38500", "1.38000", "0.00060", "360"),
    (290, "BUY", "stop", "1.38700", "1.38500", "1.39000", None, "0.5"),
    (299, "SELL", "market", None, "1.38900", "1.38100", "0.00100", "360"),
    (320, "BUY", "limit", "1.38200", "1.38000", "1.38400", "0.00080", "3"),
    (400, "BUY", "limit", "1.383001", "1.38000", "1.38400", None, "3"),
]


def payrolls_plan(copies: int = 1) -> list[Any]:
    base = 1_399_033_500 * S  # 12:25
    plan = []
    for copy in range(copies):
        for seconds, side, kind, entry, stop, target, trailing, ttl in PLAN_SPEC:
            body = {"side": side, "entry_type": kind, "units": "1000", "instrument": "EUR_USD", "entry_price": entry, "stop_loss_price": stop}
            body |= {"take_profit_price": target, "trailing_stop_distance": trailing, "ttl_min": ttl}
            plan.append(planned(base + seconds * S + copy * 1_700_000_000, len(plan) + 1, **body))
    return sorted(plan, key=lambda each: each.at_ns)


@pytest.mark.parametrize("copies", [1, 20])
def test_on_the_recorded_payrolls_too(copies: int) -> None:
    """Every quote of ten minutes in which everything happens."""
    case = Case(name="EUR_USD", rows=rows_of(iter_blocks(PAYROLLS)), plan=payrolls_plan(copies))
    told = feed_every_quote(case)
    lines, summary = drive(case)
    assert lines == told.lines
    assert summary.drawdown.money == told.drawdown
    assert summary.tally.fills >= 6 * copies
    assert [*summary.tally.rejected] == ["PRICE_OFF_TICK"]


def test_and_over_a_weekend() -> None:
    """A position and a resting entry are carried from Friday's close into Sunday's open; an entry that ends in between ends on Saturday."""
    rows = rows_of(iter_blocks(WEEKEND))
    short = {"side": "SELL", "units": "1000", "instrument": "EUR_USD", "entry_type": "market"}
    plan = [
        planned(rows[300][0], 1, **short, stop_loss_price="1.38800", take_profit_price="1.38000"),
        planned(rows[310][0], 2, side="BUY", units="1000", instrument="EUR_USD", entry_price="1.38000", stop_loss_price="1.37000",
                take_profit_price="1.39000", ttl_min="360"),
    ]  # fmt: skip
    case = Case(name="EUR_USD", rows=rows, plan=plan)
    lines, _ = drive(case)
    assert lines == feed_every_quote(case).lines
    told = [json.loads(line) for line in lines]
    expired = next(each for each in told if each["type"] == "order_cancelled" and each["payload"]["reason"] == "ttl_expired")
    assert expired["ts"].startswith("2014-05-03T02:")
    stopped = next(each for each in told if each["payload"].get("leg") == "stop_loss" and each["type"] == "order_filled")
    assert stopped["ts"] == "2014-05-04T21:00:00.462000Z"
    assert stopped["payload"]["price"] == 1.38884


def test_and_in_a_book_with_sizes() -> None:
    """Bitcoin with quoted sizes: partial fills, makers and takers, fees."""
    rows = rows_of(iter_blocks(BITCOIN))
    mid = Decimal(rows[0][1]) / 10**8
    plan = []
    for line in range(12):
        at_ns, price = rows[line * 600][0], round(Decimal(rows[line * 600][1]) / 10**8, 2)
        body = {"side": "BUY", "units": "0.9", "instrument": "BTC-USD", "entry_type": ("limit", "market")[line % 2]}
        body |= {"entry_price": None if line % 2 else str(price), "stop_loss_price": str(price - 9), "take_profit_price": str(price + 7)}
        plan.append(planned(at_ns, line + 1, **body))
    case = Case(name="BTC-USD", rows=rows, plan=plan, account=COINBASE)
    lines, summary = drive(case)
    assert lines == feed_every_quote(case).lines
    assert summary.tally.fees > 0
    assert any(json.loads(line)["type"] == "order_partially_filled" for line in lines), mid


def market(at_ns: int, units: str, line: int = 1) -> Any:
    return planned(at_ns, line, side="BUY", units=units, instrument="EUR_USD", entry_type="market", stop_loss_price="1.00000",
                   take_profit_price="1.90000")  # fmt: skip


def test_a_close_out_comes_on_the_quote_that_uses_up_the_margin_and_not_a_quote_later() -> None:
    """75,000 EUR on 4,000 USD, bought at 1.385. Half the margin is 37,500 * 0.0333 * mid = 1248.75 * mid, and equity 4,000 + 75,000 * (bid - 1.385).

    Without a spread that is 4,000 - 103,875 + 75,000 p < 1248.75 p, so below p = 99,875 / 73,751.25 = 1.354214...: at 1.35422 it stays, at 1.35421
    it goes.
    """
    prices = ["1.38500", "1.37000", "1.35422", "1.36000", "1.35421", "1.40000"]
    rows: list[Row] = [(WEDNESDAY + index * S, scaled(price), scaled(price), None, None) for index, price in enumerate(prices)]
    case = Case(name="EUR_USD", rows=rows, plan=[market(WEDNESDAY, "75000")], account=PaperAccountConfig(balance=Decimal(4000), on_margin=True))
    lines, summary = drive(case)
    closed = json.loads(lines[-1])
    assert (closed["type"], closed["payload"]["close_reason"], closed["payload"]["exit_price"]) == ("bracket_closed", "MARGIN_CLOSEOUT", 1.35421)
    assert closed["ts"] == "2014-05-07T12:00:04.000000Z"
    assert summary.tally.by_reason["MARGIN_CLOSEOUT"].trades == 1


def test_a_market_order_of_the_weekend_waits_for_sunday() -> None:
    """It arrives with a quote of the closed market, rests, and trades on the first quote of the new week."""
    times = [SUNDAY, SUNDAY + 60 * S, SUNDAY + 119 * S, SUNDAY + 120 * S]
    rows: list[Row] = [(time, scaled("1.38500"), scaled("1.38510"), None, None) for time in times]
    lines, _ = drive(Case(name="EUR_USD", rows=rows, plan=[market(SUNDAY, "100")]))
    assert [(json.loads(line)["type"], json.loads(line)["ts"]) for line in lines] == [
        ("oco_placed", "2014-05-04T20:58:00.000000Z"),
        ("order_filled", "2014-05-04T21:00:00.000000Z"),
    ]


def test_an_order_arrives_with_the_first_quote_that_is_not_before_its_time_and_meets_that_one() -> None:
    """A nanosecond after the second quote is the third's; two of one time arrive in the order of their lines, each seeing what the one before did."""
    rows: list[Row] = [(WEDNESDAY + index * S, scaled(f"1.3850{index}"), scaled(f"1.3851{index}"), None, None) for index in range(4)]
    plan = [market(WEDNESDAY - 10**18, "1", 1), market(WEDNESDAY + S, "2", 2), market(WEDNESDAY + S + 1, "3", 3), market(WEDNESDAY + S + 1, "4", 4)]
    lines, summary = drive(Case(name="EUR_USD", rows=rows, plan=plan))
    told = [json.loads(line) for line in lines]
    assert [(each["type"], each["payload"]["client_order_id"], each["payload"].get("price"), each["ts"][17:19]) for each in told] == [
        ("oco_placed", "plan-1", None, "00"), ("order_filled", "plan-1", 1.3851, "00"),
        ("oco_placed", "plan-2", None, "01"), ("order_filled", "plan-2", 1.38511, "01"),
        ("oco_placed", "plan-3", None, "02"), ("order_filled", "plan-3", 1.38512, "02"),
        ("oco_placed", "plan-4", None, "02"), ("order_filled", "plan-4", 1.38512, "02"),
    ]  # fmt: skip
    assert [each["seq"] for each in told] == list(range(1, 9))
    assert {each["epoch"] for each in told} == {"0" * 16}
    assert summary.early == 1


def test_a_quote_shown_again_has_only_the_size_that_is_left_but_the_same_price_later_has_all() -> None:
    """A, B, A in one nanosecond: the second A is another quote, though the driver left B out."""
    sell, other = scaled("60000"), scaled("60000.01")
    size = 10**7  # a tenth of a bitcoin
    rows: list[Row] = [(1, sell, sell, size, size), (1, other, other, size, size), (1, sell, sell, size, size)]
    order = planned(1, 1, side="BUY", units="0.25", instrument="BTC-USD", entry_price="60000.00", stop_loss_price="50000", take_profit_price="70000")
    case = Case(name="BTC-USD", rows=rows, plan=[order], account=COINBASE)
    lines, _ = drive(case)
    assert lines == feed_every_quote(case).lines
    assert [json.loads(line)["payload"].get("fill_units") for line in lines] == [None, 0.1, 0.1]


def test_an_order_due_after_the_last_quote_is_refused_with_its_line() -> None:
    """It would never arrive, and a plan that silently lost an order would be a wrong answer."""
    rows: list[Row] = [(WEDNESDAY, scaled("1.385"), scaled("1.385"), None, None)]
    with pytest.raises(PlanError, match=r"plan\.jsonl line 7: at is .* after the last quote of the file, 2014-05-07T12:00:00"):
        drive(Case(name="EUR_USD", rows=rows, plan=[market(WEDNESDAY + 1, "1", 7)], account=OANDA))


def test_one_id_is_one_order() -> None:
    """The same order again is not placed twice; another one under its id ends the replay; a refused one leaves it free."""
    rows: list[Row] = [(WEDNESDAY, scaled("1.385"), scaled("1.385"), None, None)]
    body = {"side": "BUY", "units": "1", "instrument": "EUR_USD", "entry_price": "1.3", "take_profit_price": "1.4", "client_order_id": "x"}
    good, denied, other = [planned(WEDNESDAY, line, **body, stop_loss_price=stop) for line, stop in ((2, "1.2"), (1, "1.200001"), (3, "1.1"))]
    lines, summary = drive(Case(name="EUR_USD", rows=rows, plan=[denied, good, good]))
    assert [json.loads(line)["type"] for line in lines] == ["order_rejected", "oco_placed"]
    assert (summary.repeated, summary.tally.placed) == (1, 1)
    with pytest.raises(PlanError, match="line 3: client_order_id x stands for another order"):
        drive(Case(name="EUR_USD", rows=rows, plan=[good, other]))


def test_a_days_loss_is_held_in_ether_though_no_quote_values_the_accounts_bitcoin() -> None:
    ether = {"instrument": "ETH-USD", "side": "BUY", "units": "1", "entry_type": "market", "stop_loss_price": "1000", "take_profit_price": "5000"}
    rows: list[Row] = [(WEDNESDAY + i * 2 * S, price * 10**8, (price + 1) * 10**8, None, None) for i, price in enumerate([2000, 2000, 1950, 1950])]
    plan = [planned(WEDNESDAY, 1, **ether), planned(WEDNESDAY + 5 * S, 2, **ether)]
    lines, _ = drive(Case(name="ETH-USD", rows=rows, plan=plan, account=COINBASE, limits=RiskLimits(daily_loss_max=Decimal(40))))
    assert [json.loads(line)["type"] for line in lines] == ["oco_placed", "order_filled", "order_rejected"]
    assert json.loads(lines[-1])["payload"]["code"] == "DAILY_LOSS_MAX"
