"""How often one may guess: limits on logins that survive a restart (RULES S-A3).

Per account: the fifth failure within 15 minutes starts a delay of 1 s, each further one doubles it, up to 15 minutes; the account is never locked for
good, and a good login ends it. Per address: 20 failures a minute. Altogether: 100 a minute. These two are counted before the password is checked and
taken back when it was good: many at once must not slip through while the first is still being hashed (an account's logins run one after the other).
Unknown accounts count the same, under a hash of the name.
"""

import hashlib
import sqlite3
from dataclasses import dataclass

from arena_gateway.store import Store
from trading.errors import Unavailable

FAILURES_FREE = 5
FAILURES_WINDOW_NS = 15 * 60 * 1_000_000_000
DELAY_S_MAX = 15 * 60
PER_ADDRESS_MAX = 20
GLOBAL_MAX = 100
MINUTE_NS = 60 * 1_000_000_000

# Rows that have decided nothing for a day are swept.
_SWEEP_AFTER_NS = 24 * 3600 * 1_000_000_000


class LoginThrottled(Unavailable):
    """Too many failed logins; ``retry_after_s`` is when to come back."""

    default_code = "LOGIN_THROTTLED"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many failed logins: try again in {retry_after_s} s", details={"retry_after_s": retry_after_s})
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Counter:
    """``count`` attempts since ``since_ns``; nothing more before ``until_ns``."""

    count: int
    since_ns: int
    until_ns: int


def after_failure(counter: Counter | None, now_ns: int) -> Counter:
    """The account's counter with one more failure. Pure."""
    if counter is None or now_ns - max(counter.since_ns, counter.until_ns) > FAILURES_WINDOW_NS:
        return Counter(1, now_ns, now_ns)
    count = counter.count + 1
    if count < FAILURES_FREE:
        return Counter(count, counter.since_ns, now_ns)
    delay_s = min(2 ** min(count - FAILURES_FREE, 20), DELAY_S_MAX)
    return Counter(count, counter.since_ns, now_ns + delay_s * 1_000_000_000)


def after_minute_attempt(counter: Counter | None, now_ns: int) -> Counter:
    """A per-minute counter with one more attempt; a new minute starts at one. Pure."""
    if counter is None or not 0 <= now_ns - counter.since_ns < MINUTE_NS:
        return Counter(1, now_ns, now_ns)
    return Counter(counter.count + 1, counter.since_ns, counter.until_ns)


def begin_attempt(store: Store, email: str, address: str) -> None:
    """Refuse a login that comes too early, else count it for its address and in total.

    Raises:
        LoginThrottled: one of the limits is reached; nothing is counted then.
    """
    now_ns = store.clock.wall_ns()
    account, peer, everyone = _keys(email, address)
    with store.write() as db:
        counter = _get(db, account)
        if counter is not None and counter.until_ns > now_ns:
            # A wall clock that was set back must not turn a delay into a lockout.
            raise LoginThrottled(min(_whole_seconds(counter.until_ns - now_ns), DELAY_S_MAX))
        for key, limit in ((peer, PER_ADDRESS_MAX), (everyone, GLOBAL_MAX)):
            minute = after_minute_attempt(_get(db, key), now_ns)
            if minute.count > limit:
                raise LoginThrottled(_whole_seconds(minute.since_ns + MINUTE_NS - now_ns))
            _put(db, key, minute)
        db.execute("DELETE FROM throttles WHERE since_ns < ? AND until_ns < ?", (now_ns - _SWEEP_AFTER_NS, now_ns))


def note_failure(db: sqlite3.Connection, email: str, now_ns: int) -> None:
    """The password was wrong, or there is no such user: count it for the account."""
    account = _keys(email, "")[0]
    _put(db, account, after_failure(_get(db, account), now_ns))


def forgive(db: sqlite3.Connection, email: str, address: str) -> None:
    """The password was right: the account starts anew, address and total have one less."""
    account, peer, everyone = _keys(email, address)
    db.execute("DELETE FROM throttles WHERE key = ?", (account,))
    db.execute("UPDATE throttles SET count = max(0, count - 1) WHERE key IN (?, ?)", (peer, everyone))


def _keys(email: str, address: str) -> tuple[str, str, str]:
    return "account:" + hashlib.sha256(email.lower().encode()).hexdigest(), f"address:{address}", "everyone"


def _get(db: sqlite3.Connection, key: str) -> Counter | None:
    row = db.execute("SELECT count, since_ns, until_ns FROM throttles WHERE key = ?", (key,)).fetchone()
    return None if row is None else Counter(*row)


def _put(db: sqlite3.Connection, key: str, counter: Counter) -> None:
    db.execute(
        "INSERT INTO throttles VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = excluded.count, since_ns = excluded.since_ns, "
        "until_ns = excluded.until_ns",
        (key, counter.count, counter.since_ns, counter.until_ns),
    )


def _whole_seconds(ns: int) -> int:
    return max(1, -(-ns // 1_000_000_000))
