"""The equity curve in the store: a point for what happened, thinned with age, so that it is whole for ever and never large.

    the last 24 hours    every point: one after fills, at most one in 250 ms, and one a minute while something is open
    the last 31 days     the last point of each minute
    before that          the last point of each hour

A day has at most ``DAY_POINTS_MAX`` points before it is thinned: on a day that busy the oldest go first to minutes. Thinning takes a stretch of rows
at a time, so it never holds up orders for long.
"""

from brokers import ledger
from bus.txn import Txn
from trading.accounts import Account

_S = 1_000_000_000
DAY_NS = 86_400 * _S
MONTH_NS = 31 * DAY_NS
# Of the newest points, which are kept one by one.
DAY_POINTS_MAX = 20_000
# A look at the older ones every so many points.
THIN_EVERY = 256
STRETCH_ROWS = 4_000

FROM_KEY = "equity_from"

_BOUND = "SELECT max(id) FROM equity WHERE id <= ? AND at_ns < ?"
_THIN = """DELETE FROM equity WHERE id > ? AND id <= ?
AND id NOT IN (SELECT max(id) FROM equity WHERE id > ? AND id <= ? GROUP BY at_ns / ?)"""


def begin_anew(txn: Txn) -> None:
    """The points so far are another account's: the curve that is shown begins behind them."""
    (last_id,) = txn.execute("SELECT coalesce(max(id), 0) FROM equity").fetchone()
    ledger.set_state(txn, FROM_KEY, last_id)


def begins_after(db: ledger.Db) -> int:
    """The row id behind which the curve of the account begins."""
    return int(ledger.get_state(db, FROM_KEY) or 0)


def add(txn: Txn, at_ns: int, account: Account) -> None:
    """One point; now and then the older ones are thinned."""
    point_id = ledger.add_equity(txn, at_ns, str(account.balance), str(account.equity), str(account.open_pnl))
    if point_id % THIN_EVERY == 0:
        thin(txn, point_id, at_ns)


def thin(txn: Txn, newest_id: int, now_ns: int) -> None:
    """One stretch of what has come of age, first to minutes, then to hours."""
    _thin_to(txn, "equity_minutes", 60 * _S, _bound(txn, newest_id, now_ns - DAY_NS, newest_id - DAY_POINTS_MAX))
    _thin_to(txn, "equity_hours", 3600 * _S, _bound(txn, newest_id, now_ns - MONTH_NS, 0))


def _bound(txn: Txn, newest_id: int, before_ns: int, at_least: int) -> int:
    row = txn.execute(_BOUND, (newest_id, before_ns)).fetchone()
    return max(row[0] or 0, at_least)


def _thin_to(txn: Txn, key: str, step_ns: int, bound_id: int) -> None:
    done = int(ledger.get_state(txn, key) or 0)
    # A stretch begins within the span the last one ended in, whose last point must be the only one of it.
    upto = min(bound_id, done + STRETCH_ROWS)
    if upto <= done:
        return
    txn.execute(_THIN, (done, upto, done, upto, step_ns))
    ledger.set_state(txn, key, upto)
