"""Taking up what somebody placed at the venue itself: it gets an order id, is shown and counted like everything else, and is never touched unasked.

``origin: external``; nobody of ours placed it, so changing it takes an admin. Pure.
"""

from dataclasses import replace

from brokers.live.account import MODE
from brokers.live.facts import MADE_UP
from brokers.live.venue import Stranger
from trading.brackets import EXTERNAL, Bracket, Protection
from trading.instruments import Instruments, Side
from trading.money import ZERO, book, fits_wire, nearest, plain
from trading.orders import BracketOrder, EntryType, OrderStatus
from trading.venue_refs import MadeUp, StandingLeg

PLACED_BY = "external"


def why_not(stranger: Stranger, instruments: Instruments) -> str:
    """Why ``stranger`` can have no order id and no figures here, empty where it can: then it is only told of."""
    if stranger.instrument not in instruments:
        return f"{stranger.instrument} is not configured here"
    standing = stranger.standing
    exits = [number for leg in (standing.stop, standing.target) if leg is not None for number in (leg.units, leg.price)]
    numbers = (standing.position_units, standing.remaining_units, stranger.units, stranger.entry_price or ZERO, *exits)
    return "" if all(map(fits_wire, numbers)) else "its numbers have more digits than can be shown"


def adopted(stranger: Stranger, *, n: int, venue: str, now_ns: int, until: int) -> Bracket:
    """The bracket that ``stranger`` is here, by a look that reached ``until`` (``VenueSnapshot``). Exits that it has not got are 0."""
    standing = stranger.standing
    stop = ZERO if standing.stop is None else standing.stop.price
    target = ZERO if standing.target is None else standing.target.price
    if stop and target and (target - stop) * stranger.side.sign <= 0:
        target = ZERO  # a hand at the venue can do what makes no bracket: the stop is what counts
    price = stranger.entry_price if stranger.entry_price is not None else standing.average_price
    held, rests = standing.position_units, standing.remaining_units
    # What has filled and left again before we looked is history that no figure here rests on.
    units = plain(held + rests)
    status = OrderStatus.PENDING if not held else OrderStatus.PARTIALLY_FILLED if rests else OrderStatus.OPEN
    average = nearest(standing.average_price if standing.average_price is not None else price or ZERO)
    entry_type = stranger.entry_type if price is not None and stranger.entry_type is not EntryType.MARKET else EntryType.MARKET
    order_id = f"{MODE}-{venue}-{n}"
    # Its fills are in what is held, and the venue may still tell of them.
    entered = MadeUp(fill_id=f"{MADE_UP}{order_id}.0", is_entry=True, units=plain(held), price=average, realized_pnl=ZERO, until=until)
    refs = replace(stranger.refs, made_up=(entered,) if held else ())
    return Bracket(
        order_id=order_id,
        n=n,
        order=BracketOrder(
            instrument=stranger.instrument,
            side=Side(stranger.side),
            units=units,
            entry_type=entry_type,
            entry_price=None if entry_type is EntryType.MARKET else price,
            stop_loss_price=stop,
            take_profit_price=target,
            client_order_id="",
        ),
        placed_by=PLACED_BY,
        mode=MODE,
        status=status,
        protection=Protection.NONE,
        placed_ns=now_ns,
        updated_ns=now_ns,
        ttl_expires_ns=standing.expires_ns or 0,
        stop_price=stop,
        filled_units=plain(held),
        entry_value=plain(held * average),
        open_cost=book(held * average),
        opened_ns=(stranger.created_ns or now_ns) if held else 0,
        reserve_price=price or average,
        venue=refs.with_stops(_standing(standing.stop)).with_targets(_standing(standing.target)),
        origin=EXTERNAL,
    )


def _standing(leg: StandingLeg | None) -> dict[str, StandingLeg]:
    """An exit that works already, for all there is."""
    return {} if leg is None or not leg.units else {"": leg}
