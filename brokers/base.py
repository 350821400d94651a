"""The Broker protocol: one venue account as the service that hosts it sees it.

The service owns the store, the sockets and the bus; a Broker owns what the account means: its brackets, what the venue does to them, its money.
Every method here except ``run`` is called on the writer thread inside a store transaction, so it decides and never waits. What changed is picked
up by ``drain`` and written in that same transaction. What must wait is returned as a ``VenueCall``; the service runs it after the commit:

    paper    place ──────────────► drain, commit ─► reply                           one transaction
    live     place (SUBMITTING) ─► drain, commit ─► VenueCall.send ─► settle ─► drain, commit ─► reply

So an intent is on disk before a byte leaves (RULES R1), whatever kills the process in between leaves a SUBMITTING row that ``restore`` turns into
UNKNOWN, and no method can hold up the writer. A transaction that fails is undone in the store; the service then calls ``restore`` with what the
store holds, so the Broker's memory never runs ahead of it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from trading.accounts import Account, Position, Preview
from trading.brackets import Bracket, Protection
from trading.changes import Changes
from trading.errors import ArenaError
from trading.instruments import Side
from trading.orders import BracketOrder
from trading.quotes import Quote
from trading.risk import Exposure

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCall:
    """Something to do at the venue after the commit.

    ``send`` runs on the event loop, begins after ``delay_s`` and may take ``timeout_s``; ``settle`` then runs on the writer thread in a transaction
    of its own with what ``send`` returned, or with the exception it raised (a ``TimeoutError`` when it took too long). After the first byte left,
    every exception means that the outcome is unknown, never that nothing happened; ``settle`` decides, and may return a further call, a look-up.
    """

    send: Callable[[], Awaitable[object]]
    settle: Callable[[object | Exception, int], "VenueCall | None"]
    timeout_s: float
    delay_s: float = 0.0


@dataclass(slots=True)
class Verdict:
    """What becomes of a change to one order at the venue: written by ``settle``, read on the event loop once the calls have ended.

    While it is not ``settled`` nobody knows, and who asked is told UNKNOWN. Settled without a ``refusal``, it is done.
    """

    order_id: str
    settled: bool = False
    refusal: ArenaError | None = None

    def settle(self, refusal: ArenaError | None = None) -> None:
        self.refusal = refusal
        self.settled = True


class Progress(msgspec.Struct, frozen=True):
    """What a command came to so far: the brackets it touched, as they stand, and what is left to do at the venue.

    A placement has one call at most. A change that the venue has to agree to has a verdict for each order.
    """

    brackets: Sequence[Bracket]
    calls: Sequence[VenueCall] = ()
    verdicts: Sequence[Verdict] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the store holds about an account: all brackets that are not final in ascending n, the account's own record, and the next n to take.

    For a live account besides: ``finished``, the last brackets that ended, so that what a venue tells twice or too late is recognised; and
    ``instance``, the store's own id, which is part of what orders are called at the venue. Live brackets below ``first_n`` are of another account.
    """

    brackets: Sequence[Bracket] = ()
    account: Mapping[str, object] = field(default_factory=dict)
    next_n: int = 1
    finished: Sequence[Bracket] = ()
    instance: str = ""
    first_n: int = 1


class Mark(NamedTuple):
    """A standing quote to value an account by: the newest of its instrument, how old it is, and whether it may still decide."""

    quote: Quote
    age_ns: int
    is_fresh: bool


class VenuePort(Protocol):
    """How a Broker's own task (``run``) brings in what the venue says."""

    async def apply(self, change: Callable[[int], VenueCall | None]) -> None:
        """Run ``change(now_ns)`` on the writer thread and write what it changed in the same transaction; then make the call it returns.

        Returns when that call, and those it leads to, are settled.
        """

    async def submit(self, change: Callable[[int], Sequence[VenueCall]]) -> None:
        """The same for any number of calls, without waiting for them: returns once what ``change`` changed is committed."""

    async def read(self, query: Callable[[], ResultT]) -> ResultT:
        """What ``query`` finds on the writer thread, between two transactions; it must only look."""

    def now_ns(self) -> int:
        """The time that every other call is handed, from the event loop."""


class Broker(Protocol):
    """Commands raise an ArenaError and change nothing when they are refused. Times are integer nanoseconds since 1970 that never step."""

    mode: str  # "paper" or "live": the first part of every order id
    account_id: str  # the account at the venue; "paper" for paper
    protection: Protection  # who guards the stops it places

    @property
    def is_reconciled(self) -> bool:
        """False while what the venue holds is still being compared with the store: place and modify wait until then."""

    @property
    def next_expiry_ns(self) -> int | None:
        """When ``on_time`` has something to end next. Read on the event loop."""

    @property
    def open_count(self) -> int:
        """How many brackets are not final. Cheap: asked after every change."""

    @property
    def position_count(self) -> int:
        """How many of those hold something."""

    def restore(self, snapshot: Snapshot, now_ns: int) -> None:
        """Forget everything and go on from ``snapshot``. A bracket found SUBMITTING is UNKNOWN from here on."""

    def place(self, order: BracketOrder, *, placed_by: str, now_ns: int, deadline_ns: int | None = None) -> Progress:
        """Take ``order``; from ``deadline_ns`` on (in the time of ``now_ns``) it must not be sent any more."""

    def modify(self, order_id: str, changes: Mapping[str, object], *, now_ns: int) -> Progress: ...

    def cancel(self, order_id: str, *, reason: str, now_ns: int) -> Progress: ...

    def close(
        self, instrument: str, *, side: Side | None, units: Decimal | None, percent: Decimal | None, placed_by: str | None, reason: str, now_ns: int
    ) -> Progress:
        """Close ``units``, ``percent``, or all of what is open, oldest bracket first; of one user's brackets where ``placed_by`` names one."""

    def wants(self, quote: Quote) -> bool:
        """Whether ``quote`` could change anything but a valuation. Called on the event loop for every quote: cheap, and without a lock."""

    def on_quote(self, quote: Quote, *, now_ns: int, fresh: bool) -> None:
        """Let ``quote`` decide. One that is not fresh decides nothing."""

    def mark(self, marks: Iterable[Mark]) -> None:
        """Value the account by ``marks``, one of each instrument; nothing is decided by them."""

    def on_time(self, now_ns: int) -> None:
        """End what has outlived its time."""

    def shift_expiries(self, step_ns: int) -> None:
        """The wall clock was stepped: what waits for an hour on our clock still waits an hour, so its label moves along."""

    def drain(self) -> Changes:
        """What changed since the last call, in order."""

    def bracket(self, order_id: str) -> Bracket | None:
        """A bracket that is not final yet."""

    def open_brackets(self) -> Sequence[Bracket]: ...

    def positions(self) -> Sequence[Position]: ...

    def account(self, now_ns: int) -> Account: ...

    def exposure(self, instrument: str) -> Exposure:
        """What the limits look at before an order in ``instrument``."""

    def preview(self, order: BracketOrder) -> Preview: ...

    def reset(self, reset_by: str, now_ns: int) -> None:
        """Paper alone: end every bracket and open the account anew."""

    def adopt_feed(self, feed: str, now_ns: int) -> None:
        """Paper alone: let open brackets go on with the quotes of ``feed``."""

    async def run(self, port: VenuePort) -> None:
        """The account's own task for as long as the process lives: streams, catch-up, reconciling. Paper has none and returns."""
