"""One reading of a list for all who want it at about the same time.

After an outage hundreds of orders are in doubt at once, and each of them is looked for in the same list: everything that was made since. Read by
each, it would be their number squared, at a venue that allows thirty requests a second. So who comes while a reading is out waits for the next one,
which begins after they asked, as a look needs, and goes back as far as any of them wants. One that takes long keeps nobody: the next begins beside
it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

# How long a reading that is out is waited for before the next one begins.
PATIENCE_S = 1.0

ValueT = TypeVar("ValueT")


class _Reading(Generic[ValueT]):
    """One that has not begun yet may still be told to go back further."""

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.task: asyncio.Task[ValueT] | None = None


class Together(Generic[ValueT]):
    """``read(since_ns)``, shared.

    Raises:
        What ``read`` raises, to each who waited for it.
    """

    def __init__(self, read: Callable[[int], Awaitable[ValueT]]) -> None:
        self._read = read
        self._last: asyncio.Task[ValueT] | None = None
        self._next: _Reading[ValueT] | None = None
        self._tasks: set[asyncio.Task[ValueT]] = set()

    async def since(self, since_ns: int, *, at_once: bool = False) -> ValueT:
        """Everything since ``since_ns`` or before, by a reading that begins after this was called. ``at_once``: by one's own, for who cannot wait."""
        if at_once:
            return await self._read(since_ns)
        if self._next is None:
            self._next = _Reading(since_ns)
            self._next.task = asyncio.create_task(self._begin(self._next, self._last))
            self._last = self._next.task
            self._tasks.add(self._last)
            self._last.add_done_callback(self._done)
        self._next.since_ns = min(self._next.since_ns, since_ns)
        assert self._next.task is not None
        return await asyncio.shield(self._next.task)  # who gives up must not take it from the others

    async def _begin(self, mine: _Reading[ValueT], before: "asyncio.Task[ValueT] | None") -> ValueT:
        if before is not None and not before.done():
            await asyncio.wait({before}, timeout=PATIENCE_S)
        self._next = None  # who comes from now on came after it began
        return await self._read(mine.since_ns)

    def _done(self, task: "asyncio.Task[ValueT]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # those who waited have been told; all of them may have given up by now
