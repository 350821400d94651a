"""Answering placements: from requests to the writer thread, from there to the venue where there is one, and back.

What came in one message, up to 64 orders of one turn of the gateway's loop, goes to the writer thread in one hand-over and comes back in one. Each
is a work of its own all the same: late, refused, repeated or placed by itself, in the order they came. Writing down is placing.py's, all of it on the
writer thread; here is what the event loop does before and after.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import uuid4

import msgspec

from brokers.actors import actor_of, require_live_grant, require_trader
from brokers.arguments import read_ticket
from brokers.base import Mark
from brokers.context import VENUE_S_MAX, Answer, Context
from brokers.placing import Placed, PlaceRequest, place
from bus.requests import Request
from bus.txn import Txn
from runtime.clock import NS_PER_S
from trading.errors import ArenaError, OutcomeUnknown, StateConflict
from trading.order_checks import check_client_order_id

Told = Answer | ArenaError
# What the writer thread made of a request, and where the journal stood then.
Written = tuple[Placed, Mapping[str, object]]


class Placements:
    """One desk's, and how many there were."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._desk = context.desk
        self.placed = 0
        self.refused = 0

    def answer(self, requests: Sequence[Request]) -> Awaitable[list[Told]]:
        """``Placement``, or the refusal, of each. They are on their way to the writer thread when this returns: before anybody waits for the answers.

        Raises:
            Unavailable: the journal takes no more; nothing was queued.
        """
        marks = self._context.quotes.marks()
        read = [self._read(request, marks) for request in requests]
        works = [partial(self._write, placing) for placing in read if isinstance(placing, PlaceRequest)]
        return self._answers(read, self._context.journal.submit_each(works, short=self._desk.broker.mode == "paper") if works else None)

    async def _answers(self, read: Sequence[PlaceRequest | ArenaError], writing: "asyncio.Future[list[Written | Exception]] | None") -> list[Told]:
        context = self._context
        written = await writing if writing is not None else []
        # Each answer is the state at placement. Matching follows as a transaction of its own, and nobody waits for it.
        for instrument in {outcome[0].instrument: None for outcome in written if isinstance(outcome, tuple) and outcome[0].in_flight_n is None}:
            if instrument is not None:
                context.quotes.match_later(instrument)
        outcomes = iter(written)
        # All that go to a venue are on their way before the first of them is waited for.
        answers = [placing if isinstance(placing, ArenaError) else self._begin(placing, next(outcomes)) for placing in read]
        return [await answer if isinstance(answer, asyncio.Task) else answer for answer in answers]

    def _read(self, request: Request, marks: Mapping[str, Mark]) -> PlaceRequest | ArenaError:
        """The ticket of ``request``, its types checked, and who sends it; or why not."""
        context = self._context
        try:
            actor = actor_of(request.actor)
            require_trader(actor)
            require_live_grant(actor, self._desk.broker.mode)
            ticket = read_ticket(request.args)
            client_order_id = check_client_order_id(ticket.client_order_id)
        except ArenaError as error:
            return error
        if not client_order_id:
            client_order_id = uuid4().hex
            ticket = replace(ticket, client_order_id=client_order_id)
        return PlaceRequest(
            ticket=ticket,
            client_order_id=client_order_id,
            actor=actor,
            is_late=partial(context.is_late, request.deadline),
            store_is_low=context.store_is_low,
            marks=marks,
            deadline_ns=context.deadline_ns(request.deadline),
        )

    def _write(self, placing: PlaceRequest, txn: Txn) -> Written:
        return place(self._desk, txn, placing, self._context.steady.now_ns()), txn.last_event

    def _begin(self, placing: PlaceRequest, outcome: Written | Exception) -> "Told | asyncio.Task[Told]":
        """The answer where it is there already, else the task that waits for the venue."""
        if isinstance(outcome, ArenaError):
            return outcome
        if isinstance(outcome, Exception):
            raise outcome
        placed, last_event = outcome
        if placed.call is not None:
            self._context.calls.start(placed.call, placed.in_flight_n)
        if placed.in_flight_n is not None:
            return asyncio.create_task(self._wait(placing, placed.in_flight_n, is_repeat=placed.call is None))
        return self._told(placed, last_event, is_new=placed.instrument is not None)

    async def _wait(self, placing: PlaceRequest, n: int, *, is_repeat: bool) -> Told:
        """What the venue made of order ``n``, for who placed it or for who repeats that meanwhile."""
        context = self._context
        seconds_max = VENUE_S_MAX if placing.deadline_ns is None else (placing.deadline_ns - context.steady.now_ns()) / NS_PER_S
        try:
            placed = await context.calls.placement(n, max(0.0, seconds_max))
        except StateConflict as conflict:
            if is_repeat:
                return conflict
            # Who placed it does not conflict with anybody: it was sent, and what becomes of it is not known yet.
            return OutcomeUnknown(
                "the order was sent and the venue has not answered yet; look it up, do not send it again under another id",
                details={"client_order_id": placing.client_order_id},
            )
        except ArenaError as error:
            return error
        if is_repeat and placed.result is not None:
            placed = msgspec.structs.replace(placed, result={**placed.result, "replayed": True})
        return self._told(placed, context.last_event, is_new=not is_repeat)

    def _told(self, placed: Placed, last_event: Mapping[str, object], *, is_new: bool) -> Told:
        if placed.refusal is not None:
            self.refused += 1
            return placed.refusal
        assert placed.result is not None
        self.placed += is_new
        return {"result": placed.result, "last_event": last_event}
