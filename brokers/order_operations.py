"""The operations on orders and positions: preview, modify, cancel, close, resolve, and looking at them.

Each checks its arguments and who asks on the event loop, and does its one work on the writer thread. What it answers has been committed.
"""

from brokers import changing, grants, reading
from brokers.actors import Actor, require_live_grant, require_trader
from brokers.arguments import (
    CancelAll,
    ClientRef,
    CloseRequest,
    FillQuery,
    Modification,
    OrderLookup,
    OrderQuery,
    OrderRef,
    PositionQuery,
    TradeQuery,
    optional,
    read,
    read_ticket,
)
from brokers.changing import Changed
from brokers.context import Answer, Context
from brokers.ledger import Db
from brokers.views import View, order_view, preview_view
from bus.deadline import Deadline
from bus.requests import Request
from trading.errors import OrderDenied, OutcomeUnknown
from trading.order_checks import check_ticket
from trading.orders import OrderStatus


class OrderOperations:
    """One desk's; ``table`` names them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._desk = context.desk

    async def preview(self, request: Request, actor: Actor) -> Answer:
        """``Previewed``; what would refuse the order now is among the warnings."""
        ticket = read_ticket(request.args)

        def look(db: Db) -> View:
            order = check_ticket(ticket, self._desk.instruments, self._desk.source)
            marks = self._context.quotes.marks()
            self._desk.broker.mark(marks.values())
            preview = self._desk.broker.preview(order)
            warnings = list(preview.warnings)
            now_ns = self._context.steady.now_ns()
            try:
                self._desk.refuse(order, placed_by=actor.user, body_hash="", marks=marks, now_ns=now_ns)
                grants.check(self._desk, db, actor, order, marks=marks, now_ns=now_ns)
            except OrderDenied as denial:
                warnings.append(denial.message)
            return preview_view(preview, marks.get(order.instrument), warnings)

        return await self._context.look(look)

    async def modify(self, request: Request, actor: Actor) -> Answer:
        """``OneOrder``."""
        self._may_trade(actor)
        args = read(request.args, Modification)
        marks = self._context.quotes.marks()
        changed = await self._context.write(
            request.deadline, lambda txn, now_ns: changing.modify_order(self._desk, txn, args, actor, marks=marks, now_ns=now_ns)
        )
        return await self._show(changed, request.deadline)

    async def cancel(self, request: Request, actor: Actor) -> Answer:
        """``OneOrder``."""
        require_trader(actor)
        args = read(request.args, OrderRef)
        changed = await self._context.write(
            request.deadline, lambda txn, now_ns: changing.cancel_order(self._desk, txn, args.order_id, actor, now_ns)
        )
        return await self._show(changed, request.deadline)

    async def cancel_all(self, request: Request, actor: Actor) -> Answer:
        """``Cancelled``."""
        require_trader(actor)
        instrument = optional(read(request.args, CancelAll).instrument)
        changed = await self._context.write(
            request.deadline,
            lambda txn, now_ns: changing.cancel_all(
                self._desk,
                txn,
                wanted=lambda bracket: (actor.is_admin or bracket.placed_by == actor.user) and instrument in {None, bracket.instrument},
                reason="user",
                now_ns=now_ns,
            ),
        )
        await self._context.finish(changed, request.deadline, ())
        return await self._context.look(
            lambda db: {"results": changing.item_results(db, changed), "cancelled": len(changed.ns), "failed": len(changed.refused)}
        )

    async def close(self, request: Request, actor: Actor) -> Answer:
        """``Closed``."""
        require_trader(actor)
        args = read(request.args, CloseRequest)
        marks = self._context.quotes.marks().values()
        changed = await self._context.write(
            request.deadline, lambda txn, now_ns: changing.close_position(self._desk, txn, args, actor, marks=marks, now_ns=now_ns)
        )
        await self._context.finish(changed, request.deadline, [args.instrument])

        def look(db: Db) -> View:
            orders = [order_view(bracket, self._desk.source) for bracket in reading.orders_by_n(db, changed.ns)]
            return {"instrument": args.instrument, "orders": orders, "results": changing.item_results(db, changed), "replayed": changed.replayed}

        return await self._context.look(look)

    async def resolve(self, request: Request, actor: Actor) -> Answer:
        """``Resolved``."""
        require_trader(actor)
        args = read(request.args, ClientRef)
        resolved = await self._context.write(None, lambda txn, now_ns: changing.resolve(self._desk, txn, args.client_order_id, actor, now_ns))
        return self._context.answer(resolved)

    async def get(self, request: Request, actor: Actor) -> Answer:
        """``OneOrder``."""
        args = read(request.args, OrderLookup)
        return await self._context.look(lambda db: reading.get_order(self._desk, db, args, actor))

    async def page(self, request: Request, _: Actor) -> Answer:
        """``OrderPage``."""
        args = read(request.args, OrderQuery)
        return await self._context.look(lambda db: reading.list_orders(self._desk, db, args))

    async def trades(self, request: Request, _: Actor) -> Answer:
        """``TradePage``."""
        args = read(request.args, TradeQuery)
        return await self._context.look(lambda db: self._as_of(reading.list_trades(db, args)))

    async def fills(self, request: Request, _: Actor) -> Answer:
        """``FillPage``."""
        args = read(request.args, FillQuery)
        return await self._context.look(lambda db: self._as_of(reading.list_fills(self._desk, db, args)))

    async def positions(self, request: Request, _: Actor) -> Answer:
        """``PositionList``."""
        args = read(request.args, PositionQuery)
        return await self._context.look(lambda _: self._as_of(reading.list_positions(self._desk, args, self._context.quotes.marks().values())))

    async def _show(self, changed: Changed, deadline: Deadline | None) -> Answer:
        """The one order that was changed, once the venue and the market have had their say.

        Raises:
            ArenaError: the venue has refused the change.
            OutcomeUnknown: the venue has not said what became of it.
        """
        await self._context.finish(changed, deadline, changed.instruments)
        for verdict in changed.verdicts:
            if verdict.refusal is not None:
                raise verdict.refusal
        answer = await self._context.look(lambda db: {"order": reading.order_with_events_by_n(self._desk, db, changed.ns[0])})
        order = answer["result"]["order"]  # type: ignore[index]  # an answer of our own making
        if order["status"] == OrderStatus.UNKNOWN or not all(verdict.settled for verdict in changed.verdicts):
            raise OutcomeUnknown("the venue has not said what became of it; it is being looked up", details={"order_id": order["order_id"]})
        return answer

    def _as_of(self, page: View) -> View:
        return {**page, **reading.standing(self._desk, self._context.steady.now_ns())}

    def _may_trade(self, actor: Actor) -> None:
        require_trader(actor)
        require_live_grant(actor, self._desk.broker.mode)
