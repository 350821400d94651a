"""Instruments: what can be traded where, on which grid of prices and sizes, at what cost.

The values of ``conf/instruments.toml`` are what the paper venue uses; a live venue's own values win over them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from trading.money import is_on_grid

VENUES = ("oanda", "coinbase")

ChoiceT = TypeVar("ChoiceT", bound=StrEnum)


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell: units times sign is the position."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class AssetClass(StrEnum):
    FOREX = "forex"
    CRYPTO = "crypto"


class Calendar(StrEnum):
    """When an instrument trades: the forex week (``trading.sessions``) or without a pause."""

    FOREX = "forex"
    ALWAYS = "always"


class InstrumentError(ValueError):
    """An instrument that cannot be what it says; the message names it and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable pair.

    ``tick`` is the grid of prices, ``step`` the grid of units, ``units_min`` and ``units_max`` bound one order; ``price_decimals`` is how many
    decimals a price is shown with. ``margin_rate`` is the share of a position's value that is set aside, None where positions are paid in full. Fee
    rates are a share of the traded value in the quote currency.
    """

    name: str
    venue: str
    asset_class: AssetClass
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    units_min: Decimal
    units_max: Decimal
    price_decimals: int
    margin_rate: Decimal | None = None
    maker_fee_rate: Decimal = Decimal(0)
    taker_fee_rate: Decimal = Decimal(0)
    calendar: Calendar = Calendar.ALWAYS

    def __post_init__(self) -> None:
        if self.venue not in VENUES:
            raise InstrumentError(f"{self.name}: venue is {self.venue!r}; it must be one of {', '.join(VENUES)}")
        for field in ("tick", "step", "units_min"):
            value = getattr(self, field)
            if not value.is_finite() or value <= 0:
                raise InstrumentError(f"{self.name}: {field} is {value}; it must be above zero")
        if self.units_max < self.units_min:
            raise InstrumentError(f"{self.name}: units_max {self.units_max} is below units_min {self.units_min}")
        for field in ("units_min", "units_max"):
            if not is_on_grid(getattr(self, field), self.step):
                raise InstrumentError(f"{self.name}: {field} {getattr(self, field)} is not a multiple of step {self.step}")
        if not is_on_grid(self.tick, Decimal(1).scaleb(-self.price_decimals)):
            raise InstrumentError(f"{self.name}: a tick of {self.tick} cannot be shown with {self.price_decimals} decimals")
        if self.margin_rate is not None and not 0 < self.margin_rate <= 1:
            raise InstrumentError(f"{self.name}: margin_rate is {self.margin_rate}; it is a share, above 0 and at most 1")
        for field in ("maker_fee_rate", "taker_fee_rate"):
            if not 0 <= getattr(self, field) < 1:
                raise InstrumentError(f"{self.name}: {field} is {getattr(self, field)}; it is a share, at least 0 and below 1")


class Instruments(Mapping[str, Instrument]):
    """Instruments by name, in the order they were given."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_name: dict[str, Instrument] = {}
        for instrument in instruments:
            if instrument.name in self._by_name:
                raise InstrumentError(f"{instrument.name} is listed twice")
            self._by_name[instrument.name] = instrument

    def __getitem__(self, name: str) -> Instrument:
        return self._by_name[name]

    def find(self, name: str) -> Instrument | None:
        """The instrument called ``name``, None when there is none."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def refine(self, instrument: Instrument) -> None:
        """Let ``instrument`` take the place of the one of its name: a live venue's own values win over those of the settings."""
        if instrument.name not in self._by_name:
            raise InstrumentError(f"{instrument.name} is not configured")
        self._by_name[instrument.name] = instrument

    def for_venue(self, venue: str) -> "Instruments":
        """Those that trade at ``venue``."""
        return Instruments(instrument for instrument in self._by_name.values() if instrument.venue == venue)

    @classmethod
    def from_config(cls, tables: Mapping[str, object]) -> "Instruments":
        """The instruments of a parsed ``conf/instruments.toml``: one table each, named after the instrument, numbers as int or Decimal.

        Raises:
            InstrumentError: an unknown or missing field, or a value that cannot be.
        """
        return cls(_from_table(name, table) for name, table in tables.items())


def _from_table(name: str, table: object) -> Instrument:
    if not isinstance(table, Mapping):
        raise InstrumentError(f"{name} must be a table, as in [{name}]")
    known = {field.name: field for field in fields(Instrument) if field.name != "name"}
    unknown = set(table) - set(known)
    if unknown:
        raise InstrumentError(f"{name}: unknown field {min(unknown)}; known are {', '.join(known)}")
    missing = [field.name for field in known.values() if field.name not in table and field.default is MISSING]
    if missing:
        raise InstrumentError(f"{name}: {missing[0]} is missing")
    return Instrument(
        name=name,
        venue=_text(name, table, "venue"),
        asset_class=_choice(name, table, "asset_class", AssetClass),
        base=_text(name, table, "base"),
        quote=_text(name, table, "quote"),
        tick=_number(name, table, "tick"),
        step=_number(name, table, "step"),
        units_min=_number(name, table, "units_min"),
        units_max=_number(name, table, "units_max"),
        price_decimals=int(_number(name, table, "price_decimals")),
        margin_rate=_number(name, table, "margin_rate") if "margin_rate" in table else None,
        maker_fee_rate=_number(name, table, "maker_fee_rate") if "maker_fee_rate" in table else Decimal(0),
        taker_fee_rate=_number(name, table, "taker_fee_rate") if "taker_fee_rate" in table else Decimal(0),
        calendar=_choice(name, table, "calendar", Calendar) if "calendar" in table else Calendar.ALWAYS,
    )


def _text(name: str, table: Mapping[str, object], field: str) -> str:
    value = table[field]
    if not isinstance(value, str) or not value:
        raise InstrumentError(f"{name}: {field} must be text")
    return value


def _number(name: str, table: Mapping[str, object], field: str) -> Decimal:
    value = table[field]
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InstrumentError(f"{name}: {field} must be a number")
    return Decimal(value)


def _choice(name: str, table: Mapping[str, object], field: str, choices: type[ChoiceT]) -> ChoiceT:
    value = table[field]
    if value not in list(choices):
        raise InstrumentError(f"{name}: {field} is {value!r}; it must be one of {', '.join(choices)}")
    return choices(str(value))
