"""What Rick says about fills: the price against the level it was meant for, how far the stop is now, and what is held altogether."""

from decimal import Decimal

from dashboard.narrator import figures
from dashboard.narrator.state import KnownOrder, fill_units
from dashboard.narrator.telling import Told, Turn, at_risk, loss_at_stop, sentences, side_of, tone_of


def filled(turn: Turn) -> Told:
    order, at = turn.order, turn.event.number("price")
    if order is None or at is None:
        return sentences(f"{turn.name} was filled, at a price nobody wrote down."), "warning"
    match turn.event.word("leg"):
        case "entry":
            return _entry(turn, order, at)
        case "take_profit":
            return _target(turn, order, at)
        case "stop_loss":
            return _stop(turn, order, at)
        case _:
            return _closing(turn, order, at)


def _entry(turn: Turn, order: KnownOrder, at: Decimal) -> Told:
    units = fill_units(turn.known, turn.event)
    what = f"{figures.plain(units)} {order.instrument}" if units else order.instrument
    price, side = figures.price(order.instrument, at), side_of(order)
    slipped = _slippage(order, at, level=turn.known.entry if turn.known else None, name="asked", worse_is_up=order.is_buy)
    lead = turn.pick("lead", f"In at {price}, {side} {what}", f"Filled: {side} {what} at {price}", f"{what} {side} from {price}")
    rest = turn.event.number("remaining_units")
    waiting = f"{figures.plain(rest)} still waiting." if rest and turn.event.type == "order_partially_filled" else None
    fee = turn.event.number("fee")
    paid = f"{figures.amount(fee)} went in fees." if fee and fee > 0 else None
    return sentences(f"{lead}{slipped}.", waiting, _stop_distance(turn, order), paid, _exposure(turn, order)), "plain"


def _target(turn: Turn, order: KnownOrder, at: Decimal) -> Told:
    price, part, tone = figures.price(order.instrument, at), _part(turn, order), _tone(turn, otherwise="good")
    if part:
        lead = turn.pick("lead", f"{part} out at the target, {price}", f"Target reached, and {part} out at {price}")
    else:
        lead = turn.pick(
            "lead",
            f"Target reached on {order.instrument}: out at {price}",
            f"{order.instrument} got where it was going, {price}",
            f"The target {'paid' if tone == 'good' else 'was met'}: {order.instrument} out at {price}",
        )
    slipped = _slippage(order, at, level=order.target, name="the target", worse_is_up=not order.is_buy)
    return sentences(f"{lead}{slipped}.", *_result(turn)), tone


def _stop(turn: Turn, order: KnownOrder, at: Decimal) -> Told:
    price, part, stop = figures.price(order.instrument, at), _part(turn, order), "trailing stop" if order.trail is not None else "stop"
    if part:
        lead = turn.pick("lead", f"The {stop} took {part} out at {price}", f"{part} out at {price}, by the {stop}")
    else:
        by = " by the trailing stop" if order.trail is not None else ""
        lead = turn.pick(
            "lead",
            f"Stopped out of {order.instrument}{by} at {price}",
            f"The {stop} did its job on {order.instrument}: {price}",
            f"{order.instrument} found the {stop}, {price}",
        )
    slipped = _slippage(order, at, level=None if order.trail else order.stop, name="the stop", worse_is_up=not order.is_buy)
    # A stop that was trailed far enough closes a win.
    return sentences(f"{lead}{slipped}.", *_result(turn)), _tone(turn, otherwise="bad")


def _closing(turn: Turn, order: KnownOrder, at: Decimal) -> Told:
    """Closed at the market: by a person, the kill switch or a margin call. Which of them the end of the bracket says, not the fill."""
    price, part = figures.price(order.instrument, at), _part(turn, order)
    if part:
        lead = turn.pick("lead", f"{part} closed at {price}.", f"Let go at {price}: {part}.")
    else:
        lead = turn.pick(
            "lead", f"{order.instrument} closed at {price}.", f"Out of {order.instrument} at {price}.", f"{order.instrument} let go at {price}."
        )
    return sentences(lead, *_result(turn)), _tone(turn, otherwise="plain")


def _slippage(order: KnownOrder, at: Decimal, *, level: Decimal | None, name: str, worse_is_up: bool) -> str:
    if level is None or level == at:
        return ""
    word = "worse" if (at > level) is worse_is_up else "better"
    return f", {figures.distance(order.instrument, level, at)} {word} than {name}"


def _stop_distance(turn: Turn, order: KnownOrder) -> str | None:
    entry, stop, loss = order.average_entry, order.first_stop, loss_at_stop(order, order.position)
    if entry is None or stop is None or loss is None:
        return None
    gap = figures.distance(order.instrument, entry, stop)
    if loss <= 0:
        return f"The stop is {gap} away."
    amount, way = at_risk(order, loss), "down" if order.is_buy else "up"
    return turn.pick(
        "stop",
        f"The stop is {gap} away; {amount} at stake.",
        f"{gap} {way} to the stop, {amount} if it gets there.",
        f"At stake: {amount}, {gap} from here.",
    )


def _exposure(turn: Turn, order: KnownOrder) -> str | None:
    """The net position in the instrument where more than one bracket makes it."""
    others = turn.story.others_holding(order)
    if not others:
        return None
    net = sum((one.position if one.is_buy else -one.position for one in (order, *others)), Decimal(0))
    if not net:
        return f"Together {order.instrument} is flat, held twice over."
    return f"Together {figures.plain(abs(net))} {order.instrument} {'long' if net > 0 else 'short'}."


def _part(turn: Turn, order: KnownOrder) -> str:
    """ "60 EUR_USD" where an exit leaves something held, else nothing."""
    left = turn.event.number("position_units")
    return f"{figures.plain(fill_units(turn.known, turn.event))} {order.instrument}" if left else ""


def _tone(turn: Turn, *, otherwise: str) -> str:
    """By what the fill came to when its fee is paid; ``otherwise`` where it does not say, or came to nothing."""
    pnl = turn.event.number("realized_pnl")
    net = None if pnl is None else pnl - (turn.event.number("fee") or 0)
    return otherwise if net is None or (not net and otherwise != "good") else tone_of(net)


def _result(turn: Turn) -> tuple[str | None, str | None]:
    pnl, left, fee = turn.event.number("realized_pnl"), turn.event.number("position_units"), turn.event.number("fee")
    fees = f" less {figures.amount(fee)} in fees" if fee and fee > 0 else ""
    return (
        None if pnl is None else f"{figures.result(pnl)}{fees} on this fill.",
        f"{figures.plain(abs(left))} still held." if left else None,
    )
