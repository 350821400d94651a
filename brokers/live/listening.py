"""The account's own task: hear what the venue says, compare the account with it, and start what has become due.

    open ─► stream: what was missed, then what happens ─► compare ─► reconciled: orders are taken
      ▲                                   │                   ▲
      └── a pause that grows ◄── trouble ─┘                   └── every ``reconcile_s``, and soon after something that nobody could place

A stream that stays away for long makes the account unreconciled again: an order placed now could fill unseen. It is all trouble of the venue, and no
reason to stop.

Where exits are made from here after a fill, a fill that nobody tells of has no stop. So while there is no stream, or it owes a sign of life, the
account is compared every other second, and neither a pause nor a question that was asked while the venue was away is waited out at length.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol, TypeVar

from brokers.base import VenueCall, VenuePort
from brokers.live.venue import Batch, Target, Venue, VenueInfo, VenueRefused, VenueSnapshot
from runtime.clock import NS_PER_S, Clock
from trading.brackets import Bracket

TICK_S = 0.05
PAUSE_S_MIN, PAUSE_S_MAX = 0.5, 30.0
# The longest pause while something is open at the venue.
PAUSE_S_AT_STAKE = 3.0
# What no repetition mends, a wrong token for example, is asked again ever more seldom: venues have refused good ones for some seconds.
REFUSED_S_MIN, REFUSED_S_MAX = 5.0, 60.0
# Between two comparisons, whatever asks for them.
COMPARE_S_MIN = 1.0
# The same while nobody tells of fills whose exits are made from here.
UNTOLD_S = 2.0
# Without the stream for so long the account is not reconciled any more.
BLIND_S_MAX = 20.0

AnswerT = TypeVar("AnswerT")

_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told; each method but the properties runs on the writer thread."""

    is_reconciled: bool
    must_compare: bool
    makes_exits: bool  # of something that is open, once it fills
    next_due_ns: int | None

    def ended(self) -> Sequence[str]: ...

    def refusal_of(self, info: VenueInfo) -> str: ...

    def opened(self, info: VenueInfo, now_ns: int) -> Sequence[VenueCall]: ...

    def told(self, batch: Batch, now_ns: int) -> Sequence[VenueCall]: ...

    def due(self, now_ns: int) -> Sequence[VenueCall]: ...

    def targets(self) -> tuple[Sequence[Target], Mapping[int, Bracket]]: ...

    def compared(self, snapshot: VenueSnapshot, before: Mapping[int, Bracket], begun_boot_ns: int, now_ns: int) -> Sequence[VenueCall]: ...

    def reconciled(self, blind_ns: int, now_ns: int) -> Sequence[VenueCall]: ...

    @property
    def cursor(self) -> str: ...

    @property
    def open_count(self) -> int: ...


class _Patience:
    """How long an answer that takes several requests is waited for: as long as for a call, and longer where that has been too short.

    Not at once as long as it may take: what was asked of a venue that was away then never comes, and keeps the next question from being asked.
    """

    def __init__(self, clock: Clock, call_s_max: float) -> None:
        self._clock = clock
        self._least_s, self._most_s = call_s_max, 4 * call_s_max
        self._seconds = call_s_max
        self.took_s = 0.0  # by the last answer

    async def answer(self, asked: Awaitable[AnswerT]) -> AnswerT | Exception:
        """What the venue answers, or its trouble."""
        begun_ns = self._clock.boot_ns()
        answer = await _answer(asked, self._seconds)
        if isinstance(answer, TimeoutError):
            self._seconds = min(2 * self._seconds, self._most_s)
        elif not isinstance(answer, Exception):
            self.took_s = (self._clock.boot_ns() - begun_ns) / NS_PER_S
            self._seconds = min(max(self._least_s, 2 * self.took_s), self._most_s)
        return answer


class Listening:
    """One account's; everything here runs on the event loop."""

    def __init__(self, listener: Listener, venue: Venue, clock: Clock, dice: random.Random) -> None:
        self._listener = listener
        self._venue = venue
        self._clock = clock
        self._is_live = False
        self._is_open = False
        self._heard_boot_ns = clock.boot_ns()
        self._compared_boot_ns = 0
        self._blind_since_boot_ns = clock.boot_ns()
        self._dice = dice
        self._opening = _Patience(clock, venue.policy.call_s_max)
        self._showing = _Patience(clock, venue.policy.call_s_max)

    async def run(self, port: VenuePort) -> None:
        """Until cancelled; a bug comes out."""
        try:
            self._venue.recognise(await port.read(self._listener.ended))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(port))
                tasks.create_task(self._compare(port))
                tasks.create_task(self._tick(port))
        finally:
            await self._venue.aclose()

    async def _listen(self, port: VenuePort) -> None:
        pause_s, refused_s = PAUSE_S_MIN, REFUSED_S_MIN
        while True:
            begun_ns = self._clock.boot_ns()
            trouble = await self._hear_out(port)
            was_live, self._is_live = self._is_live, False
            if isinstance(trouble, VenueRefused):
                _log.error("the venue refuses this account", extra={"venue": self._venue.name, "reason": str(trouble)})
                await asyncio.sleep(refused_s * self._dice.uniform(0.5, 1.0))
                refused_s = min(2 * refused_s, REFUSED_S_MAX)
                continue
            refused_s = REFUSED_S_MIN if was_live else refused_s
            _log.warning("the venue's stream ended", extra={"venue": self._venue.name, "reason": f"{type(trouble).__name__}: {trouble}"})
            spent_s = (self._clock.boot_ns() - begun_ns) / NS_PER_S
            # A stream that had caught up was no failure, however soon it was cut: fills must not wait out a pause that grew before it.
            was_good = was_live or spent_s > PAUSE_S_MAX
            pause_s = PAUSE_S_MIN if was_good else min(pause_s * 2, PAUSE_S_MAX)
            rest_s = min(pause_s, PAUSE_S_AT_STAKE if self._listener.open_count else PAUSE_S_MAX) * self._dice.uniform(0.5, 1.0)
            # What nobody answered was a pause by itself.
            await asyncio.sleep(rest_s if was_good else max(0.0, rest_s - spent_s))

    async def _hear_out(self, port: VenuePort) -> Exception:
        """One opening and one stream; why it ended."""
        info = await self._opening.answer(self._venue.open())
        if isinstance(info, Exception):
            return info
        for warning in info.warnings:
            _log.warning("the venue account", extra={"venue": self._venue.name, "warning": warning})
        refusal = await port.read(lambda: self._listener.refusal_of(info))
        if refusal:
            return VenueRefused("OTHER_ACCOUNT", refusal)
        await port.submit(lambda now_ns: self._listener.opened(info, now_ns))
        self._is_open = True
        stream = self._venue.stream(self._listener.cursor)
        try:
            while True:
                batch = await _answer(anext(stream), self._venue.policy.silence_s_max)
                if isinstance(batch, Exception):
                    return batch
                await self._take(port, batch)
        finally:
            with contextlib.suppress(Exception):
                await stream.aclose()  # type: ignore[attr-defined]  # an async generator has it; what has not closes by itself

    async def _take(self, port: VenuePort, batch: Batch) -> None:
        self._heard_boot_ns = self._clock.boot_ns()
        if batch.facts or batch.account is not None or (batch.cursor and batch.cursor != self._listener.cursor):
            await port.submit(lambda now_ns: self._listener.told(batch, now_ns))
        self._is_live = self._is_live or batch.is_live

    async def _compare(self, port: VenuePort) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if not self._is_open or not self._is_due():
                continue
            self._compared_boot_ns = self._clock.boot_ns()
            if await self._look(port) and self._is_live and not self._listener.must_compare and not self._listener.is_reconciled:
                blind_ns = self._clock.boot_ns() - self._blind_since_boot_ns
                await port.submit(lambda now_ns, blind_ns=blind_ns: self._listener.reconciled(blind_ns, now_ns))  # type: ignore[misc]

    def _is_due(self) -> bool:
        since_s = (self._clock.boot_ns() - self._compared_boot_ns) / NS_PER_S
        is_wanted = self._listener.must_compare or (self._is_live and not self._listener.is_reconciled)
        if since_s >= self._venue.policy.reconcile_s or (is_wanted and since_s >= COMPARE_S_MIN):
            return True
        # At most half of the time: the stream has to be opened beside it, within the same limit of requests.
        return self._listener.makes_exits and since_s >= max(UNTOLD_S, 2 * self._showing.took_s) and self._is_untold()

    def _is_untold(self) -> bool:
        """Whether nobody would tell of a fill now: there is no stream, or it owes a sign of life."""
        silent_s = (self._clock.boot_ns() - self._heard_boot_ns) / NS_PER_S
        return not self._is_live or silent_s > self._venue.policy.silence_s_max / 2

    async def _look(self, port: VenuePort) -> bool:
        """Whether the venue showed its account."""
        targets, before = await port.read(self._listener.targets)
        begun_boot_ns = self._clock.boot_ns()
        snapshot = await self._showing.answer(self._venue.snapshot(targets))
        if isinstance(snapshot, Exception):
            reason = f"{type(snapshot).__name__}: {snapshot}"
            _log.warning("the account could not be compared", extra={"venue": self._venue.name, "reason": reason})
            return False
        await port.submit(lambda now_ns: self._listener.compared(snapshot, before, begun_boot_ns, now_ns))
        return True

    async def _tick(self, port: VenuePort) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._is_live:
                self._blind_since_boot_ns = self._heard_boot_ns
            elif self._listener.is_reconciled and self._clock.boot_ns() - self._heard_boot_ns > BLIND_S_MAX * NS_PER_S:
                self._listener.is_reconciled = False
            due_ns = self._listener.next_due_ns
            if due_ns is not None and due_ns <= port.now_ns():
                await port.submit(self._listener.due)


async def _answer(asked: Awaitable[AnswerT], seconds_max: float) -> AnswerT | Exception:
    """What the venue answers, or its trouble; nothing else is caught here."""
    try:
        async with asyncio.timeout(seconds_max):
            return await asked
    except Exception as trouble:  # noqa: BLE001  (whatever a venue sends or does not send is its trouble, and is told)
        return trouble
