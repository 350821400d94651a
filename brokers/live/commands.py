"""What people may ask of a live account: each command is checked as far as it can be here, noted in the book, and handed to ``Jobs`` to be asked.

Nothing has happened when a command returns but what the book says; the venue has the last word on all of it.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from brokers.base import Progress, VenueCall, Verdict
from brokers.live.account import MODE, LiveAccount
from brokers.live.jobs import Jobs
from brokers.live.venue import Amendment, Exits, Intent, client_id_of
from brokers.paper.changing import BEFORE_FILL, check_values, wanted_changes
from brokers.paper.closing import parts_to_close
from brokers.paper.placing import expiry_ns, reserve_price_of
from bus.deadline import NS_PER_MS, TTL_MS_MAX
from runtime.clock import NS_PER_S, Clock
from trading import events
from trading.brackets import Bracket, Protection
from trading.errors import OrderDenied, StateConflict
from trading.events import CancelReason
from trading.instruments import Side
from trading.order_checks import check_exits_around_entry
from trading.orders import BracketOrder, CloseReason, OrderStatus
from trading.venue_refs import Doubt, VenueRefs

# A create without a deadline of its own must leave within this.
SEND_S_MAX = 10.0


class Commands:
    """Those of one account; called on the writer thread."""

    def __init__(self, account: LiveAccount, jobs: Jobs, clock: Clock) -> None:
        self._account = account
        self._jobs = jobs
        self._clock = clock

    def place(self, order: BracketOrder, *, placed_by: str, now_ns: int, deadline_ns: int | None) -> Progress:
        """Write the intent down; the call sends it.

        Raises:
            OrderDenied: STOP_WRONG_SIDE, TARGET_WRONG_SIDE, ENTRY_TYPE_UNSUPPORTED.
            StateConflict: ORDER_AT_VENUE.
        """
        account, state = self._account, self._account.state
        check_exits_around_entry(order)
        capability = account.capability(order.instrument)
        if order.entry_type not in capability.entry_types:
            raise OrderDenied(
                f"{state.venue} takes no {order.entry_type} entry in {order.instrument}",
                code="ENTRY_TYPE_UNSUPPORTED",
                details={"field": "entry_type", "value": str(order.entry_type), "known": sorted(map(str, capability.entry_types))},
            )
        n = state.next_n
        order_id = f"{MODE}-{state.venue}-{n}"
        client_id = client_id_of(account.instance, placed_by, order.client_order_id or order_id)
        known = account.book.knows(client_id)
        if known is not None:  # the store has forgotten it (an old copy was restored), the venue has not
            raise StateConflict(
                f"the venue already has an order under this client_order_id: it is {known.order_id} here; look at it, and use a new id for another",
                code="ORDER_AT_VENUE",
                details={"order_id": known.order_id, "client_order_id": order.client_order_id},
            )
        bracket = Bracket(
            order_id=order_id,
            n=n,
            order=order,
            placed_by=placed_by,
            mode=MODE,
            status=OrderStatus.SUBMITTING,
            protection=Protection.NONE,
            placed_ns=now_ns,
            updated_ns=now_ns,
            ttl_expires_ns=expiry_ns(order.ttl_min, now_ns),
            stop_price=order.stop_loss_price,
            reserve_price=reserve_price_of(state, order),
            venue=VenueRefs(client_id=client_id, cursor_before=account.cursor, sent_ns=now_ns, asked_ns=now_ns),
        )
        state.next_n += 1
        account.notes.pop(n, None)
        account.book.put(bracket)
        state.tell(events.oco_placed(bracket))
        # At most what a request may ask for: the clock may have been set back since its deadline was reckoned.
        left_ns = round(SEND_S_MAX * NS_PER_S) if deadline_ns is None else min(deadline_ns - now_ns, TTL_MS_MAX * NS_PER_MS)
        intent = Intent(
            client_id=client_id,
            order=order,
            expires_ns=bracket.ttl_expires_ns,
            cursor_before=account.cursor,
            deadline_boot_ns=self._clock.boot_ns() + left_ns,
            created_ns=now_ns,
        )
        return Progress(brackets=[bracket], calls=[self._jobs.create(bracket, intent)])

    def modify(self, order_id: str, changes: Mapping[str, object], *, now_ns: int) -> Progress:
        """Ask the venue for what it holds of the change; what is held here changes at once.

        Raises:
            NotFound: ORDER_NOT_FOUND.
            InvalidRequest: NOTHING_TO_CHANGE, FIELD_FIXED, NULL_NOT_ALLOWED.
            StateConflict: ORDER_FILLED, ORDER_CLOSING, ORDER_BUSY (another change is out, or something is in doubt).
            OrderDenied: what ``check_ticket`` denies, and STOP_WOULD_LOOSEN.
        """
        state = self._account.state
        bracket = state.find(order_id)
        instrument = state.instruments[bracket.instrument]
        wanted = wanted_changes(changes)
        details = {"order_id": order_id, "status": str(bracket.status)}
        if bracket.closing_units or bracket.venue.cancel_reason:
            raise StateConflict(f"{order_id} is being closed or cancelled", code="ORDER_CLOSING", details=details)
        if self._jobs.is_busy(bracket.n) or bracket.status in {OrderStatus.SUBMITTING, OrderStatus.UNKNOWN}:
            raise StateConflict(f"something else is being asked of the venue about {order_id}: try again shortly", code="ORDER_BUSY", details=details)
        if bracket.filled_units and (late := sorted(BEFORE_FILL & set(wanted))):
            raise StateConflict(
                f"{late[0]} can only be changed before anything has filled", code="ORDER_FILLED", details={"order_id": order_id, "field": late[0]}
            )
        check_values(bracket, instrument, wanted)
        order = replace(bracket.order, **wanted)  # type: ignore[arg-type]  # the names were checked
        if not bracket.filled_units:
            check_exits_around_entry(order)
        told = _differing(bracket, order, wanted)
        if not told:
            return Progress(brackets=[bracket])
        expires_ns = expiry_ns(order.ttl_min, now_ns) if "ttl_min" in wanted else bracket.ttl_expires_ns

        def change(current: Bracket, at_ns: int) -> Bracket:
            after = replace(
                current,
                order=replace(current.order, **wanted),  # type: ignore[arg-type]  # the names were checked
                stop_price=wanted.get("stop_loss_price", current.stop_price),
                ttl_expires_ns=expires_ns,
                reserve_price=reserve_price_of(state, order),
                updated_ns=at_ns,
            )
            state.tell(events.order_modified(after, told, at_ns))
            return after

        asked = self._amendment(bracket, wanted, expires_ns)
        if asked == Amendment():
            return Progress(brackets=[self._account.book.put(change(bracket, now_ns))])
        verdict = Verdict(order_id)
        call = self._jobs.amend(bracket, asked, change, verdict, now_ns)
        return Progress(brackets=[bracket], calls=[call], verdicts=[verdict])

    def _amendment(self, bracket: Bracket, wanted: Mapping[str, Decimal], expires_ns: int) -> Amendment:
        """What of a change the venue holds: not an exit that is placed after the fill and does not stand yet, nor one that is held here."""
        capability = self._account.capability(bracket.instrument)
        stands = bracket.position_units and capability.exits is not Exits.HELD
        has_stop = capability.exits is Exits.ATTACHED or stands
        has_target = capability.exits is Exits.ATTACHED or (stands and capability.exits is not Exits.STOP_ONLY)
        ends_there = bracket.order.entry_type in capability.ttl_types
        return Amendment(
            entry_price=wanted.get("entry_price"),
            expires_ns=expires_ns if "ttl_min" in wanted and ends_there else None,
            stop_loss_price=wanted.get("stop_loss_price") if has_stop else None,
            take_profit_price=wanted.get("take_profit_price") if has_target else None,
            trailing_stop_distance=wanted.get("trailing_stop_distance") if has_stop and capability.trails else None,
        )

    def cancel(self, order_id: str, *, reason: str, now_ns: int) -> Progress:
        """Ask for the end of the entry. Of an order that is still on its way, it is ended as soon as the venue has it.

        Raises:
            NotFound: ORDER_NOT_FOUND.
            StateConflict: ORDER_OPEN, nothing of the entry is left.
        """
        account = self._account
        bracket = account.state.find(order_id)
        if not bracket.remaining_units:
            raise StateConflict(
                f"{order_id} has filled: close its position instead", code="ORDER_OPEN", details={"order_id": order_id, "status": str(bracket.status)}
            )
        wanted = account.want_cancel(bracket, reason, now_ns)
        return self._asked([wanted], Doubt.CANCEL, now_ns)

    def close(
        self,
        instrument: str,
        *,
        side: Side | None,
        units: Decimal | None,
        percent: Decimal | None,
        placed_by: str | None,
        reason: CloseReason,
        now_ns: int,
    ) -> Progress:
        """Ask for (part of) a position to be closed, oldest bracket first. Raises what ``brokers.paper.closing.parts_to_close`` does."""
        parts = parts_to_close(self._account.state, instrument, side=side, units=units, percent=percent, placed_by=placed_by)
        asked = [self._want_close(bracket, part, reason, now_ns) for bracket, part in parts]
        return self._asked(asked, Doubt.CLOSE, now_ns)

    def close_bracket(self, order_id: str, *, reason: CloseReason, now_ns: int) -> Progress:
        """Ask for all that one bracket holds to be closed.

        Raises:
            NotFound: ORDER_NOT_FOUND.
        """
        bracket = self._account.state.find(order_id)
        asked = self._want_close(bracket, bracket.position_units - bracket.closing_units, reason, now_ns)
        return self._asked([asked], Doubt.CLOSE, now_ns)

    def close_what_fills(self) -> None:
        """Whatever still fills of an entry that is being ended is closed too."""
        for bracket in list(self._account.state.brackets.values()):
            if bracket.remaining_units and bracket.venue.cancel_reason:
                self._account.book.put(replace(bracket, closing_reason=CloseReason.KILL_SWITCH))

    def protect(self, order_id: str, *, now_ns: int) -> Progress:
        """Ask for the stop of what the bracket holds once more.

        Raises:
            NotFound: ORDER_NOT_FOUND.
        """
        bracket = self._account.state.find(order_id)
        bare = self._account.book.put(replace(bracket, venue=replace(bracket.venue, stop_removed=False)))
        self._account.notes_of(bracket.n).looked_for_stop = True
        return Progress(brackets=[bare], calls=self._calls([bare], now_ns))

    def _want_close(self, bracket: Bracket, units: Decimal, reason: CloseReason, now_ns: int) -> Bracket:
        why = CancelReason.KILL_SWITCH if reason is CloseReason.KILL_SWITCH else CancelReason.USER
        return self._account.want_close(bracket, units, reason, str(why), now_ns)

    def _asked(self, brackets: list[Bracket], what: Doubt, now_ns: int) -> Progress:
        verdicts = [self._jobs.waiting.wait(bracket, what) for bracket in brackets]
        return Progress(brackets=brackets, calls=self._calls(brackets, now_ns), verdicts=verdicts)

    def _calls(self, brackets: list[Bracket], now_ns: int) -> list[VenueCall]:
        calls = [self._jobs.begin(bracket.n, now_ns) for bracket in brackets]
        return [call for call in calls if call is not None]


def _differing(bracket: Bracket, order: BracketOrder, wanted: Mapping[str, Decimal]) -> dict[str, object]:
    """Each changed field as ``order_modified`` tells it."""
    told: dict[str, object] = {
        name: {"from": getattr(bracket.order, name), "to": value} for name, value in wanted.items() if value != getattr(bracket.order, name)
    }
    if "ttl_min" in wanted:
        told["ttl_min"] = {"from": bracket.order.ttl_min, "to": order.ttl_min}
    if "stop_loss_price" in wanted and order.stop_loss_price != bracket.stop_price:
        told["stop_loss_price"] = {"from": bracket.stop_price, "to": order.stop_loss_price}
    return told
