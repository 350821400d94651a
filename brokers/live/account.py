"""A live account in memory: its book, its money as the venue reckons it, where the venue's log was read up to, and what its record keeps of that.

Positions, exposure and previews are worked out from the brackets and the standing quotes exactly as for a paper account (``brokers.paper.views``);
only the money underneath is the venue's: settled cash comes from its last look at the account and moves with each fill until the next one.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from brokers.base import Snapshot
from brokers.live.book import Book
from brokers.live.facts import Booked, BookingKind
from brokers.live.legs import unsure
from brokers.live.plan import Notes
from brokers.live.venue import Capability, Exits, VenueAccount, VenueInfo
from brokers.live.waiting import ONCE, PERSISTENT
from brokers.paper import views
from brokers.paper.config import PaperAccountConfig
from brokers.paper.state import State
from trading import events
from trading.accounts import Account
from trading.brackets import ARENA, Bracket
from trading.changes import Changes
from trading.instruments import Instruments
from trading.money import ZERO, book, nearest, plain
from trading.order_state import Step, apply
from trading.orders import CloseReason, OrderStatus
from trading.risk import Exposure
from trading.venue_refs import Doubt

MODE = "live"
CURRENCY = "USD"  # until the venue has said which
# Bookings that are recognised when they are told again; a venue books a few a day, and tells again only what is around the cursor.
BOOKED_MAX = 200

_NO_CAPABILITY = Capability()


class LiveAccount:
    """Everything the writer thread knows of one account at ``venue``. ``is_open``: the venue has been asked what can be done there."""

    def __init__(self, *, venue: str, instruments: Instruments, releases: bool = False) -> None:
        self.instruments = instruments
        on_margin = any(each.margin_rate is not None for each in instruments.for_venue(venue).values())
        config = PaperAccountConfig(currency=CURRENCY, balance=ZERO, on_margin=on_margin)
        self.state = State(venue=venue, instruments=instruments, config=config, mode=MODE)
        self.book = Book(self.state, self.holds_stop, releases=releases)
        self.capabilities: Mapping[str, Capability] = {}
        self.is_open = False
        self.funds: VenueAccount | None = None
        self.funds_ns = 0
        self.cursor = ""
        self.financing = ZERO
        self._booked: list[str] = []
        self.instance = ""
        self.releases = releases
        self.account_ref = ""
        self.notes: dict[int, Notes] = {}

    def restore(self, snapshot: Snapshot, now_ns: int, in_flight: frozenset[int]) -> None:
        """Go on from the store. What was sent and not answered is in doubt, unless its call is still out (``in_flight``).

        Orders of a paper account that share the store are none of ours, and void; so is what was found at another account.
        """
        self.book.clear()
        self.notes.clear()
        self.instance = snapshot.instance
        self._load_record(snapshot.account)
        self.state.next_n = snapshot.next_n
        for bracket in (*snapshot.finished, *snapshot.brackets):
            if _is_ours(bracket, snapshot):
                self.book.load(bracket)
        for bracket in snapshot.brackets:
            if not _is_ours(bracket, snapshot):
                self._void(bracket, now_ns)
            elif bracket.n not in in_flight:
                self._take_up(bracket, now_ns)
        if self.funds is not None:
            self.set_funds(self.funds, self.funds_ns)
            self.state.account_changed = False  # it is what the store has

    def _take_up(self, bracket: Bracket, now_ns: int) -> None:
        refs = bracket.venue
        if self.releases and refs.asked not in {Doubt.NONE, Doubt.CANCEL}:
            bracket = unsure(bracket)
        if bracket.status is OrderStatus.SUBMITTING:
            self.book.lose(bracket, Doubt.CREATE, now_ns, now_ns)
        elif refs.asked in {Doubt.AMEND, Doubt.CLOSE}:
            self.book.lose(bracket, refs.asked, now_ns, min(refs.asked_ns, now_ns))
        elif refs.asked is not Doubt.NONE:  # to cancel or protect once more does no harm
            self.book.put(replace(bracket, venue=replace(bracket.venue, asked=Doubt.NONE)))
        elif refs.doubt is not Doubt.NONE and refs.asked_ns > now_ns:  # the clock was set back while nobody ran: else it would wait for that hour
            self.book.put(replace(bracket, venue=replace(refs, asked_ns=now_ns)))

    def _void(self, bracket: Bracket, now_ns: int) -> None:
        """A row of another account: it is written as ended and nothing else; this book never holds it."""
        void = apply(bracket, Step.RESET, now_ns=now_ns, entry_cancelled=True, closing_units=ZERO, cancel_reason="live_mode")
        self.state.put(void)
        self.state.tell(events.order_resolved(void, now_ns))

    # ── what the venue says of the account ──

    def refusal_of(self, info: VenueInfo) -> str:
        """Why these credentials must not be used: they are for another account of the same owner, and orders of ours are open at the one before."""
        if not self.account_ref or not info.account_ref or self.account_ref == info.account_ref:
            return ""
        open_here = [bracket for bracket in self.state.brackets.values() if bracket.origin == ARENA]
        if not open_here:
            return ""
        return (
            f"the key is for portfolio {info.account_ref}, and {len(open_here)} order(s) of ours ({open_here[0].order_id} first) are open in "
            f"portfolio {self.account_ref}: use a key of that one and close them, or another ARENA_HOME"
        )

    def opened(self, info: VenueInfo, now_ns: int) -> None:
        """Take over the venue's own precision and what can be done there."""
        self.account_ref = info.account_ref or self.account_ref
        for instrument in info.instruments:
            if instrument.name in self.instruments:
                self.instruments.refine(instrument)
                self.state.instruments.refine(instrument)
        self.capabilities = dict(info.capabilities)
        self.is_open = True
        self.set_funds(info.account, now_ns)

    def set_funds(self, funds: VenueAccount, now_ns: int) -> None:
        """The money is what the venue says."""
        books = self.state.books
        self.funds, self.funds_ns = funds, now_ns
        books.currency = funds.currency
        books.balance = book(funds.balance)  # a venue may say it to the twentieth digit
        held: dict[str, Decimal] = {}
        if not books.config.on_margin:
            # The venue's cash has what our open longs cost taken off already; the books take it off themselves.
            for name, share in books.shares.items():
                instrument = self.state.instruments[name]
                held[instrument.base] = held.get(instrument.base, ZERO) + share.long_units - share.short_units
                if instrument.quote == funds.currency:
                    books.balance = plain(books.balance + share.long_cost - share.short_cost)
        books.own_holdings = {name: nearest(amount - held.get(name, ZERO)) for name, amount in funds.holdings.items()}
        self.state.account_changed = True

    def take_booking(self, fact: Booked) -> bool:
        """Count a booking; False when it has been counted. The balance is the venue's own, and is asked for: it may have this one in it already."""
        if fact.booking_id in self._booked:
            return False
        self._booked = [*self._booked, fact.booking_id][-BOOKED_MAX:]
        if fact.kind is not BookingKind.TRANSFER:
            self.financing = plain(self.financing + book(fact.amount))
        self.state.account_changed = True
        self.book.must_compare = True
        return True

    def kept_cursor(self, cursor: str) -> None:
        """What came up to here is in the book: it is committed with it."""
        if cursor and cursor != self.cursor:
            self.cursor = cursor
            self.state.account_changed = True

    # ── what can be done ──

    def capability(self, instrument: str) -> Capability:
        return self.capabilities.get(instrument, _NO_CAPABILITY)

    def holds_stop(self, bracket: Bracket) -> bool:
        """Whether the stop is watched here: there is one, the venue can hold none, and we have quotes to watch by."""
        return bool(bracket.stop_price) and self.capability(bracket.instrument).exits is Exits.HELD and self.is_open

    def notes_of(self, n: int) -> Notes:
        return self.notes.setdefault(n, Notes())

    def mark_price(self, bracket: Bracket) -> Decimal | None:
        """What closing it would get now."""
        standing = self.state.market.standing(bracket.instrument)
        return None if standing is None else standing.exit_price(bracket.side)

    def want_close(self, bracket: Bracket, units: Decimal, reason: CloseReason, cancel_reason: str, now_ns: int) -> Bracket:
        """Ask for ``units`` to be closed at the market, and for what is left of the entry to be cancelled.

        What is on its way out already (0 ``units``) is asked for at once; what must go goes on to be closed for that reason, whoever asked first.
        """
        if bracket.remaining_units:
            bracket = self.want_cancel(bracket, cancel_reason, now_ns)
        self.notes_of(bracket.n).close_now()
        if bracket.closing_units and bracket.closing_reason in PERSISTENT:
            reason = bracket.closing_reason
        if not units and (not bracket.closing_units or reason not in PERSISTENT):
            return bracket
        return self.book.put(replace(bracket, closing_units=bracket.closing_units + units, closing_reason=reason, updated_ns=now_ns))

    def want_cancel(self, bracket: Bracket, reason: str, now_ns: int) -> Bracket:
        """Ask for the entry to be ended. The first reason given stays, but for one that is given up when the venue would not: what must end then
        goes on to be asked for."""
        if bracket.venue.cancel_reason and (bracket.venue.cancel_reason not in ONCE or reason in ONCE):
            return bracket
        self.notes_of(bracket.n).answered()
        refs = replace(bracket.venue, cancel_reason=reason)
        if bracket.status in {OrderStatus.PENDING, OrderStatus.PARTIALLY_FILLED}:
            return self.book.put(apply(bracket, Step.CANCEL_SENT, now_ns=now_ns, venue=refs))
        return self.book.put(replace(bracket, venue=refs, updated_ns=now_ns))

    # ── what people look at ──

    def view(self, now_ns: int) -> Account:
        """The account at the standing quotes; the venue's own equity and margin while no quote says better. Stale until the venue has been asked."""
        account = views.account(self.state, now_ns)
        funds = self.funds
        if funds is None:
            return replace(account, financing=self.financing, stale=True)
        used = account.margin_used if funds.margin_used is None else book(funds.margin_used)
        equity = account.equity if funds.equity is None or not account.stale else book(funds.equity)
        return replace(
            account,
            equity=equity,
            awaited=account.awaited if funds.equity is None else (),
            margin_used=used,
            margin_available=plain(equity - used) if funds.margin_available is not None else account.margin_available,
            financing=self.financing,
            reserved=max(account.reserved, book(funds.reserved)),
            stale=account.stale or not self.is_open,
        )

    def exposure(self, instrument: str) -> Exposure:
        """What the limits look at, with the equity that ``view`` shows: else a day would be measured with the one and begun with the other."""
        found, funds = views.exposure(self.state, instrument), self.funds
        if funds is None or funds.equity is None:
            return found
        account = self.view(self.funds_ns)
        return found._replace(equity=account.equity, awaited=account.awaited)

    # ── the record ──

    def drain(self) -> Changes:
        changes = self.state.drain()
        record = None if changes.account is None else self._record()
        return changes._replace(account=record, events=[journalled(draft) for draft in changes.events])

    def _record(self) -> dict[str, object]:
        funds = self.funds
        books = self.state.books
        kept: dict[str, object] = {
            "cursor": self.cursor,
            "account_ref": self.account_ref,
            "realized_pnl": str(books.realized_pnl),
            "fees": str(books.fees),
        }
        kept |= {"financing": str(self.financing), "booked": list(self._booked)}
        if funds is not None:
            kept["funds"] = {
                "currency": funds.currency,
                "balance": str(funds.balance),
                "equity": None if funds.equity is None else str(funds.equity),
                "holdings": {name: str(amount) for name, amount in funds.holdings.items()},
            }
        return kept

    def _load_record(self, record: Mapping[str, object]) -> None:
        books = self.state.books
        books.start(books.currency, ZERO, {})
        self.cursor = str(record.get("cursor", ""))
        self.account_ref = str(record.get("account_ref", ""))
        books.realized_pnl = Decimal(str(record.get("realized_pnl", 0)))
        books.fees = Decimal(str(record.get("fees", 0)))
        self.financing = Decimal(str(record.get("financing", 0)))
        booked = record.get("booked", [])
        assert isinstance(booked, list)
        self._booked = [str(each) for each in booked]
        funds = record.get("funds")
        if self.funds is None and isinstance(funds, Mapping):
            equity, holdings = funds.get("equity"), funds.get("holdings")
            assert isinstance(holdings, Mapping)
            self.funds = VenueAccount(
                currency=str(funds["currency"]),
                balance=Decimal(str(funds["balance"])),
                equity=None if equity is None else Decimal(str(equity)),
                holdings={str(name): Decimal(str(amount)) for name, amount in holdings.items()},
            )


def journalled(draft: events.EventDraft) -> events.EventDraft:
    """``draft`` with numbers as near as the journal takes them: what a venue shows may add up to more digits, and one that could not be written
    would end the process, and the next one, over the same thing."""
    payload = _near(draft.payload)
    assert isinstance(payload, Mapping)
    return draft if payload is draft.payload else draft._replace(payload=payload)


def _near(value: object) -> object:
    """``value`` itself where every number in it travels."""
    if isinstance(value, Decimal):
        return nearest(value)
    if isinstance(value, Mapping):
        found = {name: _near(each) for name, each in value.items()}
        return value if all(found[name] is each for name, each in value.items()) else found
    if isinstance(value, list | tuple):
        items = [_near(each) for each in value]
        return value if all(near is each for near, each in zip(items, value, strict=True)) else items
    return value


def _is_ours(bracket: Bracket, snapshot: Snapshot) -> bool:
    """Whether ``bracket`` is at this account."""
    return bracket.mode == MODE and bracket.n >= snapshot.first_n
