"""The limits of ``[risk]``: read from settings, checked, written down when they change. ``trading.risk`` says what each means for an order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_TURN_LENGTH = len("17:00")


class RiskSettingsError(ValueError):
    """A limit that cannot be; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The limits in force; None, or no entry for an instrument, is no limit.

    ``…_notional_max`` are money, ``…_units_max`` units by instrument, ``…_pct_max`` percent of equity, ``price_collar_pct`` percent of the mid. Daily
    loss is realised and unrealised since the day turned at ``day_turn`` in ``day_zone``; ``daily_loss_total_max`` is over all brokers.
    ``daily_loss_action`` is reduce, halt or flatten; ``heartbeat_watch`` live, always or off; ``protection_action`` alarm, protect or close.
    """

    order_units_max: Mapping[str, Decimal] = field(default_factory=dict)
    instrument_units_max: Mapping[str, Decimal] = field(default_factory=dict)
    order_notional_max: Decimal | None = None
    instrument_notional_max: Decimal | None = None
    total_notional_max: Decimal | None = None
    # More resting orders than this are a program gone wild; a person or a grid bot stays far below.
    open_orders_max: Decimal | None = Decimal(100_000)
    orders_per_minute_max: Decimal | None = None
    price_collar_pct: Decimal | None = None
    duplicate_window_s: Decimal | None = None
    quality_min: Decimal | None = None
    quote_age_s_max: Decimal | None = None
    risk_per_trade_max: Decimal | None = None
    # A fifth of the account on one trade is a slip of the decimal point: five such losses and nothing is left.
    risk_per_trade_pct_max: Decimal | None = Decimal(20)
    daily_loss_max: Decimal | None = None
    daily_loss_pct_max: Decimal | None = None
    daily_loss_total_max: Decimal | None = None
    day_zone: str = "America/New_York"
    day_turn: str = "17:00"
    # What the adapter does by itself when the day's loss is reached; it stays so until somebody resumes.
    daily_loss_action: str = "reduce"
    # How long gateway and adapter may hear nothing of each other before the broker is REDUCING, and in which mode that counts.
    heartbeat_lost_s: Decimal | None = Decimal(30)
    heartbeat_watch: str = "live"
    # What the adapter does about a position without a stop of its size, besides ringing.
    protection_action: str = "protect"

    def __post_init__(self) -> None:
        for name in _SINGLE:
            _check_limit(name, getattr(self, name))
        for name in _BY_INSTRUMENT:
            for instrument, value in getattr(self, name).items():
                _check_limit(f"{name}.{instrument}", value)
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise RiskSettingsError(f"risk.{name} is {getattr(self, name)!r}; it must be {', '.join(known)}")
        try:
            ZoneInfo(self.day_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise RiskSettingsError(f"risk.day_zone {self.day_zone!r} is no time zone; write one like America/New_York or UTC") from None
        hours, _, minutes = self.day_turn.partition(":")
        is_time = len(self.day_turn) == _TURN_LENGTH and hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60
        if not is_time:
            raise RiskSettingsError(f"risk.day_turn {self.day_turn!r} is no time of day; write it like 17:00")

    @classmethod
    def from_settings(cls, table: Mapping[str, object]) -> "RiskLimits":
        """The limits of ``[risk]``: numbers, or text from the environment; an empty text or ``none`` removes a default.

        Raises:
            RiskSettingsError: an unknown key, or a value that is no limit.
        """
        unknown = set(table) - set(_ALL)
        if unknown:
            raise RiskSettingsError(f"unknown setting risk.{min(unknown)}; known are {', '.join(_ALL)}")
        return cls(**{name: _read(name, value) for name, value in table.items()})

    @property
    def counts_days(self) -> bool:
        """Whether a day's loss can stop anything."""
        return any(each is not None for each in (self.daily_loss_max, self.daily_loss_pct_max, self.daily_loss_total_max))

    def silence_s_max(self, mode: str) -> Decimal | None:
        """How long a heartbeat may be missing in ``mode``; None for ever."""
        return self.heartbeat_lost_s if self.heartbeat_watch in {"always", mode} else None

    def record(self) -> dict[str, object]:
        """What a journal says when limits change: text for what is set, None for what is not."""
        return {name: _written(getattr(self, name)) for name in _ALL}


_BY_INSTRUMENT = ("order_units_max", "instrument_units_max")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "daily_loss_action": ("reduce", "halt", "flatten"),
    "heartbeat_watch": ("live", "always", "off"),
    "protection_action": ("alarm", "protect", "close"),
}
_TEXTS = ("day_zone", "day_turn", *_CHOICES)
_ALL = tuple(each.name for each in fields(RiskLimits))
_SINGLE = tuple(name for name in _ALL if name not in {*_BY_INSTRUMENT, *_TEXTS})
_PERCENT = frozenset({"price_collar_pct", "risk_per_trade_pct_max", "daily_loss_pct_max", "quality_min"})


def _check_limit(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, Decimal) or not value.is_finite() or value < 0:
        raise RiskSettingsError(f"risk.{name} is {value}; a limit is a number that is not negative")
    if name in _PERCENT and value > 100:
        raise RiskSettingsError(f"risk.{name} is {value}; it is a percentage of at most 100")


def _read(name: str, value: object) -> Any:
    if name in _TEXTS:
        return str(value)
    if name in _BY_INSTRUMENT:
        if not isinstance(value, Mapping):
            raise RiskSettingsError(f"risk.{name} is a table of units by instrument, as in [risk.{name}]")
        return {str(instrument): _number(f"{name}.{instrument}", units) for instrument, units in value.items()}
    return None if isinstance(value, str) and value.strip().lower() in {"", "none"} else _number(name, value)


def _number(name: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise RiskSettingsError(f"risk.{name} must be a number")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise RiskSettingsError(f"risk.{name} is {value!r}; it must be a number") from None


def _written(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): str(units) for name, units in value.items()}
    return str(value) if isinstance(value, Decimal) else value
