"""Closing by hand: a trade, or one side of a position, at the market."""

from decimal import Decimal

from tests.venues.oanda.account import Account
from tests.venues.oanda.book import Trade
from tests.venues.oanda.errors import Malformed, Rejected
from tests.venues.oanda.fills import Outcome, Reduction, close
from tests.venues.oanda.log import Batch
from tests.venues.oanda.requests import read_units
from tests.venues.oanda.wire import Doc, number
from trading.instruments import Side

_SIDES = {Side.BUY: "long", Side.SELL: "short"}


def close_trade(account: Account, spec: str, body: object, request_id: str | None = None) -> Doc:
    """``PUT /trades/{spec}/close``: all of it, or so many units (unsigned)."""
    wanted = read_units(body, "units") or "ALL"
    if wanted == "NONE":
        raise Malformed("units")
    trade = account.find_trade(spec)
    batch = account.log.batch(request_id)
    asked = {
        "tradeID": str(trade.id) if trade else spec.lstrip("@"),
        **({"clientTradeID": trade.client_id} if trade and trade.client_id else {}),
        "units": _written(wanted),
    }
    reason = _trade_refusal(account, trade, wanted)
    if reason is not None or trade is None:
        rejected = batch.write(
            "MARKET_ORDER_REJECT", tradeClose=asked, timeInForce="FOK", positionFill="DEFAULT", reason="TRADE_CLOSE", rejectReason=reason
        )
        status = 404 if reason == "TRADE_DOESNT_EXIST" else 400
        raise Rejected(str(reason), {"orderRejectTransaction": rejected}, batch.related(), status=status)
    units = abs(trade.units) if isinstance(wanted, str) else wanted
    created, outcome = close(account, batch, [Reduction(trade, units)], "TRADE_CLOSE", tradeClose=asked)
    return {**_answer("order", created, outcome), **batch.related()}


def close_position(account: Account, instrument: str, body: object, request_id: str | None = None) -> Doc:
    """``PUT /positions/{instrument}/close``: the long side, the short side, or both; ``NONE`` leaves one alone."""
    if instrument not in account.specs:
        raise Malformed("instrument")
    wishes = {side: read_units(body, f"{name}Units") or "NONE" for side, name in _SIDES.items()}
    batch = account.log.batch(request_id)
    named = {side: wanted for side, wanted in wishes.items() if wanted != "NONE"}
    if not named:
        raise _rejected(batch, instrument, {Side.BUY: "ALL"}, "CLOSEOUT_POSITION_INCOMPLETE_SPECIFICATION", 400)
    for side, wanted in named.items():
        if reason := _position_refusal(account, instrument, side, wanted):
            # Flat altogether is 404, the other side only is 400 (recorded in September 2026).
            status = 404 if reason == "CLOSEOUT_POSITION_DOESNT_EXIST" and not account.open_in(instrument) else 400
            raise _rejected(batch, instrument, {side: wanted}, reason, status)
    answer: Doc = {}
    for side, wanted in named.items():
        reductions = _oldest_first(account, instrument, side, wanted)
        key = f"{_SIDES[side]}PositionCloseout"
        created, outcome = close(account, batch, reductions, "POSITION_CLOSEOUT", **{key: {"instrument": instrument, "units": _written(wanted)}})
        answer |= _answer(f"{_SIDES[side]}Order", created, outcome)
    return {**answer, **batch.related()}


def _trade_refusal(account: Account, trade: Trade | None, wanted: str | Decimal) -> str | None:
    if trade is None or trade.id not in account.open:
        return "TRADE_DOESNT_EXIST"
    if isinstance(wanted, str):
        return None
    return _units_refusal(wanted, abs(trade.units), "CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE")


def _position_refusal(account: Account, instrument: str, side: Side, wanted: str | Decimal) -> str | None:
    size = sum((abs(trade.units) for trade in account.open_in(instrument, side)), Decimal(0))
    if not size:
        return "CLOSEOUT_POSITION_DOESNT_EXIST"
    return None if isinstance(wanted, str) else _units_refusal(wanted, size, "CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE")


def _units_refusal(wanted: Decimal, size: Decimal, exceeds: str) -> str | None:
    if wanted <= 0:
        return "UNITS_INVALID"
    if wanted != wanted.to_integral_value():
        return "UNITS_PRECISION_EXCEEDED"
    return exceeds if wanted > size else None


def _oldest_first(account: Account, instrument: str, side: Side, wanted: str | Decimal) -> list[Reduction]:
    trades = account.open_in(instrument, side)
    if isinstance(wanted, str):
        return [Reduction(trade, abs(trade.units)) for trade in trades]
    reductions, left = [], wanted
    for trade in trades:
        units = min(left, abs(trade.units))
        if units:
            reductions.append(Reduction(trade, units))
        left -= units
    return reductions


def _answer(prefix: str, created: Doc, outcome: Outcome) -> Doc:
    answer: Doc = {f"{prefix}CreateTransaction": created}
    if outcome.fill is not None:
        answer[f"{prefix}FillTransaction"] = outcome.fill
    if outcome.cancel is not None:
        answer[f"{prefix}CancelTransaction"] = outcome.cancel
    return answer


def _rejected(batch: Batch, instrument: str, wishes: dict[Side, str | Decimal], reason: str, status: int) -> Rejected:
    answer: Doc = {}
    for side, wanted in wishes.items():
        closeout = {f"{_SIDES[side]}PositionCloseout": {"instrument": instrument, "units": _written(wanted)}}
        answer[f"{_SIDES[side]}OrderRejectTransaction"] = batch.write(
            "MARKET_ORDER_REJECT", **closeout, timeInForce="FOK", positionFill="REDUCE_ONLY", reason="POSITION_CLOSEOUT", rejectReason=reason
        )
    return Rejected(reason, answer, batch.related(), status=status)


def _written(wanted: str | Decimal) -> str:
    return wanted if isinstance(wanted, str) else number(wanted)
