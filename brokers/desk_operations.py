"""The operations on the account as a whole: its money, what it can do, the brake, starting over, and a copy of its store."""

import asyncio
from pathlib import Path

from brokers import changing, ledger, performance, reading
from brokers.actors import Actor, require_host, require_trader
from brokers.arguments import BackupRequest, NoArgs, Page, ResetRequest, StateRequest, read
from brokers.braking import Clearing, clear, set_brake
from brokers.context import Answer, Context
from brokers.trading_state import Brake, parse_state, require_may_set
from brokers.views import View, open_view
from bus.requests import Request
from bus.txn import Txn
from runtime.timestamps import to_text
from trading.errors import InvalidRequest, StateConflict

# Whoever halts must know within two seconds where it stands: this, and the way to the gateway and back.
CLEARING_S = 1.0
STILL_OPEN_MAX = 100


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
        return await self._context.look(lambda db: {**reading.list_equity(db, args), **reading.standing(self._desk, self._context.steady.now_ns())})

    async def performance(self, request: Request, _: Actor) -> Answer:
        """``OnePerformance``."""
        read(request.args, NoArgs)
        return await self._context.look(lambda db: reading.get_performance(self._desk, db, self._context.steady.now_ns()))

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
        """``TradingStateSet``. The brake is on with the commit; what is cancelled and closed besides is reported as far as it has come in a second.

        A request past its deadline still brakes, for that is never wrong; it cancels and closes nothing, and never releases.
        """
        require_trader(actor)
        args = read(request.args, StateRequest)
        state = parse_state(args.state)
        require_may_set(actor, state, self._desk.broker.mode)
        context, is_late = self._context, self._context.is_late(request.deadline)
        only_stricter = args.only_stricter or is_late
        await context.write(
            None,
            lambda txn, now_ns: set_brake(
                self._desk, txn, state=state, reason=args.reason, set_by=actor.user, now_ns=now_ns, only_stricter=only_stricter
            ),
        )
        clearing = Clearing()
        if (args.cancel or args.flatten) and not is_late:
            await asyncio.wait({context.calls.go_on(clear(context, clearing, cancel=args.cancel, flatten=args.flatten))}, timeout=CLEARING_S)
        else:
            clearing.is_complete = not (args.cancel or args.flatten)

        def look(db: ledger.Db) -> View:
            brackets = [bracket for bracket in self._desk.broker.open_brackets() if bracket.remaining_units or bracket.position_units]
            return {
                **brake_view(self._desk.brake),
                "cancelled": changing.item_results(db, clearing.cancels),
                "closed": changing.item_results(db, clearing.closes),
                "complete": clearing.is_complete,
                "open_orders": sum(1 for bracket in brackets if bracket.remaining_units),
                "open_positions": sum(1 for bracket in brackets if bracket.position_units),
                "still_open": [open_view(bracket) for bracket in brackets[:STILL_OPEN_MAX]],
            }

        return await context.look(look)

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
            if not args.adopt:
                performance.begin_anew(txn, now_ns)
                self._desk.limits.restart_day(txn, broker, now_ns)
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


def brake_view(brake: Brake) -> View:
    """A ``TradingStateView``."""
    return {"state": str(brake.state), "reason": brake.reason, "set_by": brake.set_by, "set_at": to_text(brake.set_ns) if brake.set_ns else None}
