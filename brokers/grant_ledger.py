"""What live grants have used: two small tables of an adapter's database, each change one row, in the transaction of the order it is about.

``grant_charges`` is what an order counts, by user and day, for as long as its entry may still trade; ``grant_days`` the sum of a user's day.
``brokers.grants`` says what counts and checks the limit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from brokers.ledger import Db
from trading.brackets import Bracket
from trading.money import ZERO, book
from trading.orders import OrderStatus

# The codes of a refusal that is a conclusion, not the venue's word: such an order may still turn up.
_CONCLUDED = frozenset({"NEVER_REACHED_VENUE"})
_IN_DOUBT = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What an order or a change adds to its user's day, in the account's currency."""

    user: str
    day: date
    notional: Decimal


def add(db: Db, n: int, charge: Charge | None) -> None:
    """Count ``charge`` for order n, in the transaction that writes the order."""
    if charge is None:
        return
    day = charge.day.isoformat()
    row = db.execute("SELECT notional FROM grant_charges WHERE n = ? AND user = ? AND day = ?", (n, charge.user, day)).fetchone()
    total = charge.notional + (ZERO if row is None else Decimal(row[0]))
    db.execute("INSERT OR REPLACE INTO grant_charges (n, user, day, notional) VALUES (?, ?, ?, ?)", (n, charge.user, day, str(total)))
    _add_to_day(db, charge.user, day, charge.notional)


def settle(db: Db, bracket: Bracket) -> None:
    """Give back, once, what the entry of ``bracket`` can no longer trade; nothing while it may still fill or is in doubt."""
    if bracket.remaining_units or bracket.status in _IN_DOUBT or (bracket.status is OrderStatus.REJECTED and bracket.cancel_reason in _CONCLUDED):
        return
    rows = db.execute("SELECT user, day, notional FROM grant_charges WHERE n = ?", (bracket.n,)).fetchall()
    if not rows:
        return
    for user, day, notional in rows:
        kept = book(Decimal(notional) * bracket.filled_units / bracket.order.units)
        _add_to_day(db, user, day, kept - Decimal(notional))
    db.execute("DELETE FROM grant_charges WHERE n = ?", (bracket.n,))


def used(db: Db, user: str, day: date) -> Decimal:
    """What ``user`` has sent into the market on ``day``."""
    row = db.execute("SELECT notional FROM grant_days WHERE user = ? AND day = ?", (user, day.isoformat())).fetchone()
    return ZERO if row is None else Decimal(row[0])


def latest_day(db: Db, user: str) -> date | None:
    """The last day on which anything of ``user`` was counted."""
    (latest,) = db.execute("SELECT max(day) FROM grant_days WHERE user = ?", (user,)).fetchone()
    return None if latest is None else date.fromisoformat(latest)


def _add_to_day(db: Db, user: str, day: str, amount: Decimal) -> None:
    total = used(db, user, date.fromisoformat(day)) + amount
    db.execute("INSERT OR REPLACE INTO grant_days (user, day, notional) VALUES (?, ?, ?)", (user, day, str(total)))
