"""What became UNKNOWN is asked for until it is known (RULES R6).

``order.resolve`` answers how an order stands or, for an id that was never seen, writes that it is void from now on; so asking ends in something
definite as soon as the adapter can be reached, and a request that is still queued somewhere is refused when it arrives.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from arena_gateway.dispatch import Dispatcher
from trading.errors import ArenaError

PENDING_MAX = 10_000
AT_ONCE_MAX = 16
WAIT_S_MIN, WAIT_S_MAX = 0.25, 2.0
INDEFINITE = frozenset({"UNKNOWN", "SUBMITTING"})

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    actor: Mapping[str, object]
    due_s: float
    wait_s: float = WAIT_S_MIN


class Resolver:
    """Asks in the background; ``run`` until cancelled."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        # Two users may have sent one id: they are two orders.
        self._pending: dict[tuple[str, str, object], _Pending] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, broker: str, client_order_id: str, actor: Mapping[str, object]) -> None:
        """Ask for this one from now on. Beyond the limit the oldest is left to the adapter, which settles what it knows at its own start."""
        if len(self._pending) >= PENDING_MAX:
            del self._pending[next(iter(self._pending))]
            log.error("too many unknown orders to follow", extra={"limit": PENDING_MAX})
        self._pending[broker, client_order_id, actor.get("user")] = _Pending(actor, asyncio.get_running_loop().time())
        self._wake.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            due = [key for key, item in self._pending.items() if item.due_s <= loop.time()][:AT_ONCE_MAX]
            if due:
                await asyncio.gather(*(self._ask(key) for key in due))
                continue
            wait_s = min((item.due_s - loop.time() for item in self._pending.values()), default=None)
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _ask(self, key: tuple[str, str, object]) -> None:
        broker, client_order_id, _ = key
        item = self._pending[key]
        try:
            status = await self._dispatcher.resolve(broker, client_order_id, item.actor)
        except ArenaError as error:
            status = "UNKNOWN"
            log.info("an unknown order cannot be looked up yet", extra={"broker": broker, "client_order_id": client_order_id, "code": error.code})
        if status not in INDEFINITE:
            self._pending.pop(key, None)  # the oldest may have been dropped meanwhile
            log.info("an unknown order is settled", extra={"broker": broker, "client_order_id": client_order_id, "status": status})
            return
        item.due_s = asyncio.get_running_loop().time() + item.wait_s
        item.wait_s = min(2 * item.wait_s, WAIT_S_MAX)
