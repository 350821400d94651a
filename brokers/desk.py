"""The desk: one venue account as it lives on the writer thread, and the one place that writes what changed.

A ``Broker`` decides, the desk records: ``record`` takes what the Broker drained and writes events, rows, fills, trades and the account's own record
in the transaction at hand, so that the book and the journal cannot disagree. Nothing here is touched but inside works: on the writer thread, or for a
placement by itself on the loop, in a turn of ``bus.turns``.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from brokers import curve, grant_ledger, ledger, performance, tenancy
from brokers.base import Broker, Mark, Snapshot
from brokers.limits import Limits
from brokers.trading_state import Brake, TradingState, refuse_by_state
from bus.txn import Txn
from trading import events
from trading.brackets import Bracket
from trading.changes import Changes
from trading.events import EventDraft, EventType
from trading.instruments import Instruments
from trading.orders import BracketOrder, OrderStatus
from trading.risk_limits import RiskLimits

ORDER_COUNTER = "orders"
# What a live venue tells twice or too late is about an order of the last days, not of the last years.
FINISHED_MAX = 2000
_PROTECTION = frozenset({EventType.PROTECTION_LOST, EventType.PROTECTION_RESTORED})


class NewOrder(msgspec.Struct, frozen=True):
    """What is kept with a bracket that is new: the hash of its body, and how to answer who placed it once its event has a seq."""

    body_hash: str
    reply: Callable[[Bracket, str], bytes] | None = None


class Desk:
    """One account's memory and its tables.

    Args:
        source: the name in topics, ids and file names, ``oanda`` or ``coinbase``.
        instruments: all of them; the desk trades those of its venue.
    """

    def __init__(self, *, source: str, broker: Broker, instruments: Instruments, limits: RiskLimits, others: Sequence[str] = ()) -> None:
        self.source = source
        self.broker = broker
        self.instruments = instruments
        self.limits = Limits(limits, instruments, mode=broker.mode, account_id=broker.account_id, others=others)
        self.brake = Brake()
        # Read by the event loop, written here; each is one word.
        self.equity_is_due = False
        self.has_open_orders = False
        self.has_positions = False
        self.pending_count = 0  # orders that hold nothing yet
        self.unknown_ns: set[int] = set()
        self.unprotected: set[str] = set()  # order ids whose lost protection has been told
        self._last_n = 0
        # The money of a paper account is still there when the same store has been live in between.
        self._account_key = "account" if broker.mode == "paper" else f"account.{broker.mode}.{broker.account_id}"

    def boot(self, txn: Txn, now_ns: int) -> None:
        """Take up what the store holds; what that changed (SUBMITTING became UNKNOWN) is written in the same transaction."""
        if self.broker.mode == "live":
            tenancy.take_over(txn, self.broker.account_id, max(txn.counter(ORDER_COUNTER), ledger.last_n(txn)) + 1)
        self._load(txn, txn.counter(ORDER_COUNTER), now_ns)
        if tenancy.is_another(txn, self.broker.mode, self.broker.account_id):
            # What one account won is no result of another's, nor is its money a point of the other's curve.
            performance.begin_anew(txn, now_ns)
            curve.begin_anew(txn)
        performance.catch_up(txn)
        self.record(txn)
        self._note_limits(txn, now_ns)
        self.limits.begin_first_day(txn, self.broker, now_ns)

    def _note_limits(self, txn: Txn, now_ns: int) -> None:
        """Journal limits that are others than those of the last start. Not at the very first: nothing has changed then."""
        record, before = self.limits.settings.record(), ledger.get_state(txn, "limits")
        if before == record:
            return
        ledger.set_state(txn, "limits", record)
        if before is not None:
            changed: dict[str, object] = {
                name: {"from": before.get(name), "to": record.get(name)} for name in {**before, **record} if before.get(name) != record.get(name)
            }
            state = str(self.brake.state)
            self.append(
                txn,
                events.trading_state_changed(
                    old=state, new=state, reason="the limits of [risk] were changed", changed_by="settings", ts_ns=now_ns, details=changed
                ),
            )

    def reload(self, db: ledger.Db, now_ns: int) -> None:
        """Forget what a transaction that was taken back had done to memory."""
        row = db.execute("SELECT value FROM counters WHERE name = ?", (ORDER_COUNTER,)).fetchone()
        self._load(db, 0 if row is None else row[0], now_ns)
        self.broker.drain()  # the store holds it already, or the next look at the venue finds it again

    def _load(self, db: ledger.Db, counter: int, now_ns: int) -> None:
        self._last_n = max(counter, ledger.last_n(db))
        self.brake = Brake.from_record(ledger.get_state(db, "brake"))
        is_live = self.broker.mode == "live"
        snapshot = Snapshot(
            brackets=list(ledger.orders_not_final(db)),
            account=ledger.get_state(db, self._account_key) or {},
            next_n=self._last_n + 1,
            finished=ledger.last_finished(db, FINISHED_MAX) if is_live else (),
            instance=ledger.instance_id(db) if is_live else "",
            first_n=tenancy.first_n(db) if is_live else 1,
        )
        self.broker.restore(snapshot, now_ns)
        self.limits.restore(db, now_ns)
        self.unprotected = set(ledger.get_state(db, "unprotected") or ())
        self.unknown_ns = {bracket.n for bracket in snapshot.brackets if bracket.status is OrderStatus.UNKNOWN}
        self._note_open()

    def record(self, txn: Txn, new: NewOrder | None = None) -> Changes:
        """Write what the Broker changed since the last time, and return it."""
        changes = self.broker.drain()
        if not changes:
            return changes
        first_seqs = self._append(txn, self._without_repeats(txn, changes.events))
        is_live = self.broker.mode == "live"
        for bracket in changes.brackets:
            if bracket.n > self._last_n:
                self._insert(txn, bracket, first_seqs.get(bracket.n, 0), new)
            else:
                ledger.update_order(txn, bracket)
            self._note_unknown(bracket)
            if is_live:
                grant_ledger.recount(txn, bracket)
        for fill in changes.fills:
            ledger.add_fill(txn, fill, _n(fill.order_id), self.broker.account_id)
        for trade in changes.trades:
            ledger.add_trade(txn, trade, _n(trade.order_id))
            performance.count(txn, trade)
        if changes.account is not None:
            ledger.set_state(txn, self._account_key, changes.account)
        self.equity_is_due = self.equity_is_due or bool(changes.fills)
        self._note_open()
        return changes

    def _without_repeats(self, txn: Txn, drafts: Sequence[EventDraft]) -> Sequence[EventDraft]:
        """What the Broker itself says of its stops the watch knows; what has been rung for already is left out, so that nobody says it twice."""
        if all(draft.type not in _PROTECTION for draft in drafts):
            return drafts
        kept: list[EventDraft] = []
        for draft in drafts:
            order_id = str(draft.payload.get("order_id"))
            if draft.type is EventType.PROTECTION_LOST and order_id in self.unprotected:
                continue
            if draft.type in _PROTECTION:
                change = self.unprotected.add if draft.type is EventType.PROTECTION_LOST else self.unprotected.discard
                change(order_id)
            kept.append(draft)
        ledger.set_state(txn, "unprotected", sorted(self.unprotected))
        return kept

    def _note_unknown(self, bracket: Bracket) -> None:
        if bracket.status is OrderStatus.UNKNOWN:
            self.unknown_ns.add(bracket.n)
        else:
            self.unknown_ns.discard(bracket.n)

    def _note_open(self) -> None:
        open_count, position_count = self.broker.open_count, self.broker.position_count
        self.has_open_orders = open_count > 0
        self.has_positions = position_count > 0
        self.pending_count = open_count - position_count

    def refuse(self, order: BracketOrder, *, placed_by: str, body_hash: str, marks: Mapping[str, Mark], now_ns: int) -> None:
        """The last door before an order: the brake, then the limits.

        Raises:
            OrderDenied: with the limit and the value.
        """
        if self.brake.state is not TradingState.ACTIVE:
            resting = (bracket.order for bracket in self.broker.open_brackets() if bracket.remaining_units)
            refuse_by_state(self.brake, order, self.broker.positions(), resting)
        self.limits.refuse(order, placed_by=placed_by, body_hash=body_hash, broker=self.broker, marks=marks, now_ns=now_ns)

    def append(self, txn: Txn, draft: EventDraft) -> int:
        """Journal one event that is about no order in the book."""
        return txn.append(str(draft.type), draft.payload, draft.ts_ns)

    def _append(self, txn: Txn, drafts: Sequence[EventDraft]) -> dict[int, int]:
        """Journal ``drafts`` and return the seq of each new order's first event; every other one is linked to its order."""
        first_seqs: dict[int, int] = {}
        for draft in drafts:
            seq = txn.append(str(draft.type), draft.payload, draft.ts_ns)
            order_id = draft.payload.get("order_id")
            n = ledger.order_number(order_id) if isinstance(order_id, str) else None
            if n is None:
                continue
            if n > self._last_n and n not in first_seqs:
                first_seqs[n] = seq
            else:
                ledger.link_event(txn, n, txn.epoch_n, seq)
        return first_seqs

    def _insert(self, txn: Txn, bracket: Bracket, placed_seq: int, new: NewOrder | None) -> None:
        self._last_n = bracket.n
        txn.set_counter(ORDER_COUNTER, bracket.n)
        reply = None
        if new is not None and new.reply is not None:
            reply = new.reply(bracket, f"{self.source}@{txn.last_event['epoch']}:{placed_seq}")
        ledger.insert_order(txn, bracket, body_hash="" if new is None else new.body_hash, epoch_n=txn.epoch_n, placed_seq=placed_seq, reply=reply)
        ledger.claim_client_id(
            txn, bracket.order.client_order_id or bracket.order_id, bracket.placed_by, self.broker.account_id, n=bracket.n, made_ns=bracket.placed_ns
        )


def _n(order_id: str) -> int:
    n = ledger.order_number(order_id)
    if n is None:
        raise ValueError(f"{order_id} is no order id")
    return n
