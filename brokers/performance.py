"""The tallies of ``trading.performance`` in the store: each closed trade changes its own in the transaction that records the trade.

They begin anew with the account (``paper.reset``); the trades stay. A store whose trades were written by an older version is counted once, at the
start.
"""

from brokers import ledger
from brokers.ledger import Db
from brokers.records import RecordCodec
from bus.txn import Txn
from trading.brackets import Trade
from trading.performance import GROUPS, Tally, add, figures, groups_of

ALL = "all"
FROM_KEY = "performance_from"
_TALLIES = RecordCodec(Tally)
_GET = "SELECT tally FROM performance WHERE kind = ? AND name = ?"
_SET = "INSERT INTO performance (kind, name, tally) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET tally = excluded.tally"
_SINCE = "SELECT id, trade FROM trades WHERE id > ? ORDER BY id LIMIT 500"


def count(txn: Txn, trade: Trade) -> None:
    """``trade`` has closed."""
    for kind, name in ((ALL, ""), *groups_of(trade).items()):
        txn.execute(_SET, (kind, name, _TALLIES.text(add(_tally(txn, kind, name), trade))))


def catch_up(txn: Txn) -> None:
    """Count what an older version left uncounted."""
    since = _from(txn)["trade_id"]
    (stored,) = txn.execute("SELECT count(*) FROM trades WHERE id > ?", (since,)).fetchone()
    if _tally(txn, ALL, "").trades == stored:
        return
    txn.execute("DELETE FROM performance")
    while rows := txn.execute(_SINCE, (since,)).fetchall():
        for since, text in rows:  # noqa: B007  (the last id is where the next page begins)
            count(txn, ledger.trade_of_text(text))


def begin_anew(txn: Txn, now_ns: int) -> None:
    """The account was opened anew: its results begin at nothing."""
    (last_id,) = txn.execute("SELECT coalesce(max(id), 0) FROM trades").fetchone()
    txn.execute("DELETE FROM performance")
    ledger.set_state(txn, FROM_KEY, {"trade_id": last_id, "at_ns": now_ns})


def since_ns(db: Db) -> int:
    """When the account was last opened anew; 0 for never."""
    return int(_from(db)["at_ns"])


def overall(db: Db) -> dict[str, object]:
    """The figures of all trades."""
    return figures(_tally(db, ALL, ""))


def by_group(db: Db) -> dict[str, list[dict[str, object]]]:
    """The figures of each group that has trades, by kind, in order of name."""
    found: dict[str, list[dict[str, object]]] = {kind: [] for kind in GROUPS}
    for kind, name, text in db.execute("SELECT kind, name, tally FROM performance WHERE kind <> ? ORDER BY kind, name", (ALL,)):
        found[kind].append({"name": name, **figures(_TALLIES.value(text))})
    return found


def _tally(db: Db, kind: str, name: str) -> Tally:
    row = db.execute(_GET, (kind, name)).fetchone()
    return Tally() if row is None else _TALLIES.value(row[0])


def _from(db: Db) -> dict[str, int]:
    return ledger.get_state(db, FROM_KEY) or {"trade_id": 0, "at_ns": 0}
