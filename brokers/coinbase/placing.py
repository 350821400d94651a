"""Placing one order and seeing what became of it; ending one and seeing it ended. What both the entry's and the exits' side are made of.

The venue's yes to a create is read back by id and compared with what was sent, and its yes to a cancel counts only when the order's own status says
so. An exit or a close whose answer is lost is asked for again at once, byte for byte and under its own name, which the venue answers with the first
order: between taking off one exit and placing the next, waiting for a look would leave the position naked. A second try that is refused is believed
only when the first is not there either.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from brokers.coinbase.answers import VenueOrder, VenueStatus
from brokers.coinbase.client import CANCELS_MAX, Cancelled, Created
from brokers.coinbase.context import Context
from brokers.coinbase.family import Family
from brokers.coinbase.ids import Part, part_id
from brokers.coinbase.looking import CLOCK_SLACK_NS
from brokers.coinbase.orders import Create, differences
from brokers.coinbase.refusals import family as refusal_family
from brokers.coinbase.rest import Missing
from brokers.live.throttle import Priority
from brokers.live.venue import NotSent, Target, VenueMismatch, VenueRefused
from runtime.outbound import InDoubt

# Waits between looks at an order that is on its way somewhere; four and a half seconds in all.
LOOK_PAUSES_S = (0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0)
# The same for one that was just taken: it shows within a second, or is doubt.
SEE_PAUSES_S = LOOK_PAUSES_S[:5]

# The pauses before each try of an exit or a close, and how long one may take.
CREATE_PAUSES_S = (0.0, 0.05, 0.2, 0.5, 1.0)
CREATE_S_MAX = (1.0, 1.5, 2.0, 2.0, 2.0)
# The same for the reading between two steps.
AGAIN_PAUSES_S = (0.1, 0.3, 0.6)
# A change does not wait longer than this for what the venue would say to it: an order has a turn or none within four seconds, a preview that is asked
# three times may wait for three of them, and the call, which is doubt when it runs out, has eight seconds in all.
OBJECT_S_MAX = 3.0

# A name that the venue answers with an older order that came to nothing is passed over, and the next one tried: after a restore the book may lag
# behind.
NUMBERS_TRIED = 5

# Refusals after which the next try looks first: another order of the bracket may hold what this one wants.
_MAY_BE_MINE = frozenset({"INSUFFICIENT_FUNDS"})

_ON_ITS_WAY = frozenset({VenueStatus.PENDING, VenueStatus.QUEUED})


@contextlib.contextmanager
def no_way_back() -> Iterator[None]:
    """For steps after one that changed something: that a later one was not sent no longer means that nothing happened."""
    try:
        yield
    except NotSent as error:
        raise InDoubt(f"the second step was not sent: {error.message}") from error


@contextlib.contextmanager
def nothing_sent() -> Iterator[None]:
    """For what is only looked at before the first step: that it was not answered leaves nothing in doubt."""
    try:
        yield
    except InDoubt as error:
        raise NotSent(message=f"what stands at the venue could not be seen: {error}") from error


class _RefusedAtOnce(Exception):
    """The venue refused the only create that it was sent: nothing of it can be on its way."""

    def __init__(self, refusal: VenueRefused) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Placing:
    """One order at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client

    async def part(self, client_id: str, found: Family, kind: Part, build: Callable[[str], Create]) -> VenueOrder:
        """Create the next part of a bracket, whose orders are ``found``, and return what the venue made of it.

        Raises:
            VenueRefused, NotSent, InDoubt, VenueMismatch.
        """
        for number in range(found.number + 1, found.number + 1 + NUMBERS_TRIED):
            create = build(part_id(client_id, kind, number))
            before = self._context.looking.sending(client_id, number)
            sent_ns = self._context.looking.time.now_ns()
            try:
                created = await self._insist(create)
            except _RefusedAtOnce as refused:
                if refused.refusal.code not in _MAY_BE_MINE:
                    self._context.looking.not_made(client_id, before)
                raise refused.refusal from None
            placed = await self.seen(created.order_id)
            wrong = differences(create, placed, sent_ns=sent_ns)
            if not wrong:
                return placed
            if placed.client_order_id != create.client_order_id:
                raise VenueMismatch(f"the venue answered with another order than was sent: {', '.join(wrong)} differ")
            if not placed.status.is_final or placed.filled_size:
                # Sent before and in doubt since: it stands after all, or has traded. Nothing more is sent before a look has taken it into account.
                self._context.looking.turned_up(client_id, placed.order_id)
                raise InDoubt("an order that was in doubt has turned up")
        raise InDoubt("the venue knows all the names that were tried")

    async def object_to(self, create: Create) -> None:
        """Ask what the venue has against ``create``, before something is taken off to make room for it.

        What is to be taken off holds its funds, so a want of them says nothing here.

        Raises:
            VenueRefused: it would not have it. NotSent: that could not be found out.
        """
        with nothing_sent():
            try:
                async with asyncio.timeout(OBJECT_S_MAX):
                    objections = await self._client.preview(create)
            except TimeoutError:
                raise NotSent(message="the venue did not say in time whether it would take the change") from None
        for objection in objections:
            if (code := refusal_family(objection)) != "INSUFFICIENT_FUNDS":
                raise VenueRefused(code, objection)

    async def _by_name(self, client_order_id: str, since_ns: int) -> Created | None:
        """The order that goes by this name, made a moment ago. Raises InDoubt, NotSent."""
        recent = await self._context.guard.made_since(since_ns - CLOCK_SLACK_NS)
        return next((Created(order_id=one.order_id, attached_order_id="") for one in recent if one.client_order_id == client_order_id), None)

    async def _insist(self, create: Create) -> Created:
        trouble: Exception | None = None
        began_ns = self._context.looking.time.now_ns()
        for pause_s, seconds in zip(CREATE_PAUSES_S, CREATE_S_MAX, strict=True):
            await asyncio.sleep(pause_s)
            try:
                return await self._client.create(create, priority=Priority.CANCEL, timeout_s=seconds)
            except VenueRefused as refusal:
                if trouble is None or isinstance(trouble, NotSent):
                    raise _RefusedAtOnce(refusal) from refusal
                # Had the first try arrived, the venue would have answered with its order. It may still be on its way: then the next try,
                # which goes by the same name, finds it.
                there = await self._by_name(create.client_order_id, began_ns)
                if there is None:
                    raise
                return there
            except NotSent as error:
                trouble = trouble or error
            except InDoubt as error:
                trouble = error
        assert trouble is not None
        raise trouble

    async def seen(self, order_id: str) -> VenueOrder:
        """An order that was taken a moment ago, once it shows and is past the venue's first checks.

        Raises:
            InDoubt: it does not show.
        """
        seen: VenueOrder | None = None
        trouble: Exception = InDoubt("the venue took an order and does not show it")
        for pause_s in SEE_PAUSES_S:
            await asyncio.sleep(pause_s)
            try:
                seen = await self._context.guard.order(order_id)
            except Missing:
                continue
            except (InDoubt, NotSent) as error:  # a read may be repeated
                trouble = error
                continue
            if seen.status not in _ON_ITS_WAY:
                break
        if seen is None:
            raise trouble
        return seen

    async def looked_again(self, target: Target, seen: Sequence[VenueOrder]) -> Family:
        """The family after something was done to it, no older than its orders were ``seen``: asked for more often than a look, for there is no
        way back.

        Raises:
            InDoubt, NotSent.
        """
        for pause_s in AGAIN_PAUSES_S:
            with contextlib.suppress(InDoubt, NotSent):  # the last try tells
                return await self._context.looking.again(target, seen)
            await asyncio.sleep(pause_s)
        return await self._context.looking.again(target, seen)

    async def ask_to_end(self, order_ids: Sequence[str]) -> list[Cancelled]:
        """Ask for the end of these; a cancel may be asked for twice.

        Raises:
            NotSent, InDoubt.
        """
        answers: list[Cancelled] = []
        for start in range(0, len(order_ids), CANCELS_MAX):
            answers += await self._cancel(order_ids[start : start + CANCELS_MAX])
        return answers

    async def _cancel(self, order_ids: Sequence[str]) -> list[Cancelled]:
        try:
            return await self._client.cancel(order_ids)
        except InDoubt:
            await asyncio.sleep(AGAIN_PAUSES_S[0])
        with no_way_back():  # the first one may have arrived: that a later one was not sent says nothing any more
            for pause_s in AGAIN_PAUSES_S[1:]:
                with contextlib.suppress(InDoubt, NotSent):  # the last try tells
                    return await self._client.cancel(order_ids)
                await asyncio.sleep(pause_s)
            return await self._client.cancel(order_ids)

    async def ended(self, order: VenueOrder) -> VenueOrder:
        """``order`` once it is over.

        Raises:
            InDoubt: it is not, after all looks.
        """
        for pause_s in LOOK_PAUSES_S:
            if order.status.is_final:
                break
            await asyncio.sleep(pause_s)
            try:
                order = await self._context.guard.order(order.order_id)
            except Missing:
                raise InDoubt("the venue no longer shows an order that it has shown before") from None
            except (InDoubt, NotSent):  # a read may be repeated; what was seen last still counts
                continue
        if not order.status.is_final:
            raise InDoubt("the venue was asked to end an order and has not done so yet")
        return order
