"""The tables: every question is answered by an index, and what is read back is what was written."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers import ledger
from brokers.records import RecordCodec
from brokers.schema import MIGRATIONS
from bus.epoch import SCHEMA
from bus.rows import Rows
from tests.trading.seed import BRACKET, ORDER
from trading.brackets import Bracket, Fill, Liquidity, Trade
from trading.instruments import Side
from trading.orders import CloseReason, EntryType, Leg, OrderStatus

FILL = Fill(
    fill_id="paper-oanda-1.1", order_id="paper-oanda-1", client_order_id="a1", placed_by="trader@test", mode="paper", instrument="EUR_USD",
    side=Side.BUY, leg=Leg.ENTRY, units=Decimal(100), price=Decimal("1.16540"), liquidity=Liquidity.TAKER, fee=Decimal(0),
    realized_pnl=Decimal("0.000001"), bid=Decimal("1.1653"), ask=Decimal("1.1654"), time_ns=5,
)  # fmt: skip
TRADE = Trade(
    order_id="paper-oanda-1", client_order_id="a1", placed_by="trader@test", mode="paper", instrument="EUR_USD", side=Side.SELL,
    units=Decimal("0.00000001"), entry_price=Decimal("1.1"), exit_price=Decimal("123456789.012345"), opened_ns=1, closed_ns=2,
    realized_pnl=Decimal(-5), fees=Decimal(1), risk_money=Decimal(3), r_multiple=None, close_reason=CloseReason.MANUAL,
)  # fmt: skip


class Spy:
    """A database that remembers which statements it was given."""

    def __init__(self, migrations: Sequence[str] = MIGRATIONS) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript(SCHEMA + "".join(migrations))
        self.asked: list[tuple[str, Sequence[object]]] = []

    def execute(self, sql: str, params: Sequence[object] = ()) -> sqlite3.Cursor:
        self.asked.append((sql, params))
        return self.connection.execute(sql, params)  # type: ignore[arg-type]

    def add(self, rows: Rows, values: tuple[object, ...]) -> None:
        self.execute(rows.statements[-1][1], values)

    def look_up(self, rows: Rows, key: tuple[object, ...], sql: str) -> sqlite3.Cursor:
        return self.execute(sql, key)


@pytest.fixture
def db() -> Iterator[Spy]:
    spy = Spy()
    yield spy
    spy.connection.close()


def insert(db: Spy, n: int, **changes: object) -> Bracket:
    bracket = replace(BRACKET, n=n, order_id=f"paper-oanda-{n}", **changes)  # type: ignore[arg-type]
    ledger.insert_order(db, bracket, body_hash="h", epoch_n=1, placed_seq=n, reply=None)
    return bracket


def test_every_question_is_answered_through_an_index(db: Spy) -> None:
    """No statement scans a table, however long it has become; the one walk in order of rows stops at its limit."""
    insert(db, 1)
    ledger.claim_client_id(db, "a1", "trader@test", "paper", n=1, made_ns=1)
    db.asked.clear()
    ledger.find_client_id(db, "a1", "trader@test", "paper")
    ledger.find_client_ids(db, "a1", "paper")
    ledger.update_order(db, BRACKET)
    ledger.set_reply(db, 1, b"")
    ledger.order(db, 1)
    ledger.reply_of(db, 1)
    ledger.order_events(db, 1, 200)
    ledger.last_n(db)
    list(ledger.orders_not_final(db))
    for instrument in (None, "EUR_USD"):
        for statuses in ((), (OrderStatus.PENDING,)):
            ledger.list_orders(db, instrument=instrument, statuses=statuses, below_n=None, limit=5)
        ledger.list_trades(db, instrument=instrument, below_id=None, limit=5)
        ledger.list_fills(db, n=None, instrument=instrument, below_id=None, limit=5)
    ledger.list_fills(db, n=1, instrument=None, below_id=None, limit=5)
    ledger.list_equity(db, below_id=None, limit=5)
    ledger.get_state(db, "brake")
    assert len(db.asked) > 15
    for sql, params in list(db.asked):
        plan = [row[3] for row in db.connection.execute(f"EXPLAIN QUERY PLAN {sql}", params)]  # type: ignore[arg-type]
        scans = [step for step in plan if step.startswith("SCAN") and "orders_not_final" not in step]
        assert not scans, (sql, plan)
        assert not [step for step in plan if "TEMP B-TREE" in step], (sql, plan)


def test_what_is_kept_is_equal_to_the_last_digit(db: Spy) -> None:
    full = replace(
        BRACKET,
        order=replace(ORDER, entry_type=EntryType.STOP, trailing_stop_distance=Decimal("0.00100"), quality_score=Decimal("75.5")),
        status=OrderStatus.CLOSED,
        close_reason=CloseReason.TAKE_PROFIT,
        realized_pnl=Decimal("0.450000"),
        open_cost=Decimal("-0.000001"),
        entry_cancelled=True,
        closing_units=Decimal("1E+2"),
    )
    for bracket in (BRACKET, full):
        db.connection.execute("DELETE FROM orders")
        ledger.insert_order(db, bracket, body_hash="h", epoch_n=1, placed_seq=1, reply=b"\x00\xff")
        read = ledger.order(db, 1)
        assert read == bracket
        assert repr(read) == repr(bracket)
    assert ledger.reply_of(db, 1) == b"\x00\xff"
    for codec, value in ((RecordCodec(Fill), FILL), (RecordCodec(Trade), TRADE)):
        assert repr(codec.value(codec.text(value))) == repr(value)  # type: ignore[arg-type]


def test_a_field_that_an_earlier_version_did_not_write_reads_as_its_default() -> None:
    codec = RecordCodec(Bracket)
    text = codec.text(BRACKET)
    assert "fill_count" not in text
    assert codec.value(text).fill_count == 0


def test_only_what_is_not_final_is_taken_up_at_a_start_in_order(db: Spy) -> None:
    for n, status in ((3, OrderStatus.OPEN), (1, OrderStatus.CLOSED), (2, OrderStatus.PENDING), (4, OrderStatus.VOID), (5, OrderStatus.UNKNOWN)):
        insert(db, n, status=status)
    assert [bracket.n for bracket in ledger.orders_not_final(db)] == [2, 3, 5]
    for status in OrderStatus:
        insert(db, 100 + list(OrderStatus).index(status), status=status)
    kept = {bracket.status for bracket in ledger.orders_not_final(db)}
    assert kept == {status for status in OrderStatus if not status.is_final}


def test_a_store_of_an_earlier_version_finds_the_same_orders_after_its_migrations() -> None:
    db = Spy(MIGRATIONS[:4])
    with closing(db.connection) as connection:
        for n, status in enumerate(OrderStatus, start=1):
            insert(db, n, status=status)
        connection.executescript("".join(MIGRATIONS[4:]))
        found = list(ledger.orders_not_final(connection))
        assert [bracket.status for bracket in found] == [status for status in OrderStatus if not status.is_final]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_one_id_of_one_user_is_claimed_once(db: Spy) -> None:
    ledger.claim_client_id(db, "a1", "u", "paper", n=1, made_ns=1)
    ledger.claim_client_id(db, "a1", "v", "paper", n=2, made_ns=1)
    ledger.claim_client_id(db, "a1", "u", "101-1", n=3, made_ns=1)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.claim_client_id(db, "a1", "u", "paper", n=4, made_ns=1)
    assert [each[0] for each in ledger.find_client_ids(db, "a1", "paper")] == [1, 2]


def test_one_execution_is_written_once(db: Spy) -> None:
    ledger.add_fill(db, FILL, 1, "paper")
    with pytest.raises(sqlite3.IntegrityError):
        ledger.add_fill(db, FILL, 1, "paper")


def test_the_orders_of_the_last_minute_are_found_newest_last(db: Spy) -> None:
    for n in range(1, 6):
        insert(db, n, placed_ns=n * 100)
    assert ledger.orders_since(db, 300) == [("trader@test", "h", 400), ("trader@test", "h", 500)]


def test_state_is_kept_and_replaced(db: Spy) -> None:
    assert ledger.get_state(db, "x") is None
    ledger.set_state(db, "x", {"a": [1, None]})
    ledger.set_state(db, "x", {"a": "b"})
    assert ledger.get_state(db, "x") == {"a": "b"}
