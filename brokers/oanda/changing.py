"""What changes something at v20: create, cancel, amend, protect, close. Each sends its request once and reads the answer to the letter.

An answer without the transaction that must be in it is no yes: it is raised as it is, and the core looks the bracket up. A change that takes several
requests (a bracket whose entry filled in parts has several trades) is a refusal only when the first of them was refused; after that it is in doubt.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.live.standing import NOTE
from brokers.live.throttle import Priority
from brokers.live.venue import Amendment, EntryAccepted, EntryEnded, EntryFilled, Fact, Intent, NotSent, Target, VenueMismatch, VenueRefused
from brokers.oanda import orders, wire
from brokers.oanda.log_reader import LogReader
from brokers.oanda.looking import Looker
from brokers.oanda.memory import Role
from brokers.oanda.objects import CLOSE_LATER, CLOSES_LATER, VenueTrade
from brokers.oanda.orders import Body, by_name, trade_client_id
from brokers.oanda.rest import NotThere, Rest, Unclear
from brokers.oanda.transactions import client_id_of, legs_of
from brokers.oanda.wire import Json, Malformed
from runtime.outbound import OutboundError
from trading.money import ZERO

# A yes must not be lost to a look: no look at the exits after a slow answer, and never a long one. Together below VenuePolicy.call_s_max.
SLOW_S = 5.0
EXITS_S_MAX = 1.0

_log = logging.getLogger(__name__)


class Undone(VenueRefused):
    """The venue made exits and cancelled some in the same breath: what those (``keys`` of the request) took the place of is gone too."""

    def __init__(self, reason: str, keys: Sequence[str]) -> None:
        super().__init__(reason, "the venue took the exit and then cancelled it")
        self.keys = keys


class Changer:
    """Sends changes to the account that ``rest`` is for. ``decimals`` are the venue's ``displayPrecision`` by instrument."""

    def __init__(self, rest: Rest, log: LogReader, looker: Looker, decimals: Mapping[str, int]) -> None:
        self._rest = rest
        self._log = log
        self._looker = looker
        self._decimals = decimals

    async def create(self, intent: Intent) -> Sequence[Fact]:
        """See ``Venue.create``."""
        began_s = asyncio.get_running_loop().time()
        order = intent.order
        body = orders.entry(order, venue_id=intent.client_id, expires_ns=intent.expires_ns, decimals=self._decimals_of(order.instrument))
        try:
            answer = await self._rest.change(
                "POST", "/orders", body, priority=Priority.ORDER, deadline_boot_ns=intent.deadline_boot_ns, label=intent.client_id
            )
        except VenueRefused as refusal:
            if refusal.code == "CLIENT_ORDER_ID_ALREADY_EXISTS":
                raise Unclear("an order waits under this id already: it can only be ours") from refusal
            raise
        created = wire.part(answer, "orderCreateTransaction")
        _compare(created, intent)
        facts = await self._told(answer)
        if not any(isinstance(fact, EntryAccepted) for fact in facts):
            raise Malformed("the answer to a create tells of no order")
        is_slow = asyncio.get_running_loop().time() - began_s > SLOW_S
        return facts if is_slow else facts + await self._exits_of(facts)

    async def _exits_of(self, facts: Sequence[Fact]) -> list[Fact]:
        """The exits of what filled at once, which the answer names by numbers only: seen to stand before anybody is told that it is guarded.

        The order is a yes whatever becomes of this look; the stream tells the same.
        """
        found: list[Fact] = []
        try:
            async with asyncio.timeout(EXITS_S_MAX):
                for fact in facts:
                    if isinstance(fact, EntryFilled):
                        trade, as_of = await self._looker.trade(fact.trade_ref)
                        found += legs_of(trade.known(as_of), 0)
        except (NotSent, VenueRefused, OutboundError, Unclear, Malformed, TimeoutError) as error:
            _log.info("the exits of a fill were not seen with it", extra={"reason": f"{type(error).__name__}: {error}"[:200]})
        return found

    async def cancel(self, target: Target) -> Sequence[Fact]:
        """See ``Venue.cancel``."""
        spec = target.refs.order_refs[-1] if target.refs.order_refs else by_name(target.client_id)
        answer = await self._rest.change("PUT", f"/orders/{spec}/cancel", None)
        cancelled = wire.part(answer, "orderCancelTransaction")
        facts = await self._told(answer)
        if not any(isinstance(fact, EntryEnded) and fact.order_ref == wire.identity(cancelled, "orderID") for fact in facts):
            raise Malformed("the answer to a cancel tells of no end")
        return facts

    async def amend(self, target: Target, change: Amendment) -> Sequence[Fact]:
        """See ``Venue.amend``. Trades first: their exits guard money that is in the market."""
        is_of_entry = change.entry_price is not None or change.expires_ns is not None
        if is_of_entry and target.position_units:
            raise VenueRefused("ORDER_FILLED", "some of the entry has filled: only its exits can be changed")
        body = orders.exits(
            decimals=self._decimals_of(target.order.instrument),
            stop_loss_price=change.stop_loss_price,
            take_profit_price=change.take_profit_price,
            trailing_stop_distance=change.trailing_stop_distance,
        )
        await self._leave_to_venue(target)
        facts: list[Fact] = []
        has_changed = False
        if target.position_units:
            for spec in _trade_specs(target):
                facts += await self._step(has_changed, self._move_exits(target, spec, body))
                has_changed = True
        if target.remaining_units:
            facts += await self._step(has_changed, self._replace(target, change))
        return facts

    async def protect(self, target: Target) -> Sequence[Fact]:
        """See ``Venue.protect``. The stop goes out first and alone, so that nothing about the others can keep it from standing."""
        facts: list[Fact] = []
        for spec in _trade_specs(target):
            try:
                trade, as_of = await self._looker.trade(spec)
            except NotThere as error:
                if spec.startswith("@"):
                    raise
                raise Malformed(f"trade {spec} was told of and is not there") from error
            if not trade.is_open:
                for number in trade.closing_ids:
                    facts += await self._log.tell(await self._log.transaction(number))
                continue
            facts += legs_of(trade.known(as_of), 0)
            if trade.closes_later:
                continue
            has_stop = Role.STOP_LOSS in trade.exits
            for body in self._missing(target, trade):
                try:
                    facts += await self._set_exits(trade.trade_id, body)
                    has_stop = True
                except VenueRefused as refusal:
                    if not has_stop or "stopLoss" in body:
                        raise
                    _log.warning("the venue refused an exit; the stop stands", extra={"trade": trade.trade_id, "exit": [*body], "code": refusal.code})
        return facts

    async def close(self, target: Target, units: Decimal) -> Sequence[Fact]:
        """See ``Venue.close``. Exits hold no units here: they follow the size of their trade and go with it."""
        await self._leave_to_venue(target)
        facts: list[Fact] = []
        for spec, part in await self._parts(target, units):
            facts += await self._step(bool(facts), self._close(spec, part))
        return facts

    async def _leave_to_venue(self, target: Target) -> None:
        """Refuse for a bracket that the venue closes by itself when its market opens: its note said so, and a look says whether it still does."""
        if not target.refs.memo.get(NOTE) or not target.position_units:
            return
        for spec in _trade_specs(target):
            trade, _ = await self._looker.trade(spec)
            if trade.closes_later:
                raise VenueRefused(CLOSE_LATER, CLOSES_LATER)

    async def _parts(self, target: Target, units: Decimal) -> list[tuple[str, Decimal | None]]:
        """What to close of which trade, oldest first; None is all of it."""
        specs = _trade_specs(target)
        if len(specs) == 1:
            return [(specs[0], None if units >= target.position_units else units)]
        parts: list[tuple[str, Decimal | None]] = []
        for spec in specs:
            trade, _ = await self._looker.trade(spec)
            size = abs(trade.units)
            if trade.is_open and size and units > ZERO:
                parts.append((spec, None if units >= size else units))
                units -= min(units, size)
        if not parts:
            raise VenueRefused("TRADE_DOESNT_EXIST", "nothing of the position is open any more")
        return parts

    async def _close(self, spec: str, units: Decimal | None) -> Sequence[Fact]:
        answer = await self._rest.change("PUT", f"/trades/{spec}/close", orders.close(units))
        cancelled = wire.part_or_none(answer, "orderCancelTransaction")
        if cancelled is not None and wire.part_or_none(answer, "orderFillTransaction") is None:
            raise VenueRefused(wire.text(cancelled, "reason"), "the venue could not close the position now")
        wire.part(answer, "orderFillTransaction")
        return await self._told(answer)

    async def _replace(self, target: Target, change: Amendment) -> Sequence[Fact]:
        if not target.refs.order_refs:
            raise VenueRefused("ORDER_DOESNT_EXIST", "the venue has named no order of this bracket")
        wanted = {
            name: value
            for name in ("entry_price", "stop_loss_price", "take_profit_price", "trailing_stop_distance")
            if (value := getattr(change, name)) is not None
        }
        body = orders.replacement(
            replace(target.order, **wanted),
            target.remaining_units,
            venue_id=target.client_id,
            expires_ns=target.expires_ns if change.expires_ns is None else change.expires_ns,
            decimals=self._decimals_of(target.order.instrument),
        )
        answer = await self._rest.change("PUT", f"/orders/{target.refs.order_refs[-1]}", body)
        wire.part(answer, "orderCreateTransaction")
        return await self._told(answer)

    async def _move_exits(self, target: Target, spec: str, body: Body) -> Sequence[Fact]:
        """Replace exits of a trade. One that the venue cancels at once has taken the old one with it, and those that went through stand anew: all of
        them are put back before anybody is told no."""
        try:
            return await self._set_exits(spec, body)
        except Undone as undone:
            before = self._before(target, body, undone)
            try:
                await self._set_exits(spec, before)
            except Exception as error:
                raise Unclear(f"the venue cancelled a new exit, and the old one could not be put back: {error}") from error
            raise VenueRefused(undone.code, undone.message) from undone

    def _before(self, target: Target, body: Body, undone: Undone) -> Body:
        """The request that takes back ``body``, of which the venue has undone a part: an exit there was stands again, and one there was not goes.

        A trailing stop that is put back begins anew from the market, so the fixed one stands where it had come to: a stop never loosens.
        """
        moves_stop = not body.keys().isdisjoint({"stopLoss", "trailingStopLoss"})
        old = orders.exits(
            decimals=self._decimals_of(target.order.instrument),
            stop_loss_price=target.stop_price or None if moves_stop else None,
            take_profit_price=target.order.take_profit_price or None if "takeProfit" in body else None,
            trailing_stop_distance=target.order.trailing_stop_distance if "trailingStopLoss" in body else None,
        )
        return old | {key: None for key in body if key not in old and key not in undone.keys}

    async def _set_exits(self, spec: str, body: Body) -> Sequence[Fact]:
        answer = await self._rest.change("PUT", f"/trades/{spec}/orders", body)
        for key, wanted in body.items():
            wire.part(answer, f"{key}OrderTransaction" if wanted is not None else f"{key}OrderCancelTransaction")
        undone = {key: found for key in body if (found := wire.part_or_none(answer, f"{key}OrderCreatedCancelTransaction")) is not None}
        if undone:
            raise Undone(wire.text(next(iter(undone.values())), "reason"), list(undone))
        return await self._told(answer)

    def _missing(self, target: Target, trade: VenueTrade) -> Sequence[Body]:
        """The requests that bring stop, trailing stop and target, in this order, to where they should stand; none for what does."""
        decimals, order = self._decimals_of(trade.instrument), target.order
        fixed, goal = trade.exits.get(Role.STOP_LOSS), trade.exits.get(Role.TAKE_PROFIT)
        wants_trailing = order.trailing_stop_distance is not None and Role.TRAILING_STOP not in trade.exits
        # Beside a trailing stop the fixed one stays where it was put: what has moved is the other.
        stands_at = {target.stop_price, order.stop_loss_price} if order.trailing_stop_distance is not None else {target.stop_price}
        wants_stop = target.stop_price > ZERO and (fixed is None or fixed.price not in stands_at)
        wants_goal = order.take_profit_price > ZERO and (goal is None or goal.price != order.take_profit_price)
        bodies = (
            orders.exits(decimals=decimals, stop_loss_price=target.stop_price if wants_stop else None),
            orders.exits(decimals=decimals, trailing_stop_distance=order.trailing_stop_distance if wants_trailing else None),
            orders.exits(decimals=decimals, take_profit_price=order.take_profit_price if wants_goal else None),
        )
        return [body for body in bodies if body]

    async def _step(self, has_changed: bool, step: Coroutine[None, None, Sequence[Fact]]) -> Sequence[Fact]:
        """One of several requests; that it was refused or not sent is a doubt about the whole once another has changed something."""
        try:
            return await step
        except (VenueRefused, NotSent) as error:
            if has_changed:
                raise Unclear(f"a part was done before the rest was refused or could not be sent: {error.code}") from error
            raise

    async def _told(self, answer: Json) -> list[Fact]:
        """What all transactions in ``answer`` tell, in the order of their numbers."""
        found = [value for key, value in answer.items() if key.endswith("Transaction") and isinstance(value, dict)]
        facts: list[Fact] = []
        for transaction in sorted(found, key=lambda each: wire.counter(each, "id")):
            try:
                facts += await self._log.tell(transaction)
            except (NotSent, VenueRefused) as error:  # it is done, whatever becomes of a question about it
                raise Unclear(f"the venue has done it, and what it names could not be asked for: {error.code}") from error
        return facts

    def _decimals_of(self, instrument: str) -> int:
        found = self._decimals.get(instrument)
        if found is None:
            raise VenueRefused("INSTRUMENT_UNKNOWN", f"the venue does not list {instrument}")
        return found


def _compare(created: Json, intent: Intent) -> None:
    """See that the venue created what was sent."""
    order = intent.order
    sent = (intent.client_id, order.instrument, order.units * order.side.sign)
    found = (
        client_id_of(wire.part_or_none(created, "clientExtensions")),
        wire.text_or(created, "instrument"),
        wire.number(created, "units"),
    )
    if found != sent:
        raise VenueMismatch(f"sent {sent[2]} {sent[1]} as {sent[0]}, and the venue says it created {found[2]} {found[1]} as {found[0] or 'nothing'}")


def _trade_specs(target: Target) -> Sequence[str]:
    """How to name the bracket's trades: by number where the venue has told them, else by the name that its entry gave them."""
    return target.refs.trade_refs or (by_name(trade_client_id(target.client_id)),)
