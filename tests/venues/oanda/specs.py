"""Instruments as v20 describes them: what conf/instruments.toml says of each, and OANDA's own limits (recorded in September 2026)."""

from dataclasses import dataclass
from decimal import Decimal

from tests.venues.common.conf import instruments_of
from tests.venues.oanda.wire import Doc, number, price
from trading.instruments import Instrument, Instruments

# Bid and ask before anybody set a quote.
FIRST_QUOTES = {"EUR_USD": ("1.08500", "1.08510"), "GBP_USD": ("1.27000", "1.27012"), "USD_JPY": ("157.000", "157.012")}

_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_TRAILING_PIPS_MIN = 5
_TRAILING_PIPS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Spec:
    """One instrument's rules."""

    instrument: Instrument

    @property
    def decimals(self) -> int:
        """``displayPrecision``: how many a price has."""
        return self.instrument.price_decimals

    @property
    def pip_location(self) -> int:
        return 1 - self.decimals

    @property
    def pip(self) -> Decimal:
        return Decimal(1).scaleb(self.pip_location)

    @property
    def trailing_min(self) -> Decimal:
        return self.pip * _TRAILING_PIPS_MIN

    @property
    def trailing_max(self) -> Decimal:
        return self.pip * _TRAILING_PIPS_MAX

    @property
    def margin_rate(self) -> Decimal:
        return self.instrument.margin_rate or Decimal(1)

    def has_too_many_decimals(self, value: Decimal) -> bool:
        return value != value.quantize(Decimal(1).scaleb(-self.decimals))

    def as_json(self) -> Doc:
        """As ``GET /instruments`` lists it."""
        instrument = self.instrument
        return {
            "name": instrument.name,
            "type": "CURRENCY",
            "displayName": f"{instrument.base}/{instrument.quote}",
            "pipLocation": self.pip_location,
            "displayPrecision": self.decimals,
            "tradeUnitsPrecision": 0,
            "minimumTradeSize": number(instrument.units_min),
            "maximumTrailingStopDistance": price(self.trailing_max, self.decimals),
            "minimumTrailingStopDistance": price(self.trailing_min, self.decimals),
            "maximumPositionSize": "0",
            "maximumOrderUnits": number(instrument.units_max),
            "marginRate": number(self.margin_rate),
            "guaranteedStopLossOrderMode": "DISABLED",
            "tags": [{"type": "ASSET_CLASS", "name": "CURRENCY"}],
            "financing": {
                "longRate": "-0.0261",
                "shortRate": "0.0092",
                "financingDaysOfWeek": [{"dayOfWeek": day, "daysCharged": 3 if day == "WEDNESDAY" else int(day[0] != "S")} for day in _DAYS],
            },
        }


def instruments() -> Instruments:
    """What the simulated venue trades."""
    return instruments_of("oanda")
