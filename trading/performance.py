"""Performance: what closed trades came to, as one running tally each; the one definition of every figure of ``/performance``.

A trade counts when its bracket has closed, in the order of closing. Money is in the account's currency and after fees unless it is called gross.

    win, loss        a trade whose net result is above zero, below zero; one that is exactly zero is neither and ends a streak
    win rate         wins / trades
    expectancy       net / trades, and the same in R over the trades that have an R multiple
    profit factor    what the wins made / what the losses lost; null while nothing was lost
    drawdown         how far the running net result has fallen from its highest point, which begins at zero
    streak           wins (or losses, negative) in a row up to now
    hour, weekday    of the moment the trade opened, UTC
    quality          the bucket of its quality score: 75-100, 50-74, 25-49, 0-24, or none

A tally has constant size and is kept in the store with the trade that changed it, so no figure costs more as trades add up, and none is computed a
second way. docs/glossary.md has the same words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from trading.brackets import Trade
from trading.money import ZERO, book, plain

RATIO = Decimal("0.0001")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
GROUPS = ("instrument", "quality", "hour", "weekday")
_QUALITY_BUCKETS = ((75, "75-100"), (50, "50-74"), (25, "25-49"), (0, "0-24"))
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The trades so far. ``streak`` is positive for wins and negative for losses; ``lost`` and ``drawdown_max`` are positive amounts."""

    trades: int = 0
    wins: int = 0
    losses: int = 0
    net: Decimal = ZERO
    won: Decimal = ZERO
    lost: Decimal = ZERO
    fees: Decimal = ZERO
    best: Decimal = ZERO
    worst: Decimal = ZERO
    r_sum: Decimal = ZERO
    r_count: int = 0
    held_ns: int = 0
    streak: int = 0
    win_streak_max: int = 0
    loss_streak_max: int = 0
    peak: Decimal = ZERO
    drawdown_max: Decimal = ZERO


def add(tally: Tally, trade: Trade) -> Tally:
    """``tally`` with one more trade, the newest to close."""
    net = trade.net_pnl
    won, lost = net > 0, net < 0
    streak = max(tally.streak, 0) + 1 if won else min(tally.streak, 0) - 1 if lost else 0
    running = tally.net + net
    peak = max(tally.peak, running)
    return replace(
        tally,
        trades=tally.trades + 1,
        wins=tally.wins + won,
        losses=tally.losses + lost,
        net=running,
        won=tally.won + (net if won else ZERO),
        lost=tally.lost - (net if lost else ZERO),
        fees=tally.fees + trade.fees,
        best=max(tally.best, net) if tally.trades else net,  # of four losses the best is a loss, and not nil
        worst=min(tally.worst, net) if tally.trades else net,
        r_sum=tally.r_sum + (trade.r_multiple or ZERO),
        r_count=tally.r_count + (trade.r_multiple is not None),
        held_ns=tally.held_ns + trade.held_ns,
        streak=streak,
        win_streak_max=max(tally.win_streak_max, streak),
        loss_streak_max=max(tally.loss_streak_max, -streak),
        peak=peak,
        drawdown_max=max(tally.drawdown_max, peak - running),
    )


def groups_of(trade: Trade) -> Mapping[str, str]:
    """The group of each kind in ``GROUPS`` that ``trade`` counts in."""
    opened = datetime.fromtimestamp(trade.opened_ns // _NS, UTC)
    return {
        "instrument": trade.instrument,
        "quality": quality_bucket(trade.quality_score),
        "hour": f"{opened.hour:02}",
        "weekday": WEEKDAYS[opened.weekday()],
    }


def quality_bucket(score: Decimal | None) -> str:
    """``75-100`` down to ``0-24``, or ``none``."""
    return "none" if score is None else next(name for least, name in _QUALITY_BUCKETS if score >= least)


def figures(tally: Tally) -> dict[str, object]:
    """What people are shown of a tally; ratios have four decimals, half to even, and are None where there is nothing to divide by."""
    trades = Decimal(tally.trades)
    return {
        "trades": tally.trades,
        "wins": tally.wins,
        "losses": tally.losses,
        "net_pnl": plain(tally.net),
        "fees": plain(tally.fees),
        "won": plain(tally.won),
        "lost": plain(tally.lost),
        "best": plain(tally.best),
        "worst": plain(tally.worst),
        "win_rate": ratio(Decimal(tally.wins), trades),
        "expectancy": book(tally.net / trades) if tally.trades else None,
        "expectancy_r": ratio(tally.r_sum, Decimal(tally.r_count)),
        "profit_factor": ratio(tally.won, tally.lost),
        "average_held_s": plain(round(Decimal(tally.held_ns) / trades / _NS, 3)) if tally.trades else None,
        "streak": tally.streak,
        "win_streak_max": tally.win_streak_max,
        "loss_streak_max": tally.loss_streak_max,
        "drawdown": plain(tally.peak - tally.net),
        "drawdown_max": plain(tally.drawdown_max),
    }


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """``part / whole``; None when ``whole`` is zero."""
    return plain((part / whole).quantize(RATIO)) if whole else None
