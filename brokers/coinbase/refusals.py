"""The venue's no: which answers are one, and what we call the reason.

A create that was refused comes as HTTP 200 with ``success: false``. Only that, with a reason, is a definite no. ``DUPLICATE_CLIENT_ORDER_ID`` says
that the id is there already, so the order may be too: it is looked up. Whatever else comes after the first byte left is doubt.
"""

from collections.abc import Mapping

from brokers.coinbase.answers import Json, optional_text
from brokers.live.venue import VenueRefused

# Ours on the left; what of the venue's reason says it on the right, the first that matches.
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "INSUFFICIENT_FUNDS": ("INSUFFICIENT_FUND", "INVALID_LEDGER_BALANCE"),
    "MARKET_HALTED": ("ORDER_ENTRY_DISABLED", "TRADING_DISABLED", "PRODUCT_TRADING_HALTED", "UNTRADABLE_PRODUCT", "MISSING_MARKET_TRADE_DATA"),
    "PRICE_OUT_OF_BOUNDS": ("TOO_FAR_FROM_MARKET", "OUT_OF_BOUNDS"),
    "PRICE_OFF_TICK": ("PRICE_PRECISION", "PRECISION"),
    "UNITS_OFF_STEP": ("SIZE_PRECISION",),
    "STOP_ALREADY_PASSED": ("STOP_ALREADY_TRIGGERED",),
    "BRACKET_NOT_SUPPORTED": (
        "BRACKET_ORDER_NOT_SUPPORTED",
        "ATTACHED_ORDERS_ONLY",
        "SINGLE_LEGGED_TPSL",
        "ORDER_SIDE_FOR_ATTACHED",
        "OPEN_BRACKET_ORDERS",
    ),
    "NO_LIQUIDITY": ("NO_LIQUIDITY",),
}
_ORDERED = [(part, ours) for ours in ("UNITS_OFF_STEP", *_FAMILIES) for part in _FAMILIES[ours]]

# An answer with one of these says nothing about why, or not whether.
_FILLER_PREFIX = "UNKNOWN"
_LOOK_UP = "DUPLICATE_CLIENT_ORDER_ID"

# Reasons of a refused cancel that mean that the order is over, or on its way there: its state says which.
CANCEL_TOO_LATE = frozenset({"UNKNOWN_CANCEL_ORDER", "DUPLICATE_CANCEL_REQUEST", "ORDER_IS_FULLY_FILLED"})

_REASON_CHARS_MAX = 100


def create_refusal(answer: Json) -> VenueRefused | None:
    """The no in an answer to a create with ``success: false``; None when it gives no reason, or one that says that the order may exist."""
    reason = failure_reason(answer)
    if reason == "" or _LOOK_UP in reason:
        return None
    return VenueRefused(family(reason), reason)


def failure_reason(answer: Json) -> str:
    """The first of the venue's reasons that says something, empty when none does."""
    error = answer.get("error_response")
    inner: Json = error if isinstance(error, Mapping) else {}
    candidates = [
        *(optional_text(inner, name) for name in ("new_order_failure_reason", "preview_failure_reason", "error")),
        optional_text(answer, "failure_reason"),
    ]
    said = [reason[:_REASON_CHARS_MAX] for reason in candidates if reason and not reason.startswith(_FILLER_PREFIX)]
    # One that says that the id is taken outweighs the others: it is the one that must not be read as a no.
    return next((reason for reason in said if _LOOK_UP in reason), said[0] if said else "")


def family(reason: str) -> str:
    """Our code for the venue's ``reason``; VENUE_REJECTED for what has no family."""
    return next((ours for part, ours in _ORDERED if part in reason), "VENUE_REJECTED")
