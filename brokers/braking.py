"""Setting the brake, and clearing the desk behind it: cancel the entries that wait, close what is held.

The brake is a transaction of its own and comes first, so it is on whatever happens next. Clearing goes on in batches between which orders of the
venue's quotes and other requests have their turn; a caller waits for it only so long and is told what is still open. A batch is one transaction: a
process that dies in the middle has done whole batches, and the brake is on when it comes back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from brokers import changing, ledger
from brokers.base import Verdict
from brokers.changing import Changed
from brokers.context import VENUE_S_MAX, Context
from brokers.desk import Desk
from brokers.trading_state import Brake, TradingState
from bus.txn import Txn
from trading import events
from trading.errors import ArenaError

BRAKE_KEY = "brake"
# Some milliseconds of the writer thread.
CANCEL_BATCH = 500

# Who sets the brake when nobody does.
BY_RISK = "risk"
BY_WATCHDOG = "watchdog"


def set_brake(
    desk: Desk,
    txn: Txn,
    *,
    state: TradingState,
    reason: str,
    set_by: str,
    now_ns: int,
    only_stricter: bool = False,
    details: Mapping[str, object] | None = None,
) -> bool:
    """Put ``state`` in force and journal it; whether anything changed. With ``only_stricter`` a brake that is as tight or tighter stays."""
    before = desk.brake
    if only_stricter and not state.is_stricter_than(before.state):
        return False
    if before.state is state and before.reason == reason:
        return False
    desk.brake = Brake(state=state, reason=reason, set_by=set_by, set_ns=now_ns)
    ledger.set_state(txn, BRAKE_KEY, desk.brake.record())
    changed = events.trading_state_changed(old=str(before.state), new=str(state), reason=reason, changed_by=set_by, ts_ns=now_ns, details=details)
    desk.append(txn, changed)
    return True


@dataclass(slots=True)
class Clearing:
    """What has been done so far; read by who waits for it, on the event loop."""

    cancelled: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    not_cancelled: list[tuple[str, ArenaError]] = field(default_factory=list)
    not_closed: list[tuple[str, ArenaError]] = field(default_factory=list)
    cancel_verdicts: list[Verdict] = field(default_factory=list)
    close_verdicts: list[Verdict] = field(default_factory=list)
    is_complete: bool = False

    @property
    def cancels(self) -> Changed:
        return Changed(ns=self.cancelled, refused=self.not_cancelled, verdicts=self.cancel_verdicts)

    @property
    def closes(self) -> Changed:
        return Changed(ns=self.closed, refused=self.not_closed, verdicts=self.close_verdicts)


async def clear(context: Context, clearing: Clearing, *, cancel: bool, flatten: bool) -> None:
    """Cancel every unfilled entry, then close every position; what cannot be done is noted and keeps nothing else."""
    desk = context.desk
    if cancel:
        tried: set[str] = set()
        while await _cancel_some(context, clearing, tried):
            pass
    if flatten:
        marks = context.quotes.marks().values()
        changed = await context.write(None, lambda txn, now_ns: changing.flatten(desk, txn, marks, now_ns))
        clearing.closed += changed.ns
        clearing.not_closed += changed.refused
        clearing.close_verdicts += changed.verdicts
        await context.calls.finish(changed.calls, VENUE_S_MAX)
        await context.quotes.match(desk.instruments.for_venue(desk.source))
    clearing.is_complete = True


async def _cancel_some(context: Context, clearing: Clearing, tried: set[str]) -> bool:
    """One batch; whether there may be more."""
    changed = await context.write(
        None,
        lambda txn, now_ns: changing.cancel_all(
            context.desk,
            txn,
            wanted=lambda bracket: bracket.order_id not in tried,
            reason="kill_switch",
            now_ns=now_ns,
            limit=CANCEL_BATCH,
        ),
    )
    tried.update(order_id for order_id, _ in changed.refused)
    tried.update(changed.order_ids)
    clearing.cancelled += changed.ns
    clearing.not_cancelled += changed.refused
    clearing.cancel_verdicts += changed.verdicts
    await context.calls.finish(changed.calls, VENUE_S_MAX)
    return len(changed.ns) + len(changed.refused) == CANCEL_BATCH
