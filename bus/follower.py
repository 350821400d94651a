"""The consumer's state machine: one source as one consumer follows it. No socket, no clock, no task; RULES R21, R23 to R27.

The bus is a doorbell. An event from it is delivered only when it is exactly the next one and carries the hash of the one before; anything else is a
reason to ask the owner, whose pages fill what is missing. So it does not matter what the bus drops, doubles, reorders or forges: what comes out of
``take()`` is the owner's journal from where we started, in order and once, or a ``Gap`` or ``Reset`` that says otherwise.

* Subscribe first, then ask (Clone order): events that come before the owner's answer wait in ``_pending`` and are tried when it is there.
* The owner's answer is the truth. When it contradicts what was verified (its last number is lower, the chain breaks), that is a fork: an alarm, and
  everything from its floor again. A cursor from outside that is ahead proves nothing and resets its reader alone.
* Bytes of the owner's that are no event three times over become a gap of one.

The caller asks what ``tick`` returns, hands back ``page`` or ``failed``, and comes again at ``wake_ns`` at the latest; ``asking.py`` says when.
"""

import random
from collections.abc import Callable, Iterator

from bus.asking import Asking
from bus.codec import MalformedMessage
from bus.cursor import Position
from bus.envelope import GENESIS, Event, chain_hash, decode_event, read_event
from bus.fetch import FLOOR, PAGE_EVENTS_MAX, Fetch, FetchedPage, Last, Start
from bus.notices import Alarm, Delivery, Fresh, Gap, Reset, Stale, Synced

PENDING_EVENTS_MAX = 1_000  # events ahead of a hole that wait for it to be filled; what does not fit comes with the owner's pages
BAD_TIMES_MAX = 3
INSTANCES_KEPT_MAX = 16


class Follower:
    """One source, followed from ``start``.

    Args:
        resync: where to go on when a position has lost its meaning.
        on_sight: take the first event after a page without knowing the hash before it; for owners read through the gateway, whose JSON has no hashes.
        jitter: 0 to 1, spread evenly.
    """

    def __init__(
        self, source: str, start: Start, *, resync: Last = FLOOR, on_sight: bool = False, jitter: Callable[[], float] = random.random
    ) -> None:
        self.source = source
        self.first_seq: int | None = None  # the owner's floor and last number, as it told them last
        self.last_seq: int | None = None
        self.has_asked = False  # whether the owner has answered, or failed to, at least once
        self.pages = 0
        self.healed = 0
        self._resync = resync
        self._on_sight = on_sight
        self._asking = Asking(jitter)
        self._out: list[Delivery] = []
        self._unsynced: Last | None = start if isinstance(start, Last) else None
        self._epoch, self._next = (start.epoch, start.seq + 1) if isinstance(start, Position) else ("", 1)
        self._hash: str | None = None  # of the event before _next, once seen
        self._trusted = False  # whether the owner has confirmed our position
        self._has_caught_up = False
        self._pending: dict[int, Event] = {}
        self._hint: tuple[str, int] | None = None  # the earliest place the bus spoke of before we were synced
        self._fetch: Fetch | None = None
        self._asked_from = 0
        self._suspects: tuple[int, ...] = ()  # what was pending when the page was asked for
        self._bad: tuple[int, str, int] = (0, "", 0)
        self._fork: tuple[str, int] | None = None
        self._instances: list[str] = []

    @property
    def position(self) -> Position | None:
        """Up to where everything was delivered or declared missing; None before the owner was reached."""
        return Position(self._epoch, self._next - 1) if self._epoch else None

    @property
    def is_stale(self) -> bool:
        return self._asking.is_silent

    @property
    def is_caught_up(self) -> bool:
        """Whether the owner was reached and nothing that it told of is missing."""
        return self._trusted and not self._pending and self.last_seq is not None and self.last_seq < self._next

    @property
    def wake_ns(self) -> int | None:
        return self._asking.wake_ns

    def take(self) -> list[Delivery]:
        """What is ready to be handed on, in order."""
        out, self._out = self._out, []
        return out

    # -- from the bus ----------------------------------------------------------------------------------------------------------------------

    def event(self, event: Event, now_ns: int) -> None:
        """A journalled event came over the bus."""
        if event.seq == self._next and event.prev == self._hash and event.epoch == self._epoch:
            self._deliver(event)
            if self._pending:
                self._try_pending()
        else:
            self._unexpected(event, now_ns)

    def take_next(self, bodies: Iterator[bytes]) -> bytes | None:
        """Deliver what came over the bus while each body is exactly the next event; the first that is not, or None. This is the hot path.

        Its place needs no check of its own: it equals the one expected.
        """
        source, epoch, seq, prev, deliver = self.source, self._epoch, self._next, self._hash, self._out.append
        if prev is None or self._pending:
            return next(bodies, None)
        odd = None
        for body in bodies:
            try:
                event = read_event(body)
            except MalformedMessage:
                odd = body
                break
            if event.prev != prev or event.seq != seq or event.epoch != epoch or event.source != source:
                odd = body
                break
            prev = chain_hash(body)
            seq += 1
            deliver(event)
        self._next, self._hash = seq, prev
        return odd

    def _unexpected(self, event: Event, now_ns: int) -> None:
        assert event.seq is not None
        assert event.epoch is not None
        if self._unsynced is not None:
            self._remember_hint(event.epoch, event.seq - 1)
        elif event.epoch == self._epoch and event.seq < self._next:
            return  # a repeat
        if len(self._pending) < PENDING_EVENTS_MAX:
            self._pending[event.seq] = event
        if self._trusted and self._hash is None and self._on_sight:
            self._try_pending()
            if event.seq < self._next:
                return
        self._asking.want(now_ns)

    def heartbeat(self, payload: dict[str, object], now_ns: int) -> None:
        """A heartbeat of the owner came over the bus; ``payload`` is as it came."""
        if self._asking.heard(now_ns):
            self._out.append(Fresh(source=self.source))
        self._watch_instance(payload.get("instance"))
        epoch, first, last = payload.get("epoch"), payload.get("first_seq"), payload.get("last_seq")
        if not (type(epoch) is str and type(last) is int and last >= 0):
            return
        if self._unsynced is not None:
            self._remember_hint(epoch, last)
        elif epoch != self._epoch or last < self._next - 1:
            self._asking.want(now_ns)  # a new journal, or a number that went backwards: the owner will say
        else:
            self.first_seq = first if type(first) is int else self.first_seq
            if last >= self._next:
                self._asking.ahead(last, now_ns)

    def _watch_instance(self, instance: object) -> None:
        if type(instance) is not str or (self._instances and self._instances[-1] == instance):
            return
        if instance in self._instances:
            self._instances.remove(instance)
            self._alarm("two_owners", None, "two processes speak for this source in turn: stop one of them")
        self._instances = [*self._instances[-INSTANCES_KEPT_MAX:], instance]

    def _remember_hint(self, epoch: str, seq: int) -> None:
        if self._hint is None or self._hint[0] != epoch or seq < self._hint[1]:
            self._hint = (epoch, seq)

    # -- asking the owner ------------------------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> Fetch | None:
        """The page to ask for now, if any; call it after messages, after answers, and at ``wake_ns``."""
        if self._asking.silence_begins(now_ns):
            self._out.append(Stale(source=self.source))
        if not self._asking.is_due(self._next, now_ns):
            return None
        if self._unsynced is not None:
            self._fetch = Fetch(source=self.source, epoch=None, after=-1, limit=1)
        else:
            # One event more than is missing where its hash is not known: the owner's own word on what the next one must carry.
            back = 2 if self._hash is None and self._next > 1 else 1
            self._fetch = Fetch(source=self.source, epoch=self._epoch, after=self._next - back, limit=PAGE_EVENTS_MAX)
        self._asked_from = self._next - 1
        self._suspects = tuple(self._pending)
        self._asking.sent(now_ns)
        self.pages += 1
        return self._fetch

    def failed(self, fetch: Fetch, now_ns: int) -> None:
        """The owner could not be asked, or did not answer in time."""
        if fetch is not self._fetch:
            return
        self._fetch = None
        self.has_asked = True
        self._asking.retry(now_ns)

    def page(self, fetch: Fetch, page: FetchedPage, now_ns: int) -> None:
        """The owner's answer to ``fetch``."""
        if fetch is not self._fetch:
            return
        self._fetch = None
        self.has_asked = True
        self.first_seq, self.last_seq = page.first_seq, page.last_seq
        if self._unsynced is not None:
            moved = self._sync(self._unsynced, page)
        elif page.epoch != self._epoch:
            moved = self._reset("epoch", page)
        elif page.last_seq < self._asked_from:
            if self._trusted:
                self._alarm("source_fork", page.last_seq, f"the owner stands at {page.last_seq}, and {self._asked_from} was verified before")
            moved = self._reset("fork" if self._trusted else "ahead", page)
        else:
            moved = self._read(page, fetch.after + 1)
        for seq in self._suspects:  # the owner commits before it publishes: what it did not know of when asked later was never its own
            if seq > page.last_seq:
                self._pending.pop(seq, None)
        self._try_pending()
        if not moved and page.last_seq >= self._next:
            self._asking.retry(now_ns)
            return
        self._asking.answered(now_ns)
        if page.last_seq >= self._next or (moved and self._hash is None):
            self._asking.at_once(now_ns)
        elif self._pending:
            self._asking.want(now_ns)
        else:
            self._has_caught_up = True

    # -- the owner's answers: each returns whether it moved us -----------------------------------------------------------------------------

    def _sync(self, start: Last, page: FetchedPage) -> bool:
        """First contact. We start behind nothing that happened since we listened, within reason, as the bus may lie."""
        place = page.last_seq
        if self._hint and self._hint[0] == page.epoch:
            place = max(min(place, self._hint[1]), page.last_seq - PENDING_EVENTS_MAX)
        self._unsynced = None
        self._go_to(page, start, place)
        self._announce()
        if self._next == page.last_seq + 1 and page.events:
            self._hash = _hash_of(page.events[-1])
        return True

    def _reset(self, reason: str, page: FetchedPage) -> bool:
        old = self.position
        self._go_to(page, self._resync, page.last_seq)
        self._out.append(Reset(source=self.source, old=old, new=self.position, reason=reason))
        return True

    def _go_to(self, page: FetchedPage, start: Last, place: int) -> None:
        floor = max(page.first_seq - 1, 0)
        seq = floor if start.count is None else max(floor, place - start.count)
        self._trusted = True
        self._epoch, self._next = page.epoch, seq + 1
        self._hash = GENESIS if seq == 0 else None

    def _announce(self) -> None:
        self._trusted = True
        position = self.position
        assert position is not None
        self._out.append(Synced(source=self.source, position=position))

    def _read(self, page: FetchedPage, seq: int) -> bool:
        """Take a page that begins with ``seq``, or with the owner's floor where that is higher."""
        before = self._next
        if not self._trusted:
            self._announce()
        if self._next == 1:
            self._hash = GENESIS
        if page.first_seq > self._next:
            self._lose(self._next, page.first_seq - 1)
        for number, item in enumerate(page.events, max(seq, page.first_seq)):
            if number == self._next - 1 and self._hash is None:
                self._hash = _hash_of(item)
            if number != self._next:
                continue  # came over the bus in the meantime
            event = self._decode(item, number)
            if event is None:
                if not self._give_up_on(item, number):
                    break
            elif self._chain_holds(event):
                self._deliver(event)
            else:
                return self._reset("fork", page)
        self.healed += self._has_caught_up and self._next > before
        return self._next > before

    def _decode(self, item: bytes | Event, seq: int) -> Event | None:
        try:
            event = item if isinstance(item, Event) else decode_event(item)
        except MalformedMessage:
            return None
        return event if (event.source, event.epoch, event.seq) == (self.source, self._epoch, seq) else None

    def _give_up_on(self, item: bytes | Event, seq: int) -> bool:
        """Whether the same bytes were bad often enough to be declared missing (R26)."""
        digest = _hash_of(item) or ""
        times = self._bad[2] + 1 if self._bad[:2] == (seq, digest) else 1
        self._bad = (seq, digest, times)
        if times < BAD_TIMES_MAX:
            return False
        self._alarm("bad_event", seq, "the owner's journal holds bytes that are no event")
        self._lose(seq, seq)
        self._hash = digest or None
        return True

    def _chain_holds(self, event: Event) -> bool:
        place = (self._epoch, self._next)
        if event.prev is None or self._hash is None or event.prev == self._hash or place == self._fork:
            return True  # broken at the same place again: the journal itself is broken there, it was said, go on
        self._fork = place
        self._alarm("source_fork", event.seq, "the owner's event does not follow from the one before it")
        return False

    def _lose(self, first: int, last: int) -> None:
        self._out.append(Gap(source=self.source, epoch=self._epoch, first=first, last=last))
        self._next = last + 1
        self._hash = None

    def _alarm(self, code: str, seq: int | None, text: str) -> None:
        self._out.append(Alarm(source=self.source, code=code, epoch=self._epoch or None, seq=seq, text=text))

    # -- delivering ------------------------------------------------------------------------------------------------------------------------

    def _deliver(self, event: Event) -> None:
        self._next += 1
        self._hash = chain_hash(event.body) if event.body else None
        self._out.append(event)

    def _try_pending(self) -> None:
        """Deliver what waited, as far as it follows; one that does not fit was forged, or is of another epoch."""
        while (event := self._pending.pop(self._next, None)) is not None:
            fits = event.prev == self._hash or (self._hash is None and self._on_sight)
            if event.epoch != self._epoch or not fits:
                break
            self._deliver(event)
        for seq in [seq for seq in self._pending if seq < self._next]:
            del self._pending[seq]


def _hash_of(item: bytes | Event) -> str | None:
    body = item.body if isinstance(item, Event) else item
    return chain_hash(body) if body else None
