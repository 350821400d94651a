"""What live grants have used: two small tables of an adapter's database, written in the transaction of the order they are about.

``grant_charges`` holds what each live order came to, by user and day, and how much of it counts now; ``grant_days`` the sum that counts of a user's
day. ``brokers.grants`` says what counts and checks the limit.
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
    row = db.execute("SELECT notional, counted FROM grant_charges WHERE n = ? AND user = ? AND day = ?", (n, charge.user, day)).fetchone()
    notional, counted = (ZERO, ZERO) if row is None else (Decimal(row[0]), Decimal(row[1]))
    values = (n, charge.user, day, str(notional + charge.notional), str(counted + charge.notional))
    db.execute("INSERT OR REPLACE INTO grant_charges (n, user, day, notional, counted) VALUES (?, ?, ?, ?, ?)", values)
    _add_to_day(db, charge.user, day, charge.notional)


def recount(db: Db, bracket: Bracket) -> None:
    """Let count of ``bracket`` what it has traded and may still trade: give back what its entry never will, take again what turned up after all."""
    for user, day, notional, counted in db.execute("SELECT user, day, notional, counted FROM grant_charges WHERE n = ?", (bracket.n,)).fetchall():
        counts = Decimal(notional) if _may_trade(bracket) else book(Decimal(notional) * bracket.filled_units / bracket.order.units)
        if counts != Decimal(counted):
            db.execute("UPDATE grant_charges SET counted = ? WHERE n = ? AND user = ? AND day = ?", (str(counts), bracket.n, user, day))
            _add_to_day(db, user, day, counts - Decimal(counted))


def used(db: Db, user: str, day: date) -> Decimal:
    """What the entries of ``user`` on ``day`` have traded or may still trade."""
    row = db.execute("SELECT notional FROM grant_days WHERE user = ? AND day = ?", (user, day.isoformat())).fetchone()
    return ZERO if row is None else Decimal(row[0])


def latest_day(db: Db, user: str) -> date | None:
    """The last day on which anything of ``user`` was counted."""
    (latest,) = db.execute("SELECT max(day) FROM grant_days WHERE user = ?", (user,)).fetchone()
    return None if latest is None else date.fromisoformat(latest)


def _may_trade(bracket: Bracket) -> bool:
    if bracket.status in _IN_DOUBT or (bracket.status is OrderStatus.REJECTED and bracket.cancel_reason in _CONCLUDED):
        return True
    return bool(bracket.remaining_units)


def _add_to_day(db: Db, user: str, day: str, amount: Decimal) -> None:
    total = used(db, user, date.fromisoformat(day)) + amount
    db.execute("INSERT OR REPLACE INTO grant_days (user, day, notional) VALUES (?, ?, ?)", (user, day, str(total)))
