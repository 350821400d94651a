"""The tables of an adapter's database beside the journal's own, as migrations: never edited once released, only added to.

``orders`` is the book: a bracket as JSON (numbers as text, so nothing is lost) plus the columns that queries look at. n is the number in the order
id, so a look-up by id is a look-up by row. ``client_ids`` makes a placement happen once: the key a caller chose, per account and user, and the order
it became; without an order it is a tombstone, and whatever still arrives under that key is refused. ``order_history`` finds an order's later events
(its first is in ``orders``). Every list is read through an index from its newest end, so no answer gets slower as the journal grows.
"""

from collections.abc import Sequence

_ORDERS = """
CREATE TABLE orders (
    n INTEGER PRIMARY KEY,
    instrument TEXT NOT NULL,
    status TEXT NOT NULL,
    placed_by TEXT NOT NULL,
    bracket TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    placed_epoch_n INTEGER NOT NULL,
    placed_seq INTEGER NOT NULL,
    reply BLOB
) STRICT;
CREATE INDEX orders_by_status ON orders (instrument, status, n);
CREATE INDEX orders_not_final ON orders (n) WHERE status NOT IN ('CLOSED', 'CANCELLED', 'EXPIRED', 'REJECTED', 'VOID');

CREATE TABLE client_ids (
    client_order_id TEXT NOT NULL,
    placed_by TEXT NOT NULL,
    account TEXT NOT NULL,
    n INTEGER,
    void_reason TEXT,
    made_ns INTEGER NOT NULL,
    PRIMARY KEY (client_order_id, placed_by, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_history (
    n INTEGER NOT NULL,
    epoch_n INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (n, epoch_n, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE fills (
    id INTEGER PRIMARY KEY,
    fill_id TEXT NOT NULL UNIQUE,
    n INTEGER NOT NULL,
    instrument TEXT NOT NULL,
    fill TEXT NOT NULL
) STRICT;
CREATE INDEX fills_by_order ON fills (n, id);
CREATE INDEX fills_by_instrument ON fills (instrument, id);

CREATE TABLE trades (
    id INTEGER PRIMARY KEY,
    n INTEGER NOT NULL UNIQUE,
    instrument TEXT NOT NULL,
    trade TEXT NOT NULL
) STRICT;
CREATE INDEX trades_by_instrument ON trades (instrument, id);

CREATE TABLE equity (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    balance TEXT NOT NULL,
    equity TEXT NOT NULL,
    open_pnl TEXT NOT NULL
) STRICT;

CREATE TABLE adapter_state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_PERFORMANCE = """
CREATE TABLE performance (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    tally TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
"""

_GRANTS = """
CREATE TABLE grant_charges (
    n INTEGER NOT NULL,
    user TEXT NOT NULL,
    day TEXT NOT NULL,
    notional TEXT NOT NULL,
    counted TEXT NOT NULL,
    PRIMARY KEY (n, user, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE grant_days (
    user TEXT NOT NULL,
    day TEXT NOT NULL,
    notional TEXT NOT NULL,
    PRIMARY KEY (user, day)
) STRICT, WITHOUT ROWID;
"""

_CLOSE_IDS = """
CREATE TABLE close_ids (
    client_close_id TEXT NOT NULL,
    placed_by TEXT NOT NULL,
    request TEXT NOT NULL,
    ns TEXT NOT NULL,
    made_ns INTEGER NOT NULL,
    PRIMARY KEY (client_close_id, placed_by)
) STRICT, WITHOUT ROWID;
"""

# For each row that is written SQLite makes a table of a list of more than two words, which cost a placement 8 µs. Words one by one it compares.
_NOT_FINAL = """
DROP INDEX orders_not_final;
CREATE INDEX orders_not_final ON orders (n)
WHERE status <> 'CLOSED' AND status <> 'CANCELLED' AND status <> 'EXPIRED' AND status <> 'REJECTED' AND status <> 'VOID';
"""

MIGRATIONS: Sequence[str] = (_ORDERS, _PERFORMANCE, _GRANTS, _CLOSE_IDS, _NOT_FINAL)
