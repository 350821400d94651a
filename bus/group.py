"""Group commit: works that wait together share one transaction and one sync.

A sync costs a third of a millisecond whether it carries one order or sixty-four. How a group ends:

- all well: committed and synced, and everybody is told;
- a work raises an ArenaError and has written nothing: it alone is told, once the group stands;
- a work raises an ArenaError after a write: the group is rolled back, the owner reloads its memory, and the *other* works run again without it.
  A work must therefore be repeatable; a function of the store and of the owner's memory is;
- the disk is full, or the file locked by somebody else: rolled back, and everybody is told that nothing was done;
- anything else leaves this module as it is: an I/O error or a bug, after which nothing is believed any more.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bus.envelope import Event
from bus.jobs import Outcome, Work
from bus.store import Trouble, classify
from bus.txn import Group
from trading.errors import ArenaError, Unavailable

WORKS_MAX = 64
# Of running works; nobody waits for company, the queue fills by itself while a commit runs. Long enough for 64 orders: a sync costs more than one of
# them.
SECONDS_MAX = 0.01

STORE_LOW = "STORE_LOW"
STORE_BUSY = "STORE_BUSY"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """``trouble`` is None, or why nothing at all was written."""

    outcomes: Sequence[Outcome]
    events: Sequence[Event]
    trouble: Trouble | None = None


class _LostTransaction(Exception):
    """SQLite has rolled back by itself, and the work that met the error kept it to itself."""


class _MustRunAgain(Exception):
    """A work failed after it had written; it is out, the others run again."""

    def __init__(self, work: Work, error: ArenaError) -> None:
        super().__init__()
        self.work = work
        self.error = error


def run_group(group: Group, first: Work, more: Callable[[int], Work | None], reload: Callable[[], None]) -> GroupResult:
    """Run ``first`` and whatever ``more(count)`` still hands out, and commit them together.

    A refusal may rest on what another work of the group has written (an id that is taken, say), so it is told only when the group stands: after a
    rollback the refused ones are decided anew too, or told that nothing was done.

    Args:
        more: the next waiting work, or None when the group is to be closed.
        reload: called after each rollback, outside the transaction.
    Raises:
        Exception: an I/O error or a bug; the group is rolled back as far as that is possible.
    """
    works = [first]
    failed: list[Outcome] = []
    while True:
        try:
            done = _run(group, works, more)
            events = group.commit()
        except _MustRunAgain as again:
            group.roll_back()
            reload()
            more = _nobody
            failed.append((again.work.future, again.error, None))
            works.remove(again.work)
            if not works:
                return GroupResult(outcomes=failed, events=[])
        except (_LostTransaction, sqlite3.Error) as error:
            trouble = Trouble.FULL if isinstance(error, _LostTransaction) else classify(error)
            group.roll_back()
            if trouble not in {Trouble.FULL, Trouble.BUSY}:
                raise
            reload()
            return GroupResult(outcomes=[*failed, *((work.future, _refusal(trouble), None) for work in works)], events=[], trouble=trouble)
        except BaseException:
            group.roll_back()
            raise
        else:
            return GroupResult(outcomes=failed + done, events=events)


def _nobody(_count: int) -> None:
    return None


def _run(group: Group, works: list[Work], more: Callable[[int], Work | None]) -> list[Outcome]:
    """Run ``works`` in order, taking in more at the end; what each came to, a refusal included."""
    group.begin()
    done: list[Outcome] = []
    index = 0
    while True:
        if index == len(works):
            another = more(index)
            if another is None:
                return done
            works.append(another)
        work = works[index]
        index += 1
        if work.future.cancelled():  # its caller is gone: nothing is done, and whoever counts what is under way hears that it is over
            done.append((work.future, None, None))
            continue
        before = group.mark()
        try:
            outcome: Outcome = (work.future, None, work.do(group))
        except ArenaError as error:
            if not group.is_open:
                raise _LostTransaction from error
            if group.mark() != before:
                raise _MustRunAgain(work, error) from error
            outcome = (work.future, error, None)
        if not group.is_open:
            raise _LostTransaction
        done.append(outcome)


def _refusal(trouble: Trouble) -> Unavailable:
    if trouble is Trouble.FULL:
        return Unavailable("the disk is full and nothing was done: make room, then send it again", code=STORE_LOW)
    return Unavailable("the store is locked by another program and nothing was done: send it again", code=STORE_BUSY)
