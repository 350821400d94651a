"""How prices, trades, positions and the account look from outside."""

from collections.abc import Iterable
from decimal import Decimal

from tests.venues.oanda.account import Account
from tests.venues.oanda.book import ZERO, Trade
from tests.venues.oanda.requests import EXIT_KEYS
from tests.venues.oanda.wire import Doc, Stamp, money, number, price
from trading.instruments import Side

# What a side shows where the market has no limit: nobody's order is larger.
LIQUIDITY_MAX = 100_000_000
_RATE_DECIMALS = Decimal("0.00000001")


def price_doc(account: Account, instrument: str) -> Doc | None:
    """A PRICE as pricing and its stream show it: liquidity is a whole number here."""
    standing = account.board.standing(instrument)
    if standing is None:
        return None
    is_open = not account.is_halted(instrument)
    return {
        "type": "PRICE",
        "time": Stamp(standing.quote.time_ns),
        **_ladder(account, instrument, as_text=False),
        "status": "tradeable" if is_open else "non-tradeable",
        "tradeable": is_open,
        "instrument": instrument,
    }


def full_price(account: Account, instrument: str) -> Doc:
    """The price inside an ORDER_FILL: liquidity is text here."""
    standing = account.board.standing(instrument)
    assert standing is not None
    return {**_ladder(account, instrument, as_text=True), "time": Stamp(standing.quote.time_ns)}


def conversions(account: Account, instrument: str) -> Doc:
    """By what an ORDER_FILL multiplied gains and losses."""
    pair = account.specs[instrument].instrument
    gain, loss = account.factors(pair.quote)
    gain_base, loss_base = account.factors(pair.base)
    return {
        "gainQuoteHomeConversionFactor": _rate(gain),
        "lossQuoteHomeConversionFactor": _rate(loss),
        "homeConversionFactors": {
            "gainQuoteHome": {"factor": _rate(gain)},
            "lossQuoteHome": {"factor": _rate(loss)},
            "gainBaseHome": {"factor": _rate(gain_base)},
            "lossBaseHome": {"factor": _rate(loss_base)},
        },
    }


def home_conversions(account: Account, instruments: Iterable[str]) -> list[Doc]:
    """Of every currency in ``instruments``, for ``includeHomeConversions``."""
    pairs = [account.specs[name].instrument for name in instruments]
    docs = []
    for currency in sorted({pair.base for pair in pairs} | {pair.quote for pair in pairs}):
        gain, loss = account.factors(currency)
        docs.append(
            {"currency": currency, "accountGain": _rate(gain), "accountLoss": _rate(loss), "positionValue": _rate(account.home_rate(currency))}
        )
    return docs


def trade_doc(account: Account, trade: Trade, *, detail: bool) -> Doc:
    """A trade; its exits as ids in a list, whole where one trade is asked for."""
    doc = trade.as_json()
    if trade.state != "CLOSED":
        doc |= calculated_trade(account, trade)
    for kind, order_id in trade.exits.items():
        key = f"{EXIT_KEYS[kind]}Order"
        doc |= {key: account.orders[order_id].as_json()} if detail else {f"{key}ID": str(order_id)}
    return doc


def calculated_trade(account: Account, trade: Trade) -> Doc:
    """What of a trade moves with the market."""
    return {"id": str(trade.id), "unrealizedPL": money(account.unrealized(trade)), "marginUsed": money(account.margin(trade.instrument, trade.units))}


def traded_instruments(account: Account) -> list[str]:
    return list(dict.fromkeys(trade.instrument for trade in account.trades.values()))


def position_doc(account: Account, instrument: str) -> Doc:
    """A position, both sides; of an instrument that was traded once."""
    sides = {side: _side_doc(account, instrument, side) for side in Side}
    return {
        "instrument": instrument,
        "long": sides[Side.BUY],
        "short": sides[Side.SELL],
        "pl": _sum(sides.values(), "pl"),
        "resettablePL": _sum(sides.values(), "resettablePL"),
        "financing": money(ZERO),
        "commission": money(ZERO),
        "dividendAdjustment": money(ZERO),
        "guaranteedExecutionFees": money(ZERO),
        "unrealizedPL": _sum(sides.values(), "unrealizedPL"),
        "marginUsed": money(_position_margin(account, instrument)),
    }


def calculated_position(account: Account, instrument: str) -> Doc:
    """What of a position moves with the market."""
    long, short = (_unrealized(account, instrument, side) for side in Side)
    return {
        "instrument": instrument,
        "netUnrealizedPL": money(long + short),
        "longUnrealizedPL": money(long),
        "shortUnrealizedPL": money(short),
        "marginUsed": money(_position_margin(account, instrument)),
    }


def calculated_account(account: Account) -> Doc:
    """What of an account moves with the market."""
    nav, used = account.nav(), account.margin_used()
    unrealized = nav - account.balance
    value = sum((account.value(each.instrument, each.units) for each in account.open.values()), ZERO)
    share = ZERO if not used else used / 2 / nav if nav > 0 else Decimal(1)
    return {
        "unrealizedPL": money(unrealized),
        "NAV": money(nav),
        "marginUsed": money(used),
        "marginAvailable": money(max(ZERO, nav - used)),
        "positionValue": money(value),
        "marginCloseoutUnrealizedPL": money(unrealized),
        "marginCloseoutNAV": money(nav),
        "marginCloseoutMarginUsed": money(used),
        "marginCloseoutPositionValue": money(value),
        "marginCloseoutPercent": f"{share:.5f}",
        "withdrawalLimit": money(max(ZERO, min(account.balance, nav - used))),
        "marginCallMarginUsed": money(used),
        "marginCallPercent": f"{share * 2:.5f}",
    }


def summary(account: Account) -> Doc:
    """``GET /summary``."""
    config = account.config
    return {
        "guaranteedStopLossOrderMode": "DISABLED",
        "hedgingEnabled": config.hedging,
        "id": config.id,
        "createdTime": Stamp(account.created_ns),
        "currency": config.currency,
        "createdByUserID": config.user_id,
        "alias": config.alias,
        "marginRate": "0.0333",
        "lastTransactionID": str(account.log.last_id),
        "balance": money(account.balance),
        "openTradeCount": len(account.open),
        "openPositionCount": len({trade.instrument for trade in account.open.values()}),
        "pendingOrderCount": len(account.pending),
        "pl": money(account.realized),
        "resettablePL": money(account.realized),
        "resettablePLTime": "0",
        "financing": money(account.financing),
        "commission": money(ZERO),
        "dividendAdjustment": money(account.dividends),
        "guaranteedExecutionFees": money(ZERO),
        **calculated_account(account),
    }


def whole_account(account: Account) -> Doc:
    """The bare account: the summary and everything that is open."""
    return {
        **summary(account),
        "orders": [order.as_json() for order in account.pending.values()],
        "trades": [trade_doc(account, trade, detail=False) for trade in account.open.values()],
        "positions": [position_doc(account, name) for name in traded_instruments(account)],
    }


def _ladder(account: Account, instrument: str, *, as_text: bool) -> Doc:
    standing = account.board.standing(instrument)
    assert standing is not None
    quote, decimals = standing.quote, account.specs[instrument].decimals

    def level(at: Decimal, left: Decimal | None) -> Doc:
        liquidity = LIQUIDITY_MAX if left is None else int(left)
        return {"price": price(at, decimals), "liquidity": str(liquidity) if as_text else liquidity}

    return {
        "bids": [level(quote.bid, standing.bid_left)],
        "asks": [level(quote.ask, standing.ask_left)],
        "closeoutBid": price(quote.bid, decimals),
        "closeoutAsk": price(quote.ask, decimals),
    }


def _side_doc(account: Account, instrument: str, side: Side) -> Doc:
    trades = account.open_in(instrument, side)
    units = sum((trade.units for trade in trades), ZERO)
    realized = account.realized_by_side[instrument, side]
    doc: Doc = {"units": number(units)}
    if trades:
        average = sum((trade.price * trade.units for trade in trades), ZERO) / units
        decimals = account.specs[instrument].decimals
        doc |= {
            "averagePrice": price(average.quantize(Decimal(1).scaleb(-decimals)), decimals),
            "tradeIDs": [str(trade.id) for trade in trades],
        }
    return doc | {
        "pl": money(realized),
        "resettablePL": money(realized),
        "financing": money(ZERO),
        "dividendAdjustment": money(ZERO),
        "guaranteedExecutionFees": money(ZERO),
        "unrealizedPL": money(_unrealized(account, instrument, side)),
    }


def _unrealized(account: Account, instrument: str, side: Side) -> Decimal:
    return sum((account.unrealized(trade) for trade in account.open_in(instrument, side)), ZERO)


def _position_margin(account: Account, instrument: str) -> Decimal:
    sizes = [sum((abs(trade.units) for trade in account.open_in(instrument, side)), ZERO) for side in Side]
    return account.margin(instrument, max(sizes))


def _sum(docs: Iterable[Doc], key: str) -> str:
    return money(sum((Decimal(doc[key]) for doc in docs), ZERO))


def _rate(rate: Decimal) -> str:
    return number(rate.quantize(_RATE_DECIMALS))
