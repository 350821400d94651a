"""What Rick says about the source as a whole: halts, stale feeds, lost protection, resets. Short, and without a smile where it is serious."""

from collections.abc import Mapping

from dashboard.narrator import figures
from dashboard.narrator.reading import Happening, clean
from dashboard.narrator.telling import Rule, Told, Turn, sentences

_STATES: Mapping[str, tuple[str, str]] = {
    "ACTIVE": ("trading again", "good"),
    "REDUCING": ("exits only from here, nothing new goes in", "warning"),
    "HALTED": ("trading is halted", "serious"),
}
REASON_CHARS_MAX = 120
# A feed carries a handful of instruments; more of them are counted, not named.
NAMES_MAX = 3


def trading_state_changed(turn: Turn) -> Told:
    event = turn.event
    state, by = event.word("new"), event.word("changed_by")
    if by == "settings":
        return sentences(f"{event.source} has other limits than before.", _reason(event)), "plain"
    said, tone = _STATES.get(state or "", (f"the trading state is now {state}" if state else "the trading state changed", "warning"))
    return sentences(f"{event.source}: {said}{f', by {by}' if by else ''}.", _reason(event)), tone


def protection_lost(turn: Turn) -> Told:
    name = f" ({turn.event.order_id})" if turn.order is not None else ""
    return sentences(f"{turn.what}{name} has lost its stop. Until that is mended nothing limits the loss.", _reason(turn.event)), "serious"


def protection_restored(turn: Turn) -> Told:
    return turn.pick("lead", f"{turn.what} has its stop back.", f"A stop guards {turn.what} again."), "good"


def feed_stale(turn: Turn) -> Told:
    event, what = turn.event, _instruments(turn.event)
    if event.word("reason") == "FEED_CHANGED":
        feeds = f"{event.word('orders_feed') or 'another feed'}, not {event.word('feed') or 'this one'}"
        return f"Orders on {what} were placed on prices from {feeds}. Their fills are held.", "warning"
    age_ms = event.number("age_ms")
    tail = f" for {figures.span(age_ms / 1000)}" if age_ms is not None else ""
    lead = turn.pick("lead", f"No fresh price for {what}{tail}.", f"Quiet on {what}{tail}.")
    return f"{lead} Nothing fills on an old one.", "warning"


def feed_recovered(turn: Turn) -> Told:
    what, silent_s = _instruments(turn.event), turn.event.number("silent_s")
    tail = f" after {figures.span(silent_s)}" if silent_s is not None else ""
    return turn.pick("lead", f"Prices for {what} are back{tail}.", f"Fresh prices again for {what}{tail}."), "good"


def reconciled(turn: Turn) -> Told:
    """What was found other than in the books, else that they were checked."""
    event = turn.event
    found = _differences(event)
    if found:
        is_money = isinstance(event.payload["details"], Mapping) and "booked" in event.payload["details"]
        more = f"And {len(found) - NAMES_MAX} more." if len(found) > NAMES_MAX else None
        return sentences(f"{event.source}: {'; '.join(found[:NAMES_MAX])}.", more), "plain" if is_money else "warning"
    blind_s, orders, what = event.number("blind_s"), event.number("orders"), event.word("instrument") or event.source
    lead = f"{what}: the books are checked" + (f" after {figures.span(blind_s)} without a look" if blind_s else "") + "."
    carried = f"{figures.plain(orders)} {'order was' if orders == 1 else 'orders were'} open meanwhile." if orders else None
    return sentences(lead, carried), "plain"


def clock_stepped(turn: Turn) -> Told:
    step_s = turn.event.number("step_s")
    by = f" by {figures.span(abs(step_s))}{' backwards' if step_s < 0 else ''}" if step_s is not None else ""
    return f"The wall clock jumped{by}. Expiries wait a minute until it is clear which time it is.", "warning"


def source_reset(turn: Turn) -> Told:
    source = turn.event.source
    if turn.event.word("old_epoch") is None:
        return f"{source} opens its journal. Page one.", "plain"
    return f"{source} starts a new journal; what was said before belongs to the old one.", "warning"


def paper_reset(turn: Turn) -> Told:
    balance, currency = turn.event.number("balance"), turn.event.word("currency") or ""
    amount = f", {figures.fixed(balance, 2)} {currency}".rstrip() if balance is not None else ""
    return f"The paper account is back where it began{amount}. {turn.pick('tail', 'So is the count of wins.', 'The streak is forgotten.')}", "plain"


def anything_else(turn: Turn) -> Told:
    """A type newer than these rules is still said to have happened."""
    what = f" on {turn.event.order_id}" if turn.event.order_id else ""
    return f"{turn.event.source} says {turn.event.type.replace('_', ' ')}{what}.", "plain"


def _differences(event: Happening) -> list[str]:
    details = event.payload.get("details")
    listed = details.get("differences") if isinstance(details, Mapping) else None
    return [clean(each, REASON_CHARS_MAX).rstrip(".") for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def _reason(event: Happening) -> str | None:
    reason = event.word("reason", REASON_CHARS_MAX)
    return f"The reason given: {reason.rstrip('.')}." if reason else None


def _instruments(event: Happening) -> str:
    listed = event.payload.get("instruments")
    names = [clean(name) for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    if not names:
        return event.source
    return ", ".join(names) if len(names) <= NAMES_MAX else f"{len(names)} instruments"


SYSTEM_RULES: Mapping[str, Rule] = {
    "trading_state_changed": trading_state_changed,
    "protection_lost": protection_lost,
    "protection_restored": protection_restored,
    "feed_stale": feed_stale,
    "feed_recovered": feed_recovered,
    "reconciled": reconciled,
    "clock_stepped": clock_stepped,
    "source_reset": source_reset,
    "paper_reset": paper_reset,
}
