"""Risk limits: what an order must respect besides making sense. Pure; the adapter asks last before an order counts, in paper and live alike.

A limit is a setting of ``[risk]``; its code is its name in capitals, and every refusal says the limit and the value that broke it. A limit that is
not set does not exist. Money is in the account's currency; units and notional count what is held and what still rests, both ways, so that an order
cannot get past a limit in slices. What nothing is known about counts at its worst: a market entry without a quote is reckoned across both its
exits.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from trading.errors import OrderDenied
from trading.instruments import Instrument
from trading.money import ZERO, plain
from trading.orders import BracketOrder, EntryType
from trading.quotes import Quote
from trading.risk_limits import RiskLimits


class Exposure(NamedTuple):
    """What an account holds and has resting before the order at hand. Money in the account's currency, None where no quote converts.

    ``rate`` is what one unit of the instrument's quote currency is worth. Units are of the order's instrument, both sides added up.
    ``awaited`` are the instruments whose quotes ``equity`` rests on and that have not come yet: what they would value is left out.
    """

    currency: str
    equity: Decimal
    rate: Decimal | None
    open_orders: int
    instrument_units: Decimal
    instrument_notional: Decimal | None
    total_notional: Decimal | None
    awaited: tuple[str, ...] = ()


class RiskState(NamedTuple):
    """Everything the limits look at.

    ``quote`` is the standing one and ``quote_age_s`` how long ago it came. ``orders_last_minute`` counts the orders taken in the last 60 s without
    this one; ``same_order_s`` is how long ago the same user sent the same order. ``day_pnl`` is this broker's since the day turned,
    ``day_pnl_total`` over all brokers, None while that is not known.
    """

    instrument: Instrument
    exposure: Exposure
    quote: Quote | None = None
    quote_age_s: Decimal | None = None
    orders_last_minute: int = 0
    same_order_s: Decimal | None = None
    day_pnl: Decimal = ZERO
    day_pnl_total: Decimal | None = None


Check = Callable[[BracketOrder, RiskState, RiskLimits], None]


def check(order: BracketOrder, state: RiskState, limits: RiskLimits, checks: Sequence[Check] | None = None) -> None:
    """Let ``order`` pass, or say which limit it breaks: the first in the order of ``CHECKS``.

    Args:
        checks: ``checks_of(limits)``, for who asks often.
    Raises:
        OrderDenied: the limit's name in capitals, details ``limit`` and ``value``; QUOTE_NEEDED when a money limit is set and nothing converts.
    """
    for each in checks_of(limits) if checks is None else checks:
        each(order, state, limits)


def checks_of(limits: RiskLimits) -> tuple[Check, ...]:
    """The checks that have a limit to look at, in the order of ``CHECKS``."""
    return tuple(each for each, names in CHECKS.items() if any(getattr(limits, name) not in (None, {}) for name in names))


def check_change(before: BracketOrder, after: BracketOrder, state: RiskState, limits: RiskLimits) -> None:
    """Let the change of a placed order pass, or say which limit it breaks. What becomes no worse than it was passes whatever the limit.

    ``state.exposure`` counts the order as it was.

    Raises:
        OrderDenied: as for ``check``.
    """
    if after.entry_price != before.entry_price:
        _collar(after, state, limits)
        value, old = notional(after, state), notional(before, state)
        if value is None or old is None or value > old:
            held = state.exposure
            others = held._replace(instrument_notional=_less(held.instrument_notional, old), total_notional=_less(held.total_notional, old))
            _notional(after, state._replace(exposure=others), limits)
    risk, was = risk_money(after, state), risk_money(before, state)
    if risk is None or was is None or risk > was:
        _per_trade(after, state, limits)


def risk_money(order: BracketOrder, state: RiskState) -> Decimal | None:
    """What is lost when the stop fills at its price, both fees included; None while nothing converts."""
    rate = _rate(order, state)
    if rate is None:
        return None
    stop = order.stop_loss_price
    entry = _entry_price(order, state) or order.take_profit_price
    distance, fees = abs(entry - stop), (entry + stop) * state.instrument.taker_fee_rate
    return (distance + fees) * order.units * rate


def notional(order: BracketOrder, state: RiskState) -> Decimal | None:
    """What the order's units are worth in the account's currency at its entry price, or at the market's; None while nothing converts."""
    rate = _rate(order, state)
    if rate is None:
        return None
    entry = _entry_price(order, state)
    return order.units * (entry if entry is not None else max(order.take_profit_price, order.stop_loss_price)) * rate


def _units(order: BracketOrder, state: RiskState, limits: RiskLimits) -> None:
    _at_most("order_units_max", order.units, limits.order_units_max.get(order.instrument), "units in one order")
    total = order.units + state.exposure.instrument_units
    _at_most("instrument_units_max", total, limits.instrument_units_max.get(order.instrument), f"units of {order.instrument}, held and resting,")


def _notional(order: BracketOrder, state: RiskState, limits: RiskLimits) -> None:
    value, currency, exposure = notional(order, state), state.exposure.currency, state.exposure
    _money_at_most("order_notional_max", value, limits.order_notional_max, f"{currency} in one order")
    in_instrument = _plus(value, exposure.instrument_notional)
    _money_at_most("instrument_notional_max", in_instrument, limits.instrument_notional_max, f"{currency} in {order.instrument}, held and resting,")
    _money_at_most("total_notional_max", _plus(value, exposure.total_notional), limits.total_notional_max, f"{currency} held and resting")


def _orders(order: BracketOrder, state: RiskState, limits: RiskLimits) -> None:
    _at_most("open_orders_max", state.exposure.open_orders + 1, limits.open_orders_max, "open orders")
    _at_most("orders_per_minute_max", state.orders_last_minute + 1, limits.orders_per_minute_max, "orders a minute")
    window = limits.duplicate_window_s
    if window and state.same_order_s is not None and state.same_order_s < window:
        raise _denied(
            "duplicate_window_s",
            state.same_order_s,
            window,
            f"the same order in {order.instrument} was sent {state.same_order_s:.3f} s ago; wait {window} s",
        )


def _quality(order: BracketOrder, state: RiskState, limits: RiskLimits) -> None:  # noqa: ARG001  (every check is called alike)
    least = limits.quality_min
    if least is not None and (order.quality_score is None or order.quality_score < least):
        given = "none" if order.quality_score is None else order.quality_score
        raise _denied("quality_min", order.quality_score, least, f"quality_score must be at least {least}; this order has {given}")


def _quote(order: BracketOrder, state: RiskState, limits: RiskLimits) -> None:
    oldest = limits.quote_age_s_max
    if oldest is not None and (state.quote_age_s is None or state.quote_age_s > oldest):
        seen = "there is none" if state.quote_age_s is None else f"it is {state.quote_age_s:.1f} s old"
        raise _denied("quote_age_s_max", state.quote_age_s, oldest, f"no new orders without a quote of the last {oldest} s, and {seen}")
    _collar(order, state, limits)


def _collar(order: BracketOrder, state: RiskState, limits: RiskLimits) -> None:
    collar = limits.price_collar_pct
    if collar is None or order.entry_price is None or state.quote is None:
        return
    away = abs(order.entry_price - state.quote.mid) / state.quote.mid * 100
    if away > collar:
        raise _denied(
            "price_collar_pct",
            round(away, 2),
            collar,
            f"entry_price is {away:.1f}% away from the market ({plain(state.quote.mid)}); at most {collar}% is allowed",
        )


def _per_trade(order: BracketOrder, state: RiskState, limits: RiskLimits) -> None:
    risk, percent = risk_money(order, state), limits.risk_per_trade_pct_max
    if limits.risk_per_trade_max is not None:
        _money_at_most("risk_per_trade_max", risk, limits.risk_per_trade_max, f"{state.exposure.currency} at risk in one trade")
    if percent is None:
        return
    of_equity = _of_equity(risk, state.exposure.equity)
    _money_at_most("risk_per_trade_pct_max", of_equity, percent, "percent of equity at risk in one trade")


def _daily_loss(order: BracketOrder, state: RiskState, limits: RiskLimits) -> None:  # noqa: ARG001  (every check is called alike)
    for name, value, limit in daily_losses(state.day_pnl, state.day_pnl_total, state.exposure.equity, limits):
        if value >= limit:
            raise _denied(
                name, round(value, 2), limit, f"today's loss has reached {value:.2f}, and the day ends at {limit}: no new orders until tomorrow"
            )


def daily_losses(day_pnl: Decimal, day_pnl_total: Decimal | None, equity: Decimal, limits: RiskLimits) -> list[tuple[str, Decimal, Decimal]]:
    """Each daily limit that is set: its name, the loss so far (positive), the limit. The percentage is of the equity the day began with."""
    found: list[tuple[str, Decimal, Decimal]] = []
    if limits.daily_loss_max is not None:
        found.append(("daily_loss_max", -day_pnl, limits.daily_loss_max))
    began_with = equity - day_pnl
    if limits.daily_loss_pct_max is not None and began_with > 0:
        found.append(("daily_loss_pct_max", -day_pnl / began_with * 100, limits.daily_loss_pct_max))
    if limits.daily_loss_total_max is not None and day_pnl_total is not None:
        found.append(("daily_loss_total_max", -day_pnl_total, limits.daily_loss_total_max))
    return found


# Cheap and plain ones first, so that the reason given is the one easiest to mend.
CHECKS: Mapping[Check, Sequence[str]] = {
    _quality: ("quality_min",),
    _units: ("order_units_max", "instrument_units_max"),
    _orders: ("open_orders_max", "orders_per_minute_max", "duplicate_window_s"),
    _quote: ("quote_age_s_max", "price_collar_pct"),
    _notional: ("order_notional_max", "instrument_notional_max", "total_notional_max"),
    _per_trade: ("risk_per_trade_max", "risk_per_trade_pct_max"),
    _daily_loss: ("daily_loss_max", "daily_loss_pct_max", "daily_loss_total_max"),
}


def _entry_price(order: BracketOrder, state: RiskState) -> Decimal | None:
    if order.entry_type is not EntryType.MARKET:
        return order.entry_price
    if state.quote is None:
        return None
    return state.quote.ask if order.side.sign > 0 else state.quote.bid


def _rate(order: BracketOrder, state: RiskState) -> Decimal | None:
    """The account's rate; before the first quote, that of the order itself where the account's money is what the instrument trades."""
    rate, currency = state.exposure.rate, state.exposure.currency
    if rate is not None or state.instrument.base != currency:
        return rate
    return 1 / (order.entry_price or order.take_profit_price)


def _of_equity(money: Decimal | None, equity: Decimal) -> Decimal | None:
    if money is None:
        return None
    return money / equity * 100 if equity > 0 else Decimal("Infinity")


def _plus(value: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if value is None or other is None else value + other


def _less(value: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if value is None or other is None else value - other


def _money_at_most(name: str, value: Decimal | None, limit: Decimal | None, what: str) -> None:
    if limit is not None and value is None:
        raise OrderDenied(
            f"risk.{name} cannot be checked before a quote says what the money is worth: try again when prices run",
            code="QUOTE_NEEDED",
            details={"limit": limit, "value": None, "setting": name},
        )
    _at_most(name, value, limit, what)


def _at_most(name: str, number: Decimal | int | None, limit: Decimal | None, what: str) -> None:
    if limit is not None and number is not None and number > limit:
        value = Decimal(number)
        shown = value if not value.is_finite() or value == value.to_integral_value() else round(value, 2)
        raise _denied(
            name, shown if shown.is_finite() else None, limit, f"{shown} {what} {'is' if shown == 1 else 'are'} more than the {limit} allowed"
        )


def _denied(name: str, value: Decimal | None, limit: Decimal, message: str) -> OrderDenied:
    return OrderDenied(
        message, code=name.upper(), details={"limit": limit, "value": None if value is None else plain(value), "setting": f"risk.{name}"}
    )
