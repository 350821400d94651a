"""Instruments: the shipped file, and every way a table can be wrong."""

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from trading.instruments import AssetClass, Calendar, InstrumentError, Instruments, Side
from trading.quotes import Quote

CONF = Path(__file__).parents[2] / "conf" / "instruments.toml"
TABLE = {
    "venue": "oanda",
    "asset_class": "forex",
    "base": "EUR",
    "quote": "USD",
    "tick": Decimal("0.00001"),
    "step": 1,
    "units_min": 1,
    "units_max": 1000,
    "price_decimals": 5,
}


def shipped() -> Instruments:
    return Instruments.from_config(tomllib.loads(CONF.read_text(), parse_float=Decimal))


def test_the_shipped_file_has_the_five_instruments_each_at_its_venue() -> None:
    instruments = shipped()
    assert list(instruments.for_venue("oanda")) == ["EUR_USD", "GBP_USD", "USD_JPY"]
    assert list(instruments.for_venue("coinbase")) == ["BTC-USD", "ETH-USD"]
    assert instruments["USD_JPY"].tick == Decimal("0.001")
    assert instruments["BTC-USD"].asset_class is AssetClass.CRYPTO
    assert {instrument.calendar for instrument in instruments.for_venue("oanda").values()} == {Calendar.FOREX}


def test_forex_is_on_margin_without_fees_and_crypto_is_paid_in_full_with_fees() -> None:
    for instrument in shipped().values():
        is_forex = instrument.venue == "oanda"
        assert (instrument.margin_rate is not None) is is_forex
        assert (instrument.taker_fee_rate == 0) is is_forex
        assert instrument.maker_fee_rate <= instrument.taker_fee_rate


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"venue": "nyse"}, "venue is 'nyse'"),
        ({"tick": Decimal(0)}, "tick is 0"),
        ({"tick": "0.1"}, "tick must be a number"),
        ({"tick": True}, "tick must be a number"),
        ({"tick": Decimal("0.000001")}, "cannot be shown with 5 decimals"),
        ({"step": Decimal(-1)}, "step is -1"),
        ({"units_min": Decimal("1.5")}, "not a multiple of step"),
        ({"units_max": 0}, "below units_min"),
        ({"margin_rate": Decimal(2)}, "margin_rate is 2"),
        ({"taker_fee_rate": Decimal("-0.1")}, "taker_fee_rate is -0.1"),
        ({"asset_class": "bonds"}, "asset_class is 'bonds'"),
        ({"calendar": "lunar"}, "calendar is 'lunar'"),
        ({"base": ""}, "base must be text"),
        ({"leverage": 30}, "unknown field leverage"),
    ],
)
def test_a_table_that_cannot_be_is_refused_by_name(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InstrumentError, match=f"EUR_USD: .*{complaint}"):
        Instruments.from_config({"EUR_USD": {**TABLE, **change}})


@pytest.mark.parametrize("field", ["venue", "tick", "units_max", "price_decimals"])
def test_a_missing_field_is_named(field: str) -> None:
    table = {name: value for name, value in TABLE.items() if name != field}
    with pytest.raises(InstrumentError, match=f"EUR_USD: {field} is missing"):
        Instruments.from_config({"EUR_USD": table})


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(InstrumentError, match="EUR_USD must be a table"):
        Instruments.from_config({"EUR_USD": 5})


def test_one_name_stands_for_one_instrument() -> None:
    (instrument,) = Instruments.from_config({"EUR_USD": TABLE}).values()
    with pytest.raises(InstrumentError, match="listed twice"):
        Instruments([instrument, instrument])


def test_sides_are_signed_and_opposed() -> None:
    assert [(side.sign, side.opposite) for side in Side] == [(1, Side.SELL), (-1, Side.BUY)]


@pytest.mark.parametrize(("bid", "ask"), [("1.2", "1.1"), ("0", "1"), ("-1", "1")])
def test_a_crossed_or_worthless_quote_cannot_be(bid: str, ask: str) -> None:
    with pytest.raises(ValueError, match="are no quote"):
        Quote(instrument="EUR_USD", bid=Decimal(bid), ask=Decimal(ask), time_ns=0)


def test_a_negative_size_cannot_be_and_a_locked_market_can() -> None:
    with pytest.raises(ValueError, match="quoted size"):
        Quote(instrument="EUR_USD", bid=Decimal(1), ask=Decimal(1), bid_size=Decimal(-1), time_ns=0)
    quote = Quote(instrument="EUR_USD", bid=Decimal("1.1"), ask=Decimal("1.1"), time_ns=0)
    assert (quote.mid, quote.spread) == (Decimal("1.1"), 0)
