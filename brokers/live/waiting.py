"""Who waits for a cancel or a close, and when they are told: once the venue has made it definite, whichever call or fact that came by."""

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.base import Verdict
from brokers.live.book import Book
from trading.brackets import Bracket
from trading.errors import ArenaError, StateConflict
from trading.events import CancelReason
from trading.money import ZERO
from trading.order_state import Step, apply
from trading.orders import CloseReason, OrderStatus
from trading.venue_refs import Doubt

# Closes that nobody waits for: they are tried until the position is gone.
PERSISTENT = frozenset({CloseReason.KILL_SWITCH, CloseReason.STOP_LOSS, CloseReason.TAKE_PROFIT, CloseReason.MARGIN_CLOSEOUT})
# Cancels that somebody asked for and waits for; the others are tried until the entry is gone.
ONCE = frozenset({str(CancelReason.USER)})


@dataclass(frozen=True, slots=True)
class _Waiter:
    """Somebody waits for a cancel or a close of a bracket."""

    what: Doubt
    verdict: Verdict
    held: Decimal


class Waiting:
    """Those of one account, by bracket."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._waiting: dict[int, list[_Waiter]] = {}

    def wait(self, bracket: Bracket, what: Doubt) -> Verdict:
        """A verdict for who asked for a cancel or a close."""
        verdict = Verdict(bracket.order_id)
        self._waiting.setdefault(bracket.n, []).append(_Waiter(what, verdict, bracket.position_units))
        return verdict

    def judge(self, n: int) -> None:
        """Tell those who wait what has become definite by now."""
        waiting = self._waiting.pop(n, None)
        if not waiting:
            return
        bracket = self._book.get(n)
        left = [each for each in waiting if bracket is not None and not each.verdict.settled and not _is_over(bracket, each)]
        for each in waiting:
            if each not in left and not each.verdict.settled:
                each.verdict.settle(None if bracket is None else _refusal(bracket, each))
        if left:
            self._waiting[n] = left

    def refuse(self, n: int, what: Doubt, refusal: ArenaError) -> None:
        """The venue would not: tell those who wait for ``what``."""
        for each in self._waiting.get(n, ()):
            if each.what is what:
                each.verdict.settle(refusal)

    def give_up_close(self, bracket: Bracket, refusal: ArenaError, now_ns: int) -> bool:
        """It was not closed: who waits is told, and unless it must go it stays as it is. Whether it must."""
        refs = replace(bracket.venue, asked=Doubt.NONE)
        must_go = bracket.closing_reason in PERSISTENT
        self._book.put(replace(bracket, venue=refs, closing_units=bracket.closing_units if must_go else ZERO, updated_ns=now_ns))
        self.refuse(bracket.n, Doubt.CLOSE, refusal)
        return must_go

    def give_up_cancel(self, bracket: Bracket, refusal: ArenaError, now_ns: int) -> None:
        """It was not cancelled: who waits is told, and unless it must end it rests as it did."""
        if bracket.venue.cancel_reason in ONCE and not bracket.is_final and bracket.closed_units:
            # The first exit ends the entry as well, and filled while somebody's cancel was out.
            self._book.put(replace(bracket, venue=replace(bracket.venue, cancel_reason=str(CancelReason.OCO_SIBLING))))
        elif bracket.venue.cancel_reason in ONCE and not bracket.is_final:
            bracket = replace(bracket, venue=replace(bracket.venue, cancel_reason=""))
            if bracket.status is OrderStatus.CANCEL_PENDING:
                bracket = apply(bracket, Step.CANCEL_REFUSED, now_ns=now_ns)
            self._book.put(bracket)
        self.refuse(bracket.n, Doubt.CANCEL, refusal)


def _is_over(bracket: Bracket, waiting: _Waiter) -> bool:
    if waiting.what is Doubt.CANCEL:
        return not bracket.remaining_units
    return bracket.is_final or (not bracket.closing_units and Doubt.CLOSE not in {bracket.venue.asked, bracket.venue.doubt})


def _refusal(bracket: Bracket, waiting: _Waiter) -> ArenaError | None:
    """None when what was waited for has happened."""
    if waiting.what is Doubt.CANCEL and not bracket.entry_cancelled and bracket.filled_units:
        return StateConflict(
            f"{bracket.order_id} has filled before it could be cancelled",
            code="ORDER_OPEN",
            details={"order_id": bracket.order_id, "status": str(bracket.status)},
        )
    if waiting.what is Doubt.CLOSE and bracket.position_units >= waiting.held:
        return StateConflict(f"{bracket.order_id} was not closed", code="NOT_CLOSED", details={"order_id": bracket.order_id})
    return None
