"""v20's own words for why something happened, in ours.

Both lists grow at the venue without notice, so a word that is not here has a meaning all the same: ``VENUE`` for a cancel, a market close for a fill.
"""

from trading.events import CancelReason
from trading.orders import CloseReason, Leg

_CANCELS = {
    "CLIENT_REQUEST": CancelReason.USER,
    "TIME_IN_FORCE_EXPIRED": CancelReason.TTL_EXPIRED,
    "INSUFFICIENT_MARGIN": CancelReason.INSUFFICIENT_MARGIN,
    "MARKET_HALTED": CancelReason.MARKET_HALTED,
    "INSTRUMENT_BID_HALTED": CancelReason.MARKET_HALTED,
    "INSTRUMENT_ASK_HALTED": CancelReason.MARKET_HALTED,
    "LOSING_TAKE_PROFIT": CancelReason.TAKE_PROFIT_ON_FILL,
}
# Families of words that begin alike: STOP_LOSS_ON_FILL_LOSS, …_GTD_TIMESTAMP_IN_PAST, …_CLIENT_ORDER_ID_ALREADY_EXISTS.
_CANCEL_FAMILIES = (
    ("TAKE_PROFIT_ON_FILL_", CancelReason.TAKE_PROFIT_ON_FILL),
    ("STOP_LOSS_ON_FILL_", CancelReason.STOP_LOSS_ON_FILL),
    ("TRAILING_STOP_LOSS_ON_FILL_", CancelReason.STOP_LOSS_ON_FILL),
    ("GUARANTEED_STOP_LOSS_ON_FILL_", CancelReason.STOP_LOSS_ON_FILL),
)

# Cancels that are no end of anything the core has to hear of: the replacement is told by its own transaction, and an exit goes with its trade.
REPLACED = "CLIENT_REQUEST_REPLACED"
WENT_WITH_TRADE = "LINKED_TRADE_CLOSED"

_EXIT_LEGS = {
    "TAKE_PROFIT_ORDER": Leg.TAKE_PROFIT,
    "STOP_LOSS_ORDER": Leg.STOP_LOSS,
    "GUARANTEED_STOP_LOSS_ORDER": Leg.STOP_LOSS,
    "TRAILING_STOP_LOSS_ORDER": Leg.STOP_LOSS,
    # A stop that was reached while its market was halted, carried out when it opened.
    "MARKET_ORDER_DELAYED_TRADE_CLOSE": Leg.STOP_LOSS,
}


def cancel_reason(word: str) -> CancelReason:
    """What ended an order that is not a market close."""
    found = _CANCELS.get(word)
    if found is not None:
        return found
    return next((reason for beginning, reason in _CANCEL_FAMILIES if word.startswith(beginning)), CancelReason.VENUE)


def exit_leg(word: str) -> Leg:
    """Which leg of a bracket a fill that closes was; ``CLOSE`` for every other market order, ours or not."""
    return _EXIT_LEGS.get(word, Leg.CLOSE)


def close_reason(word: str) -> CloseReason | None:
    """Why a fill closed, where the leg alone does not say it."""
    return CloseReason.MARGIN_CLOSEOUT if word == "MARKET_ORDER_MARGIN_CLOSEOUT" else None
