"""Comparing the whole account with the venue, and telling people what was found. Called on the writer thread, with what the venue held just now."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.live.account import LiveAccount
from brokers.live.jobs import Jobs, target_of
from brokers.live.legs import lasting
from brokers.live.strangers import adopted, why_not
from brokers.live.venue import Stranger, Target, VenueSnapshot
from trading import events
from trading.brackets import Bracket
from trading.money import plain
from trading.orders import OrderStatus
from trading.venue_refs import Doubt


class Comparing:
    """Of one account."""

    def __init__(self, account: LiveAccount, jobs: Jobs) -> None:
        self._account = account
        self._jobs = jobs
        self._hearing = jobs.hearing
        self._seeing = jobs.seeing
        self._ended_yet_seen: dict[int, int] = {}
        self._leftovers: list[Bracket] = []
        self._unreadable: frozenset[str] = frozenset()
        self._foreign: Mapping[str, tuple[Stranger, str]] = {}
        self._unclear: Mapping[str, str] = {}

    def targets(self) -> tuple[Sequence[Target], Mapping[int, Bracket]]:
        """What the venue is to be asked about, and the brackets as they stand before it is."""
        brackets = {n: bracket for n, bracket in self._account.state.brackets.items() if bracket.status is not OrderStatus.SUBMITTING}
        return [target_of(bracket) for bracket in brackets.values()], brackets

    def take(self, snapshot: VenueSnapshot, before: Mapping[int, Bracket], now_ns: int, begun_ns: int) -> Sequence[Bracket]:
        """Let the venue win, as it was at ``begun_ns``. A bracket that moved since it was asked about has its turn at the next comparison.

        Returns:
            Brackets that have ended and have an exit there still, which is to be taken off.
        """
        account, self._leftovers = self._account, []
        account.book.must_compare = False
        for n, bracket in before.items():
            sighting = snapshot.sightings.get(bracket.venue.client_id)
            current = account.state.brackets.get(n)
            if sighting is None or current is None:
                continue
            if not _is_as_it_was(bracket, current) or self._jobs.is_busy(n):
                self._hearing.take(lasting(sighting.facts), now_ns, current)
            elif current.venue.doubt is not Doubt.NONE or current.venue.asked is Doubt.CLOSE or sighting.standing is not None or sighting.lost:
                self._seeing.seen(current, sighting, now_ns, begun_ns)
            else:
                self._hearing.take(sighting.facts, now_ns, current)
                current = account.state.brackets.get(n)
                if current is not None:
                    self._seeing.compare(current, None, now_ns, begun_ns, snapshot.until)
            self._jobs.note(n)
        looks, self._ended_yet_seen = self._ended_yet_seen, {}
        ids = [self._adopt(stranger, looks, now_ns, begun_ns, snapshot.until) for stranger in snapshot.strangers]
        self._tell_foreign({each.refs.client_id: (each, why) for each in snapshot.strangers if (why := why_not(each, account.state.instruments))})
        self._hearing.told += [f"{text}: it is none of ours; look at it there" for text in snapshot.unreadable if text not in self._unreadable]
        self._unreadable = frozenset(snapshot.unreadable)
        self._tell_unclear(snapshot.unclear, before)
        account.set_funds(snapshot.account, now_ns)
        self._hearing.tell(now_ns, adopted=[order_id for order_id in ids if order_id])
        return self._leftovers

    def tell_first(self, blind_s: Decimal, now_ns: int) -> None:
        """The first comparison since the start is done."""
        details = {"venue": self._account.state.venue, "account": "compared"}
        orders = len(self._account.state.brackets)
        self._account.state.tell(events.reconciled(instrument=None, blind_s=blind_s, orders=orders, ts_ns=now_ns, details=details))

    def _adopt(self, stranger: Stranger, looks: Mapping[int, int], now_ns: int, begun_ns: int, until: int) -> str | None:
        """The order id of what is new here. What has ended here must be seen twice: it may have ended while the first look was on its way.

        Args:
            looks: by n, how many comparisons in a row have found something of a bracket that has ended.
        """
        account = self._account
        known = next((bracket for ref in stranger.refs.ids() if ref and (bracket := account.book.knows(ref)) is not None), None)
        if known is not None and not known.is_final:
            return None  # it came in while the venue was asked
        if known is not None:
            self._ended_yet_seen[known.n] = looks.get(known.n, 0) + 1
            if self._ended_yet_seen[known.n] == 1:
                account.book.must_compare = True
            elif account.releases and known.status is OrderStatus.CLOSED and stranger.side is not known.side:
                self._leftover(known, stranger)
            elif self._ended_yet_seen[known.n] == 2:
                self._orphan(known, stranger, now_ns, begun_ns, until)
            return None
        if why_not(stranger, account.state.instruments) or not stranger.standing.position_units + stranger.standing.remaining_units:
            return None
        bracket = adopted(stranger, n=account.state.next_n, venue=account.state.venue, now_ns=now_ns, until=until)
        account.state.next_n += 1
        bracket = account.book.put(bracket)
        account.state.tell(events.oco_placed(bracket))
        held, rests = bracket.position_units, bracket.remaining_units
        self._hearing.told.append(
            f"{bracket.order_id}: found at the venue, placed there by another: {bracket.side} {bracket.instrument}, {held} held, {rests} resting"
        )
        return bracket.order_id

    def _tell_unclear(self, unclear: Mapping[str, str], before: Mapping[int, Bracket]) -> None:
        """Brackets of which something cannot be read are not compared, and their figures here may not be the venue's."""
        for bracket in before.values():
            why = unclear.get(bracket.venue.client_id)
            if why is not None and self._unclear.get(bracket.venue.client_id) != why:
                self._hearing.told.append(f"{bracket.order_id}: {why}: it is not compared, and may stand otherwise than here; look at it there")
        self._unclear = unclear

    def _tell_foreign(self, found: Mapping[str, tuple[Stranger, str]]) -> None:
        """What can have no order id and no figures of ours (``why_not``) uses the account's margin all the same.

        It is told when it is found, changes or goes. A restart tells it again.
        """
        now = {name: (each, why) for name, (each, why) in found.items() if each.standing.position_units + each.standing.remaining_units}
        for client_id, (each, why) in now.items():
            before, standing = self._foreign.get(client_id), each.standing
            sizes = (standing.position_units, standing.remaining_units)
            if before is None or (before[0].standing.position_units, before[0].standing.remaining_units) != sizes:
                held, rests = map(plain, sizes)
                self._hearing.told.append(
                    f"{_named(each, why)}: {each.side}, {held} held, {rests} resting; it uses the account's margin and is left alone"
                )
        for client_id, (each, why) in self._foreign.items():
            if client_id not in now:
                self._hearing.told.append(f"{_named(each, why)}: nothing of it stands any more")
        self._foreign = now

    def _leftover(self, known: Bracket, stranger: Stranger) -> None:
        """An exit of ours of a position that is out: it would trade what is not the bracket's, so it is taken off, again until it is gone."""
        if self._ended_yet_seen[known.n] == 2:
            self._hearing.told.append(f"{known.order_id} is {known.status}, and an exit of it still stands at the venue; it is taken off")
        refs = replace(known.venue, order_refs=(*known.venue.order_refs, *stranger.refs.order_refs))
        self._leftovers.append(replace(known, venue=refs))
        self._account.book.must_compare = True

    def _orphan(self, known: Bracket, stranger: Stranger, now_ns: int, begun_ns: int, until: int) -> None:
        """Something that goes by the ids of a bracket that has ended still stands: it turned up after all."""
        standing = stranger.standing
        if known.status is OrderStatus.CLOSED or not standing.position_units + standing.remaining_units:
            self._hearing.told.append(f"{known.order_id} is {known.status}, and something of it still stands at the venue: look at it there")
            return
        back = self._account.book.turned_up(known, now_ns, rests=bool(standing.remaining_units))
        self._seeing.compare(back, standing, now_ns, begun_ns, until)
        self._jobs.note(known.n)


def _is_as_it_was(before: Bracket, now: Bracket) -> bool:
    """Whether nothing has happened to the bracket since ``before``; a trailing stop that is held here moves by every quote, and is nothing there."""
    return now is before or replace(now, stop_price=before.stop_price, updated_ns=before.updated_ns) == before


def _named(stranger: Stranger, why: str) -> str:
    refs = stranger.refs
    which = f"trade {refs.trade_refs[0]}" if refs.trade_refs else f"order {refs.order_refs[0]}" if refs.order_refs else refs.client_id
    return f"placed at the venue by another ({which}), and {why}"
