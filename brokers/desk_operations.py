"""The operations on the account as a whole: its money, what it can do, the brake, starting over, and a copy of its store."""

import asyncio
from pathlib import Path

from brokers import changing, ledger, reading
from brokers.actors import Actor, require_host, require_trader
from brokers.arguments import BackupRequest, NoArgs, Page, ResetRequest, StateRequest, read
from brokers.changing import Changed
from brokers.context import Answer, Context
from brokers.trading_state import Brake, TradingState, parse_state, require_may_set
from brokers.views import View
from bus.requests import Request
from bus.txn import Txn
from runtime.timestamps import to_text
from trading import events
from trading.errors import InvalidRequest, StateConflict


class DeskOperations:
    """One desk's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._desk = context.desk

    async def account(self, request: Request, _: Actor) -> Answer:
        """``OneAccount``."""
        read(request.args, NoArgs)
        context = self._context
        return await context.look(lambda _: reading.get_account(self._desk, context.quotes.marks().values(), context.steady.now_ns()))

    async def equity(self, request: Request, _: Actor) -> Answer:
        """``EquityPage``."""
        args = read(request.args, Page)
        return await self._context.look(lambda db: reading.list_equity(db, args))

    async def instruments(self, request: Request, _: Actor) -> Answer:
        """``InstrumentList``."""
        read(request.args, NoArgs)
        return self._context.answer(reading.list_instruments(self._desk))

    async def capabilities(self, request: Request, _: Actor) -> Answer:
        """``Capabilities``."""
        read(request.args, NoArgs)
        return self._context.answer(reading.get_capabilities(self._desk, self._context.quotes.feed))

    async def state(self, request: Request, _: Actor) -> Answer:
        """``TradingStateView``."""
        read(request.args, NoArgs)
        return await self._context.look(lambda _: brake_view(self._desk.brake))

    async def set_state(self, request: Request, actor: Actor) -> Answer:
        """``TradingStateSet``. The brake is on with the commit; what is cancelled and closed besides is reported, whatever the venue makes of it."""
        require_trader(actor)
        args = read(request.args, StateRequest)
        state = parse_state(args.state)
        require_may_set(actor, state, self._desk.broker.mode)
        marks = self._context.quotes.marks().values()

        def work(txn: Txn, now_ns: int) -> tuple[Changed, Changed]:
            self._set_brake(txn, state, args.reason, actor.user, now_ns)
            nothing = Changed(ns=[])
            cancelled = changing.cancel_all(self._desk, txn, wanted=lambda _: True, reason="kill_switch", now_ns=now_ns) if args.cancel else nothing
            closed = changing.flatten(self._desk, txn, marks, now_ns) if args.flatten else nothing
            return cancelled, closed

        cancelled, closed = await self._context.write(None, work)
        await self._context.finish(cancelled, None, ())
        await self._context.finish(closed, None, self._desk.instruments.for_venue(self._desk.source) if args.flatten else ())

        def look(db: ledger.Db) -> View:
            brackets = self._desk.broker.open_brackets()
            return {
                **brake_view(self._desk.brake),
                "cancelled": changing.item_results(db, cancelled),
                "closed": changing.item_results(db, closed),
                "open_orders": sum(1 for bracket in brackets if bracket.remaining_units),
                "open_positions": sum(1 for bracket in brackets if bracket.position_units),
            }

        return await self._context.look(look)

    async def reset(self, request: Request, actor: Actor) -> Answer:
        """``PaperReset``."""
        require_host(actor)
        args = read(request.args, ResetRequest)
        broker = self._desk.broker
        if broker.mode != "paper":
            raise StateConflict("this account is real: there is nothing to reset", code="NOT_PAPER", details={"mode": broker.mode})
        feed = self._context.quotes.feed
        if args.adopt and feed is None:
            raise StateConflict("there is no feed to adopt: no quote has come in yet", code="NO_FEED")
        marks = self._context.quotes.marks().values()

        def work(txn: Txn, now_ns: int) -> View:
            broker.mark(marks)
            open_before = len(broker.open_brackets())
            if args.adopt:
                broker.adopt_feed(str(feed), now_ns)
            else:
                broker.reset(actor.user, now_ns)
            self._desk.record(txn)
            account = broker.account(now_ns)
            return {"adopted": args.adopt, "cancelled": open_before - len(broker.open_brackets()), "balance": account.balance}

        result = await self._context.write(None, work)
        await self._context.quotes.match(self._desk.instruments.for_venue(self._desk.source))
        return self._context.answer(result)

    async def backup(self, request: Request, actor: Actor) -> Answer:
        """``Backup``."""
        require_host(actor)
        target = Path(read(request.args, BackupRequest).path)
        if not target.is_absolute():
            raise InvalidRequest("path must be absolute: the adapter has its own directory", code="INVALID_FIELD", details={"field": "path"})
        journal = self._context.journal
        await journal.backup(target)
        size = await asyncio.to_thread(target.stat)
        return self._context.answer({"path": str(target), "bytes": size.st_size, "epoch": journal.epoch, "last_seq": journal.last_seq})

    def _set_brake(self, txn: Txn, state: TradingState, reason: str, user: str, now_ns: int) -> None:
        before = self._desk.brake
        if before.state is state and before.reason == reason:
            return
        self._desk.brake = Brake(state=state, reason=reason, set_by=user, set_ns=now_ns)
        ledger.set_state(txn, "brake", self._desk.brake.record())
        self._desk.append(txn, events.trading_state_changed(old=str(before.state), new=str(state), reason=reason, changed_by=user, ts_ns=now_ns))


def brake_view(brake: Brake) -> View:
    """A ``TradingStateView``."""
    return {"state": str(brake.state), "reason": brake.reason, "set_by": brake.set_by, "set_at": to_text(brake.set_ns) if brake.set_ns else None}
