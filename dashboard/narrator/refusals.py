"""Why an order was refused, in Rick's words, by the refusal's stable code (docs/http-api.md lists them). A code without a line here is named."""

from collections.abc import Mapping
from dataclasses import fields

from dashboard.narrator.reading import Happening
from trading.risk_limits import RiskLimits

# Each line says what happened, never what to trade instead.
REFUSALS: Mapping[str, str] = {
    "PRICE_OFF_TICK": "that price lies between two ticks, and nobody quotes there",
    "PRICE_NOT_POSITIVE": "that price is none",
    "UNITS_OFF_STEP": "that size is not a whole number of steps",
    "UNITS_TOO_SMALL": "that size is too small for anybody to notice",
    "UNITS_TOO_LARGE": "that size is larger than the instrument allows",
    "UNITS_NOT_POSITIVE": "that size is none",
    "STOP_WRONG_SIDE": "the stop was on the wrong side of the entry, where it protects nobody",
    "TARGET_WRONG_SIDE": "the target was on the wrong side of the entry",
    "UNKNOWN_INSTRUMENT": "nobody here trades that instrument",
    "WRONG_VENUE": "that is traded at the other venue",
    "INSUFFICIENT_MARGIN": "the account cannot carry it",
    "INSUFFICIENT_FUNDS": "there is not enough money for it",
    "CURRENCY_NOT_HELD": "the account holds none of that currency",
    "INSUFFICIENT_HOLDINGS": "one cannot sell what one does not hold",
    "TRADING_HALTED": "trading is halted",
    "TRADING_REDUCING": "only exits are let through at the moment",
    "MARKET_CLOSED": "the market is closed",
    "MARKET_HALTED": "the market has stopped trading",
    "NO_FEED": "nobody quotes it at the moment",
    "QUOTE_STALE": "the price was too old to act on",
    "FEED_CHANGED": "the prices now come from another feed than the one it was placed on",
    "STREAM_RECONCILING": "the books are still being checked against the venue",
    "STORE_LOW": "the disk is nearly full, and no order goes out that cannot be written down",
    "LIVE_NOT_GRANTED": "real money needs a grant, and there is none",
    "EXPIRED": "it came after its own deadline",
    "NEVER_REACHED_VENUE": "the venue was asked twice and never saw it",
    "ORDER_VOID": "that id was given up for good",
    "IDEMPOTENCY_MISMATCH": "that id already belongs to another order",
}

# The desk's own limits and ranges: their messages hold the figures, and their codes say no more.
IN_OUR_WORDS = frozenset(
    {*(each.name.upper() for each in fields(RiskLimits)), "LIVE_NOTIONAL_PER_DAY_MAX", "QUOTE_NEEDED", "DAY_RESULT_UNKNOWN"}
    | {"QUALITY_OUT_OF_RANGE", "TTL_OUT_OF_RANGE"}
)

MESSAGE_CHARS_MAX = 160


def refusal(event: Happening) -> str:
    """The reason as half a sentence: ours for a code we know, else what the venue said about it."""
    code, message = event.word("code"), event.word("message", MESSAGE_CHARS_MAX)
    if code is not None and code in REFUSALS:
        return REFUSALS[code]
    if code in IN_OUR_WORDS and message is not None:
        return message.rstrip(".")
    said = " ".join(part for part in (f"{code}," if code and message else code, message) if part)
    return said.rstrip(".") or "no reason was given"
