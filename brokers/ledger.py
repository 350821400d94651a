"""Reads and writes of an adapter's tables, each one statement that an index answers.

Everything runs on the writer thread inside a transaction; the ``Db`` handed in is the journal's ``Txn``. Nothing here is kept in memory, so memory
does not follow the journal. Lists come newest first, from a row id downwards.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import msgspec

from brokers.records import RecordCodec
from bus.rows import Rows
from bus.txn import Txn
from trading.brackets import Bracket, Fill, Trade
from trading.orders import OrderStatus

_BRACKETS = RecordCodec(Bracket)
_FILLS = RecordCodec(Fill)
_TRADES = RecordCodec(Trade)

_FIND = """SELECT c.n, c.void_reason, o.body_hash, o.reply, o.status FROM client_ids c LEFT JOIN orders o ON o.n = c.n
WHERE c.client_order_id = ? AND c.placed_by = ? AND c.account = ?"""
_FIND_ALL = "SELECT n, placed_by, void_reason FROM client_ids WHERE client_order_id = ? AND account = ? ORDER BY placed_by"
_CLIENT_IDS = Rows("client_ids", ("client_order_id", "placed_by", "account", "n", "void_reason", "made_ns"), key=3)
_ORDERS = Rows("orders", ("n", "instrument", "status", "placed_by", "bracket", "body_hash", "placed_epoch_n", "placed_seq", "reply"))
# A refusal that was answered is none any more when the order turns up at its venue after all.
_UPDATE = "UPDATE orders SET reply = CASE WHEN status IN ('REJECTED', 'VOID') THEN NULL ELSE reply END, status = ?, bracket = ? WHERE n = ?"
_LINK = "INSERT INTO order_history (n, epoch_n, seq) VALUES (?, ?, ?)"
_FILL = "INSERT INTO fills (fill_id, n, instrument, fill) VALUES (?, ?, ?, ?)"
_TRADE = "INSERT INTO trades (n, instrument, trade) VALUES (?, ?, ?)"
_EQUITY = "INSERT INTO equity (at_ns, balance, equity, open_pnl) VALUES (?, ?, ?, ?)"
_SET = "INSERT INTO adapter_state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
# In the words of the index ``orders_not_final``, or SQLite does not see that it answers this.
_OPEN = """SELECT bracket FROM orders
WHERE status <> 'CLOSED' AND status <> 'CANCELLED' AND status <> 'EXPIRED' AND status <> 'REJECTED' AND status <> 'VOID' ORDER BY n"""
_PAGE = "SELECT bracket FROM orders WHERE n < ? ORDER BY n DESC LIMIT ?"
_RANGE = "SELECT n FROM orders WHERE instrument = ? AND status = ? AND n < ? ORDER BY n DESC LIMIT ?"
_FIRST_EVENT = "SELECT e.body FROM orders o JOIN events e ON e.epoch_n = o.placed_epoch_n AND e.seq = o.placed_seq WHERE o.n = ?"
_ORDER_EVENTS = """SELECT e.body FROM order_history o JOIN events e ON e.epoch_n = o.epoch_n AND e.seq = o.seq
WHERE o.n = ? ORDER BY o.epoch_n DESC, o.seq DESC LIMIT ?"""
_PLACED_EVENT = "SELECT p.epoch, o.placed_seq FROM orders o JOIN epochs p ON p.n = o.placed_epoch_n WHERE o.n = ?"
_EQUITY_PAGE = "SELECT id, at_ns, balance, equity, open_pnl FROM equity WHERE id < ? AND id > ? ORDER BY id DESC LIMIT ?"

# Above every n: where a list starts that has no cursor.
_TOP = 2**63 - 1


class Db(Protocol):
    def execute(self, sql: str, params: Sequence[Any] = ()) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownId:
    """What became of a client_order_id: the order n with its body hash, reply (None while there is none yet) and status, or a tombstone (n None)."""

    n: int | None
    void_reason: str | None
    body_hash: str | None
    reply: bytes | None
    status: str | None


def order_number(order_id: str) -> int | None:
    """The n of ``paper-oanda-57``, None when ``order_id`` is none of ours. Leading zeros and signs are no part of an id."""
    tail = order_id.rpartition("-")[2]
    return int(tail) if tail.isascii() and tail.isdecimal() and len(tail) < 19 and tail[0] != "0" else None


def find_client_id(txn: Txn, client_order_id: str, placed_by: str, account: str) -> KnownId | None:
    row = txn.look_up(_CLIENT_IDS, (client_order_id, placed_by, account), _FIND).fetchone()
    return None if row is None else KnownId(n=row[0], void_reason=row[1], body_hash=row[2], reply=row[3], status=row[4])


def find_client_ids(db: Db, client_order_id: str, account: str) -> list[tuple[int | None, str, str | None]]:
    """(n, placed_by, void_reason) of everybody who used the id."""
    return list(db.execute(_FIND_ALL, (client_order_id, account)))


def claim_client_id(
    txn: Txn, client_order_id: str, placed_by: str, account: str, *, n: int | None, void_reason: str | None = None, made_ns: int
) -> None:
    txn.add(_CLIENT_IDS, (client_order_id, placed_by, account, n, void_reason, made_ns))


def insert_order(txn: Txn, bracket: Bracket, *, body_hash: str, epoch_n: int, placed_seq: int, reply: bytes | None) -> None:
    txn.add(
        _ORDERS,
        (bracket.n, bracket.order.instrument, str(bracket.status), bracket.placed_by, _BRACKETS.text(bracket), body_hash, epoch_n, placed_seq, reply),
    )


def update_order(db: Db, bracket: Bracket) -> None:
    db.execute(_UPDATE, (str(bracket.status), _BRACKETS.text(bracket), bracket.n))


def set_reply(db: Db, n: int, reply: bytes) -> None:
    db.execute("UPDATE orders SET reply = ? WHERE n = ?", (reply, n))


def link_event(db: Db, n: int, epoch_n: int, seq: int) -> None:
    db.execute(_LINK, (n, epoch_n, seq))


def add_fill(db: Db, fill: Fill, n: int, account_id: str) -> None:
    """Keep a fill; its id is the venue's and unique within the account."""
    db.execute(_FILL, (f"{account_id}/{fill.fill_id}", n, fill.instrument, _FILLS.text(fill)))


def add_trade(db: Db, trade: Trade, n: int) -> None:
    db.execute(_TRADE, (n, trade.instrument, _TRADES.text(trade)))


def trade_of_text(text: str) -> Trade:
    """A trade as ``trades`` keeps it."""
    return _TRADES.value(text)


def add_equity(db: Db, at_ns: int, balance: str, equity: str, open_pnl: str) -> int:
    """The row id of the new point."""
    return int(db.execute(_EQUITY, (at_ns, balance, equity, open_pnl)).lastrowid)


def order(db: Db, n: int) -> Bracket | None:
    row = db.execute("SELECT bracket FROM orders WHERE n = ?", (n,)).fetchone()
    return None if row is None else _BRACKETS.value(row[0])


def reply_of(db: Db, n: int) -> bytes | None:
    row = db.execute("SELECT reply FROM orders WHERE n = ?", (n,)).fetchone()
    return None if row is None else row[0]


def order_events(db: Db, n: int, limit: int) -> list[bytes]:
    """The bodies of the order's first and newest ``limit`` - 1 events, oldest first; those below the journal's floor are gone."""
    later = db.execute(_ORDER_EVENTS, (n, limit - 1)).fetchall()
    return [body for (body,) in db.execute(_FIRST_EVENT, (n,))] + [body for (body,) in reversed(later)]


def placed_event_id(db: Db, n: int, source: str) -> str:
    """``oanda@<epoch>:57``: the event that first told of order n."""
    epoch, seq = db.execute(_PLACED_EVENT, (n,)).fetchone()
    return f"{source}@{epoch}:{seq}"


def orders_not_final(db: Db) -> Iterator[Bracket]:
    """All brackets that may still change, in ascending n."""
    for (text,) in db.execute(_OPEN):
        yield _BRACKETS.value(text)


def last_finished(db: Db, limit: int) -> list[Bracket]:
    """The newest brackets that are final, in ascending n."""
    rows = db.execute(
        "SELECT bracket FROM orders WHERE status IN ('CLOSED', 'CANCELLED', 'EXPIRED', 'REJECTED', 'VOID') ORDER BY n DESC LIMIT ?", (limit,)
    )
    return [_BRACKETS.value(text) for (text,) in rows][::-1]


def instance_id(db: Db) -> str:
    """The store's own id, made with it."""
    return str(db.execute("SELECT instance_id FROM journal").fetchone()[0])


def orders_since(db: Db, since_ns: int) -> list[tuple[str, str, int]]:
    """(placed_by, body_hash, placed_ns) of the orders placed after ``since_ns``, oldest first."""
    found = []
    for placed_by, body_hash, text in db.execute("SELECT placed_by, body_hash, bracket FROM orders ORDER BY n DESC"):
        placed_ns = _BRACKETS.value(text).placed_ns
        if placed_ns <= since_ns:
            break
        found.append((placed_by, body_hash, placed_ns))
    return found[::-1]


def last_n(db: Db) -> int:
    return int(db.execute("SELECT coalesce(max(n), 0) FROM orders").fetchone()[0])


def list_orders(db: Db, *, instrument: str | None, statuses: Sequence[OrderStatus], below_n: int | None, limit: int) -> list[Bracket]:
    """Newest first. A filter is read as one index range per instrument and status, merged: each is in order of n, none is scanned through."""
    top = _TOP if below_n is None else below_n
    if instrument is None and not statuses:
        return [_BRACKETS.value(text) for (text,) in db.execute(_PAGE, (top, limit))]
    ranges = [
        [n for (n,) in db.execute(_RANGE, (name, str(status), top, limit))]
        for name in ([instrument] if instrument is not None else _instruments_seen(db))
        for status in statuses or OrderStatus
    ]
    newest = islice(heapq.merge(*ranges, reverse=True), limit)
    return [found for n in newest if (found := order(db, n)) is not None]


def _instruments_seen(db: Db) -> Iterator[str]:
    """Every instrument that has orders, one index seek each; the configuration may have lost one that the book still holds."""
    name: str | None = ""
    while (name := db.execute("SELECT min(instrument) FROM orders WHERE instrument > ?", (name,)).fetchone()[0]) is not None:
        yield name


def list_fills(db: Db, *, n: int | None, instrument: str | None, below_id: int | None, limit: int) -> list[tuple[int, Fill]]:
    """Newest first, with their row ids; of one order, of one instrument, or all."""
    top = _TOP if below_id is None else below_id
    if n is not None:
        rows = db.execute("SELECT id, fill FROM fills WHERE n = ? AND id < ? ORDER BY id DESC LIMIT ?", (n, top, limit))
    elif instrument is not None:
        rows = db.execute("SELECT id, fill FROM fills WHERE instrument = ? AND id < ? ORDER BY id DESC LIMIT ?", (instrument, top, limit))
    else:
        rows = db.execute("SELECT id, fill FROM fills WHERE id < ? ORDER BY id DESC LIMIT ?", (top, limit))
    return [(row[0], _FILLS.value(row[1])) for row in rows]


def list_trades(db: Db, *, instrument: str | None, below_id: int | None, limit: int) -> list[tuple[int, Trade]]:
    """Newest first, with their row ids."""
    top = _TOP if below_id is None else below_id
    if instrument is not None:
        rows = db.execute("SELECT id, trade FROM trades WHERE instrument = ? AND id < ? ORDER BY id DESC LIMIT ?", (instrument, top, limit))
    else:
        rows = db.execute("SELECT id, trade FROM trades WHERE id < ? ORDER BY id DESC LIMIT ?", (top, limit))
    return [(row[0], _TRADES.value(row[1])) for row in rows]


def list_equity(db: Db, *, below_id: int | None, limit: int, above_id: int = 0) -> list[tuple[int, int, str, str, str]]:
    """(id, at_ns, balance, equity, open_pnl), newest first."""
    return list(db.execute(_EQUITY_PAGE, (_TOP if below_id is None else below_id, above_id, limit)))


def get_state(db: Db, key: str) -> Any:
    """What was kept under ``key``, None when nothing was."""
    row = db.execute("SELECT value FROM adapter_state WHERE key = ?", (key,)).fetchone()
    return None if row is None else msgspec.json.decode(row[0])


def set_state(db: Db, key: str, value: Mapping[str, object] | Sequence[object] | str | int | None) -> None:
    """Keep ``value`` as JSON; Decimals in it become strings."""
    db.execute(_SET, (key, msgspec.json.encode(value).decode()))
