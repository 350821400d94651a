"""Group commit: works that wait together share one transaction and one sync.

A sync costs a third of a millisecond whether it carries one order or sixty-four. How a group ends:

- all well: committed and synced, and everybody is told;
- a work raises an ArenaError and has written nothing: it alone is told;
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
    """A work failed after it had written."""


def run_group(group: Group, first: Work, more: Callable[[int], Work | None], reload: Callable[[], None]) -> GroupResult:
    """Run ``first`` and whatever ``more(count)`` still hands out, and commit them together.

    Args:
        more: the next waiting work, or None when the group is to be closed.
        reload: called after each rollback, outside the transaction.
    Raises:
        Exception: an I/O error or a bug; the group is rolled back as far as that is possible.
    """
    works = [first]
    refused: list[Outcome] = []
    while True:
        try:
            done = _run(group, works, more, refused)
            events = group.commit()
        except _MustRunAgain:
            group.roll_back()
            reload()
            more = _nobody
            if not works:
                return GroupResult(outcomes=refused, events=[])
        except (_LostTransaction, sqlite3.Error) as error:
            trouble = Trouble.FULL if isinstance(error, _LostTransaction) else classify(error)
            group.roll_back()
            if trouble not in {Trouble.FULL, Trouble.BUSY}:
                raise
            reload()
            return GroupResult(outcomes=[*refused, *((work.future, _refusal(trouble), None) for work in works)], events=[], trouble=trouble)
        except BaseException:
            group.roll_back()
            raise
        else:
            return GroupResult(outcomes=refused + done, events=events)


def _nobody(_count: int) -> None:
    return None


def _run(group: Group, works: list[Work], more: Callable[[int], Work | None], refused: list[Outcome]) -> list[Outcome]:
    """Run ``works`` in order, taking in more at the end; those that refuse move from ``works`` to ``refused``."""
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
        if work.future.cancelled():  # its caller is gone: as if it had never come
            del works[index]
            continue
        before = group.mark()
        try:
            result = work.do(group)
        except ArenaError as error:
            refused.append((work.future, error, None))
            del works[index]
            if not group.is_open:
                raise _LostTransaction from error
            if group.mark() != before:
                raise _MustRunAgain from error
            continue
        if not group.is_open:
            raise _LostTransaction
        done.append((work.future, None, result))
        index += 1


def _refusal(trouble: Trouble) -> Unavailable:
    if trouble is Trouble.FULL:
        return Unavailable("the disk is full and nothing was done: make room, then send it again", code=STORE_LOW)
    return Unavailable("the store is locked by another program and nothing was done: send it again", code=STORE_BUSY)
