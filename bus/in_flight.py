"""Jobs on their way: from the loop to a journal's writer thread, and their outcomes back to whoever waits.

There is a limit to how many may be out. What one turn of the loop asks for goes to the writer at the end of that turn, all of it at once: one wake-up
and one group, and the two threads do not take the interpreter from each other after every order. A few short works by themselves need not go at all:
the loop's thread runs them while the writer has nothing to do (``Writer.run_here``). Everything here belongs to the loop.
"""

import asyncio
from collections.abc import Callable, Sequence

from bus.jobs import Backup, Job, Outcome, Read, Told, Work
from trading.errors import Unavailable

JOBS_MAX = 4096  # waiting for the writer; beyond it the disk is slower than the callers, and they are told at once
# What the loop may do itself, a fifth of a millisecond each; more of them are worth the way to the writer, and the loop hears its sockets meanwhile.
RUN_HERE_MAX = 4


class InFlight:
    """The jobs of one journal that have no outcome yet; ``put`` hands one to the writer, ``run_here`` does without it if it can, and says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop, put: Callable[[Job], None], run_here: Callable[[Sequence[Work]], bool]) -> None:
        self._loop = loop
        self._put = put
        self._run_here = run_here
        self._told: set[Told] = set()
        self._collected: list[Work | Read | Backup] = []

    def __len__(self) -> int:
        """How many have no outcome yet."""
        return len(self._told)

    def refuse_unless_room(self, jobs: int) -> None:
        """Raises Unavailable ``STORE_BUSY`` when so many more would be too many."""
        if len(self._told) + jobs > JOBS_MAX:
            raise Unavailable("more waits for the store than it can write: try again in a moment", code="STORE_BUSY")

    def send(self, job: Work | Read | Backup) -> None:
        """Hand ``job`` over at the end of this turn of the loop."""
        self._told.add(job.future)
        if not self._collected:
            self._loop.call_soon(self.hand_over)
        self._collected.append(job)

    def hand_over(self) -> None:
        """Do what has been collected, now, or give it to the writer."""
        collected, self._collected = self._collected, []
        short = [job for job in collected if isinstance(job, Work) and job.is_short] if len(collected) <= RUN_HERE_MAX else []
        if short and len(short) == len(collected) and self._run_here(short):
            return
        for job in collected:
            self._put(job)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Pass each outcome on to who waits for it, if anybody still does."""
        for told, error, result in outcomes:
            self._told.discard(told)
            if told.done():
                continue
            if error is None:
                told.set_result(result)
            else:
                told.set_exception(error)

    def fail(self, error: Callable[[], Exception]) -> None:
        """Tell everybody who waits ``error()``; outcomes that still come find nobody."""
        for told in self._told:
            if not told.done():
                told.set_exception(error())
        self._told.clear()
