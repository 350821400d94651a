"""Each limit lets pass what is at it and refuses what is past it, with its own code, the limit and the value."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.test_instruments import shipped
from trading.errors import OrderDenied
from trading.instruments import Side
from trading.orders import BracketOrder, EntryType
from trading.quotes import Quote
from trading.risk import CHECKS, Exposure, RiskState, check, checks_of, daily_losses, notional, risk_money
from trading.risk_limits import RiskLimits, RiskSettingsError

D = Decimal
INSTRUMENTS = shipped()

# 100,000 EUR at 1.16550: 116,550 USD, 550 USD at risk.
ORDER = BracketOrder(
    instrument="EUR_USD",
    side=Side.BUY,
    units=D(100_000),
    entry_price=D("1.1655"),
    stop_loss_price=D("1.16"),
    take_profit_price=D("1.17"),
    quality_score=D(75),
)
QUOTE = Quote(instrument="EUR_USD", bid=D("1.16695"), ask=D("1.16705"), time_ns=0)
EXPOSURE = Exposure(
    currency="USD", equity=D(100_000), rate=D(1), open_orders=2, instrument_units=D(50_000), instrument_notional=D(58_000), total_notional=D(90_000)
)
STATE = RiskState(
    instrument=INSTRUMENTS["EUR_USD"], exposure=EXPOSURE, quote=QUOTE, quote_age_s=D("1.5"), orders_last_minute=3, same_order_s=D(2), day_pnl=D(-1000)
)
NONE = RiskLimits(open_orders_max=None, risk_per_trade_pct_max=None)


def denied(limits: RiskLimits, order: BracketOrder = ORDER, state: RiskState = STATE) -> OrderDenied:
    with pytest.raises(OrderDenied) as refusal:
        check(order, state, limits)
    return refusal.value


@pytest.mark.parametrize(
    ("name", "passes", "refuses", "value"),
    [
        ("order_units_max", {"EUR_USD": D(100_000)}, {"EUR_USD": D(99_999)}, D(100_000)),
        ("instrument_units_max", {"EUR_USD": D(150_000)}, {"EUR_USD": D(149_999)}, D(150_000)),
        ("order_notional_max", D(116_550), D("116549.99"), D(116_550)),
        ("instrument_notional_max", D(174_550), D(174_549), D(174_550)),
        ("total_notional_max", D(206_550), D(206_549), D(206_550)),
        ("open_orders_max", D(3), D(2), D(3)),
        ("orders_per_minute_max", D(4), D(3), D(4)),
        ("price_collar_pct", D("0.13"), D("0.12"), D("0.13")),
        ("duplicate_window_s", D(2), D("2.001"), D(2)),
        ("quality_min", D(75), D(76), D(75)),
        ("quote_age_s_max", D("1.5"), D("1.4"), D("1.5")),
        ("risk_per_trade_max", D(550), D("549.99"), D(550)),
        ("risk_per_trade_pct_max", D("0.55"), D("0.54"), D("0.55")),
        ("daily_loss_max", D("1000.01"), D(1000), D(1000)),
        ("daily_loss_pct_max", D(1), D("0.99"), D("0.99")),
    ],
)
def test_a_limit_holds_to_the_last_digit(name: str, passes: object, refuses: object, value: Decimal) -> None:
    check(ORDER, STATE, replace(NONE, **{name: passes}))
    error = denied(replace(NONE, **{name: refuses}))
    assert error.code == name.upper()
    assert error.details["value"] == value
    assert error.details["setting"] == f"risk.{name}"
    assert error.details["limit"] == (refuses["EUR_USD"] if isinstance(refuses, dict) else refuses)


def test_a_limit_for_one_instrument_is_none_for_another() -> None:
    check(ORDER, STATE, replace(NONE, order_units_max={"GBP_USD": D(1)}))


def test_without_limits_everything_passes() -> None:
    check(ORDER, STATE, NONE)


@pytest.mark.parametrize(
    ("instrument", "units", "entry", "stop", "target", "quote"),
    [
        ("EUR_USD", "100", "1.1655", "1.1600", "1.1700", ("1.16695", "1.16705")),
        ("BTC-USD", "0.001", "42500.50", "40000", "45000", ("67000", "67001")),
        ("BTC-USD", "0.001", "42500.50", "40000", "45000", None),
    ],
)
def test_the_defaults_let_the_first_versions_orders_pass(
    instrument: str, units: str, entry: str, stop: str, target: str, quote: tuple[str, str] | None
) -> None:
    order = replace(
        ORDER, instrument=instrument, units=D(units), entry_price=D(entry), stop_loss_price=D(stop), take_profit_price=D(target), quality_score=None
    )
    standing = None if quote is None else Quote(instrument=instrument, bid=D(quote[0]), ask=D(quote[1]), time_ns=0)
    exposure = Exposure(
        currency="USD", equity=D(100_000), rate=D(1), open_orders=0, instrument_units=D(0), instrument_notional=D(0), total_notional=D(0)
    )
    check(order, RiskState(instrument=INSTRUMENTS[instrument], exposure=exposure, quote=standing), RiskLimits())


def test_the_default_stops_a_slip_of_the_decimal_point() -> None:
    """4,000,000 EUR with the stop 55 pips away would risk 22,000 of 100,000."""
    error = denied(RiskLimits(), replace(ORDER, units=D(4_000_000)))
    assert (error.code, error.details["value"], error.details["limit"]) == ("RISK_PER_TRADE_PCT_MAX", D(22), D(20))


def test_an_order_cannot_pass_in_slices() -> None:
    """Ten slices against a total of 150,000: what the earlier ones hold counts, so the same number gets through as in one piece."""
    limits = replace(NONE, instrument_units_max={"EUR_USD": D(150_000)})
    taken = D(50_000)
    for _ in range(20):
        state = STATE._replace(exposure=EXPOSURE._replace(instrument_units=taken))
        try:
            check(replace(ORDER, units=D(10_000)), state, limits)
        except OrderDenied:
            break
        taken += 10_000
    assert taken == 150_000


def test_missing_quality_does_not_pass_a_minimum() -> None:
    assert denied(replace(NONE, quality_min=D(1)), replace(ORDER, quality_score=None)).details["value"] is None


def test_missing_quotes_do_not_pass_an_age_limit() -> None:
    assert denied(replace(NONE, quote_age_s_max=D(10)), state=STATE._replace(quote=None, quote_age_s=None)).code == "QUOTE_AGE_S_MAX"


def test_money_that_nothing_converts_is_refused_rather_than_guessed() -> None:
    state = STATE._replace(exposure=EXPOSURE._replace(rate=None))
    error = denied(replace(NONE, order_notional_max=D(10**9)), state=state)
    assert (error.code, error.details["setting"]) == ("QUOTE_NEEDED", "order_notional_max")
    check(ORDER, state, NONE)


def test_before_the_first_quote_a_pair_with_the_accounts_money_as_base_converts_at_its_own_price() -> None:
    """10,000 USD_JPY at 101.710 with the stop at 101.000: 7,100 JPY are 69.81 USD."""
    order = replace(ORDER, instrument="USD_JPY", units=D(10_000), entry_price=D("101.71"), stop_loss_price=D(101), take_profit_price=D(103))
    state = RiskState(instrument=INSTRUMENTS["USD_JPY"], exposure=EXPOSURE._replace(rate=None))
    assert round(risk_money(order, state) or D(0), 2) == D("69.81")
    assert round(notional(order, state) or D(0), 6) == 10_000


def test_a_market_entry_is_reckoned_at_the_quote_or_across_both_exits() -> None:
    """At the ask of 1.16705 it risks 705 USD; without a quote the whole way from target to stop, 1,000."""
    order = replace(ORDER, entry_type=EntryType.MARKET, entry_price=None)
    assert risk_money(order, STATE) == D(705)
    assert risk_money(order, STATE._replace(quote=None)) == D(1000)


def test_fees_are_part_of_the_risk() -> None:
    """0.1 BTC at 60,000, stop 59,000: 100 and 0.6% of both values, 36 + 35.40."""
    order = replace(ORDER, instrument="BTC-USD", units=D("0.1"), entry_price=D(60_000), stop_loss_price=D(59_000), take_profit_price=D(62_000))
    assert risk_money(order, STATE._replace(instrument=INSTRUMENTS["BTC-USD"])) == D("171.4")


def test_without_equity_any_risk_is_too_much() -> None:
    error = denied(RiskLimits(), state=STATE._replace(exposure=EXPOSURE._replace(equity=D(0))))
    assert (error.code, error.details["value"]) == ("RISK_PER_TRADE_PCT_MAX", None)


def test_daily_losses_are_told_of_each_limit_that_is_set() -> None:
    """A loss of 1,000 here and 3,000 over all; the percentage is of the 101,000 the day began with."""
    limits = replace(NONE, daily_loss_max=D(2000), daily_loss_pct_max=D(5), daily_loss_total_max=D(2500))
    told = daily_losses(D(-1000), D(-3000), D(100_000), limits)
    assert [(name, round(value, 4), limit) for name, value, limit in told] == [
        ("daily_loss_max", D(1000), D(2000)),
        ("daily_loss_pct_max", D("0.9901"), D(5)),
        ("daily_loss_total_max", D(3000), D(2500)),
    ]
    assert denied(limits, state=STATE._replace(day_pnl_total=D(-3000))).code == "DAILY_LOSS_TOTAL_MAX"


def test_a_day_in_profit_loses_nothing() -> None:
    check(ORDER, STATE._replace(day_pnl=D(5000)), replace(NONE, daily_loss_max=D(1), daily_loss_pct_max=D(1)))


# ── settings ──


def test_limits_are_read_from_numbers_and_from_text() -> None:
    limits = RiskLimits.from_settings(
        {
            "order_notional_max": 50_000,
            "quality_min": "60",
            "risk_per_trade_pct_max": "none",
            "order_units_max": {"BTC-USD": D("0.5")},
            "day_zone": "UTC",
        }
    )
    assert (limits.order_notional_max, limits.quality_min, limits.risk_per_trade_pct_max) == (D(50_000), D(60), None)
    assert limits.order_units_max == {"BTC-USD": D("0.5")}
    assert limits.day_zone == "UTC"


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"order_notionl_max": 5}, "unknown setting risk.order_notionl_max"),
        ({"order_notional_max": "much"}, "order_notional_max is 'much'"),
        ({"order_notional_max": -1}, "is -1; a limit is a number that is not negative"),
        ({"order_notional_max": "NaN"}, "is NaN"),
        ({"open_orders_max": True}, "open_orders_max must be a number"),
        ({"quality_min": 101}, "a percentage of at most 100"),
        ({"order_units_max": 5}, "a table of units by instrument"),
        ({"order_units_max": {"EUR_USD": -1}}, "risk.order_units_max.EUR_USD is -1"),
        ({"day_zone": "Mars/Base"}, "is no time zone"),
        ({"day_zone": "../etc/passwd"}, "is no time zone"),
        ({"day_turn": "25:00"}, "is no time of day"),
        ({"day_turn": "5pm"}, "is no time of day"),
    ],
)
def test_limits_that_cannot_be_are_refused_by_name(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(RiskSettingsError, match=complaint):
        RiskLimits.from_settings(table)


def test_a_record_of_limits_reads_back_the_same() -> None:
    limits = RiskLimits(order_units_max={"EUR_USD": D(5)}, daily_loss_max=D("12.5"))
    table = {name: "none" if value is None else value for name, value in limits.record().items()}
    assert RiskLimits.from_settings(table) == limits


@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=30), st.integers(1, 1_000_000))
def test_no_sequence_of_orders_holds_more_than_the_total(sizes: list[int], limit: int) -> None:
    """Whatever is tried, what was let through adds up to no more than the limit."""
    limits = replace(NONE, total_notional_max=D(limit))
    held = D(0)
    for size in sizes:
        exposure = EXPOSURE._replace(total_notional=held, instrument_notional=held)
        order = replace(ORDER, units=D(size), entry_price=D(1), stop_loss_price=D("0.5"))
        try:
            check(order, STATE._replace(exposure=exposure), limits)
        except OrderDenied:
            continue
        held += size
    assert held <= limit


@pytest.mark.parametrize("name", sorted({name for names in CHECKS.values() for name in names}))
def test_a_limit_that_is_set_is_looked_at_and_nothing_else(name: str) -> None:
    """One limit alone makes its own check run; without any there is none."""
    value: object = {"EUR_USD": Decimal(1)} if name.endswith("units_max") else Decimal(0)
    nothing = RiskLimits(open_orders_max=None, risk_per_trade_pct_max=None)
    assert checks_of(nothing) == ()
    (check_of_it,) = checks_of(replace(nothing, **{name: value}))
    assert name in CHECKS[check_of_it]
