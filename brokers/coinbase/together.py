"""One reading for all who want it at about the same time.

After an outage hundreds of orders are in doubt at once, and each of them is looked for in the same list: everything that was made since. When
sixty entries fill in one second, sixty orders are to be read, and the executions of each. Read by each, it would be their number squared in the one
case and seconds in the other, at a venue that allows thirty requests a second. So who comes while a reading is out waits for the next one, which
begins after they asked, as a look needs, and covers what any of them wants. One that takes long keeps nobody: the next begins beside it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

# How long a reading that is out is waited for before the next one begins.
PATIENCE_S = 1.0

WishT = TypeVar("WishT")
ValueT = TypeVar("ValueT")


class _Reading(Generic[WishT, ValueT]):
    """One that has not begun yet may still be told to cover more."""

    def __init__(self, wish: WishT) -> None:
        self.wish = wish
        self.task: asyncio.Task[ValueT] | None = None


class Together(Generic[WishT, ValueT]):
    """``read(wish)``, shared.

    Args:
        both: the wish that covers two.
        patience_s: how long a reading that is out is waited for.
        gather_s: how long besides one waits for others to join it, asked each time.
    """

    def __init__(
        self,
        read: Callable[[WishT], Awaitable[ValueT]],
        both: Callable[[WishT, WishT], WishT],
        *,
        patience_s: float = PATIENCE_S,
        gather_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._read = read
        self._both = both
        self._patience_s = patience_s
        self._gather_s = gather_s
        self._last: asyncio.Task[ValueT] | None = None
        self._next: _Reading[WishT, ValueT] | None = None
        self._tasks: set[asyncio.Task[ValueT]] = set()

    async def read(self, wish: WishT) -> ValueT:
        """What covers ``wish``, by a reading that begins after this was called.

        Raises:
            What the reading raises, to each who waited for it.
        """
        if self._next is None:
            self._next = _Reading(wish)
            self._next.task = asyncio.create_task(self._begin(self._next, self._last))
            self._last = self._next.task
            self._tasks.add(self._last)
            self._last.add_done_callback(self._done)
        self._next.wish = self._both(self._next.wish, wish)
        assert self._next.task is not None
        return await asyncio.shield(self._next.task)  # who gives up must not take it from the others

    async def _begin(self, mine: _Reading[WishT, ValueT], before: "asyncio.Task[ValueT] | None") -> ValueT:
        if before is not None and not before.done():
            await asyncio.wait({before}, timeout=self._patience_s)
        gather_s = self._gather_s()
        if gather_s:
            await asyncio.sleep(gather_s)
        self._next = None  # who comes from now on came after it began
        return await self._read(mine.wish)

    def _done(self, task: "asyncio.Task[ValueT]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # those who waited have been told; all of them may have given up by now
