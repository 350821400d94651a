"""The operations of an adapter, by name: what a ``RequestServer`` hands its requests to.

DESIGN section 4 lists them, ``bus.replies`` says what each takes and answers. Who asks is believed: the socket's file permission is the guard.
"""

from collections.abc import Awaitable, Callable, Mapping

from brokers.actors import Actor, actor_of
from brokers.context import Answer, Context
from brokers.desk_operations import DeskOperations
from brokers.order_operations import OrderOperations
from brokers.placements import Placements
from bus.requests import Request
from trading.errors import ArenaError, NotFound

# A placement that comes too late is written down, and a brake that comes late still brakes, so neither is refused before it gets here.
LATE_OPS = frozenset({"order.place", "trading_state.set"})

Operation = Callable[[Request, Actor], Awaitable[Answer]]


class Service:
    """Answers requests for one desk."""

    def __init__(self, context: Context) -> None:
        self.placements = Placements(context)
        # What may come by the dozen in one message is answered together.
        self.together = {"order.place": self.placements.answer}
        orders = OrderOperations(context)
        desk = DeskOperations(context)
        self._operations: Mapping[str, Operation] = {
            "order.place": self._place,
            "order.preview": orders.preview,
            "order.modify": orders.modify,
            "order.cancel": orders.cancel,
            "order.cancel_all": orders.cancel_all,
            "order.get": orders.get,
            "order.list": orders.page,
            "order.resolve": orders.resolve,
            "position.close": orders.close,
            "position.list": orders.positions,
            "trade.list": orders.trades,
            "fill.list": orders.fills,
            "equity.list": desk.equity,
            "account.get": desk.account,
            "performance.get": desk.performance,
            "instrument.list": desk.instruments,
            "capabilities.get": desk.capabilities,
            "trading_state.get": desk.state,
            "trading_state.set": desk.set_state,
            "paper.reset": desk.reset,
            "store.backup": desk.backup,
        }

    async def _place(self, request: Request, _: Actor) -> Answer:
        """``Placement``."""
        (answer,) = await self.placements.answer([request])
        if isinstance(answer, ArenaError):
            raise answer
        return answer

    async def handle(self, request: Request) -> Answer:
        """``{result, last_event}`` of one request.

        Raises:
            ArenaError: the refusal.
        """
        operation = self._operations.get(request.op)
        if operation is None:
            raise NotFound(f"there is no operation {request.op}", code="UNKNOWN_OP", details={"op": request.op, "known": sorted(self._operations)})
        return await operation(request, actor_of(request.actor))
