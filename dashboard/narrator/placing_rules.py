"""What Rick says when an order is placed or changed: reward to risk, what the stop would cost, what else is on, the quality it was given."""

from decimal import Decimal

from dashboard.narrator import figures
from dashboard.narrator.state import KnownOrder, changes
from dashboard.narrator.telling import Told, Turn, at_risk, loss_at_stop, sentences, side_of
from dashboard.narrator.wording import choice

_LABELS = {
    "entry_price": "entry",
    "stop_loss_price": "stop",
    "take_profit_price": "target",
    "trailing_stop_distance": "trail",
    "ttl_min": "time to live",
}


def oco_placed(turn: Turn) -> Told:
    order = turn.order
    if order is None:
        return "An order was placed, and it does not say on what.", "warning"
    return sentences(
        _lead(turn, order),
        _reward_to_risk(turn, order),
        _trail(order),
        _loss(turn, order, order.units),
        _company(turn, order) or _quality(turn, order),
    ), "plain"


def _lead(turn: Turn, order: KnownOrder) -> str:
    what, side = turn.what, side_of(order)
    if order.entry is None:
        return turn.pick(
            "lead",
            f"{side.capitalize()} {what} at whatever the next quote says.",
            f"Going {side} {what} at the market.",
            f"{side.capitalize()} {what}, no haggling over the price.",
        )
    waits = f"{'arms at' if order.entry_type == 'stop' else 'waits at'} {figures.price(order.instrument, order.entry)}"
    match choice(turn.event, "lead", 3):
        case 0:
            return f"{side.capitalize()} {what} {waits}."
        case 1:
            return f"{what}, {side}: {waits}."
        case _:
            return f"An order to go {side} {what} {waits}."


def _reward_to_risk(turn: Turn, order: KnownOrder) -> str | None:
    entry, stop, target = order.average_entry, order.first_stop, order.target
    if entry is None or stop is None or target is None or entry == stop:
        return None
    risk, reward = abs(entry - stop), abs(target - entry)
    ratio, lose = figures.fixed(reward / risk, 2), figures.distance(order.instrument, entry, stop)
    chosen = choice(turn.event, "ratio", 3)
    if chosen == 1:
        return f"Reward to risk {ratio}, with the stop {lose} away."
    win = figures.distance(order.instrument, entry, target)
    if chosen == 0:
        return f"{win} to win, {lose} to lose: {ratio} to 1."
    if not figures.is_forex(order.instrument):  # what it takes to break even depends on fees that nobody has charged yet
        return f"{lose} to the stop, {win} to the target: {ratio} to 1."
    needed = figures.fixed(100 * risk / (risk + reward), 0)
    return f"{lose} to the stop, {win} to the target: {ratio} to 1, breaks even at {needed}% right."


def _loss(turn: Turn, order: KnownOrder, units: Decimal | None) -> str | None:
    loss = loss_at_stop(order, units)
    if loss is None:
        return None
    amount = at_risk(order, abs(loss))
    if loss <= 0:
        return f"At the stop it would keep {amount}." if loss else "At the stop it comes out even."
    return turn.pick("loss", f"The stop costs {amount}.", f"Being wrong is priced at {amount}.", f"If the stop goes, {amount} goes with it.")


def _trail(order: KnownOrder) -> str | None:
    """How far behind it follows; measured from the entry, which is where it begins."""
    if order.trail is None:
        return None
    start = order.average_entry or Decimal(0)
    return f"The stop trails {figures.distance(order.instrument, start, start - order.trail)} behind."


def _company(turn: Turn, order: KnownOrder) -> str | None:
    """What else is on in the same instrument: the same bet again, or one against it."""
    in_position = turn.story.others_holding(order)
    held = sum((other.position for other in in_position if other.side == order.side), Decimal(0))
    against = sum((other.position for other in in_position if other.side != order.side), Decimal(0))
    if against:
        return f"It leans against {figures.plain(against)} held the other way."
    if held:
        return f"It adds to {figures.plain(held)} already held."
    others = turn.story.others(order)
    return f"The {figures.ordinal(others + 1)} order on {order.instrument}." if others else None


def _quality(turn: Turn, order: KnownOrder) -> str | None:
    if order.quality is None:
        return None
    score = figures.plain(order.quality)
    if order.quality >= 80:
        return turn.pick("quality", f"Quality {score}; somebody did their homework.", f"Quality {score}, a rare grade.")
    if order.quality >= 60:
        return f"Quality {score}."
    if order.quality >= 40:
        return turn.pick("quality", f"Quality {score}: close to a coin toss.", f"Quality {score}, so nobody is in love with it.")
    return turn.pick("quality", f"Quality {score}, by its own admission.", f"Quality {score}. Not my words.")


def order_modified(turn: Turn) -> Told:
    order, moved = turn.order, changes(turn.event)
    if order is None or not moved:
        return f"{turn.name} was changed.", "plain"
    said = ", ".join(_change(order, turn.known, name, old, new) for name, (old, new) in sorted(moved.items()))
    return sentences(f"{order.instrument}: {said}.", _loss(turn, order, order.position or order.units)), "plain"


def _change(order: KnownOrder, known: KnownOrder | None, name: str, old: Decimal | None, new: Decimal | None) -> str:
    label = _LABELS.get(name, name)
    if new is None:
        return f"{label} changed"
    if label not in {"entry", "stop", "target"}:
        return f"{label} now {figures.plain(new)}{' min' if name == 'ttl_min' else ''}"
    if old is None and known is not None:
        old = {"entry": known.entry, "stop": known.stop, "target": known.target}[label]
    at = figures.price(order.instrument, new)
    if old is None or old == new:
        return f"{label} to {at}"
    moved = figures.distance(order.instrument, old, new)
    if label == "stop":
        return f"stop {'tightened' if (new > old) is order.is_buy else 'loosened'} by {moved} to {at}"
    return f"{label} moved {moved} to {at}"
