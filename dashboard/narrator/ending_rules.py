"""What Rick says when an order is over or in doubt: results and streaks, cancels and expiries, refusals, unknown outcomes."""

from collections.abc import Mapping
from decimal import Decimal

from dashboard.narrator import figures
from dashboard.narrator.refusals import refusal
from dashboard.narrator.state import net_result
from dashboard.narrator.telling import Told, Turn, capital, sentences, tone_of

_HOW: Mapping[str, str] = {
    "TAKE_PROFIT": "at the target",
    "STOP_LOSS": "at the stop",
    "MANUAL": "by hand",
    "KILL_SWITCH": "by the kill switch",
    "MARGIN_CLOSEOUT": "by the margin rule, which asks nobody",
    "EXTERNAL": "outside this arena",
}
_WHY: Mapping[str, str] = {
    "user": "taken back on request",
    "ttl_expired": "its time ran out unfilled",
    "oco_sibling": "the other side of the bracket did the work",
    "kill_switch": "the kill switch took it",
    "venue": "the venue took it away",
    "stop_loss_on_fill": "its stop would have been hit at the moment of the fill",
    "take_profit_on_fill": "its target was already behind the price when it would have filled",
    "insufficient_margin": "the account could not carry it",
    "market_halted": "the market stopped trading",
}
_EXPECTED = frozenset({"user", "ttl_expired", "oco_sibling"})
_LEGS: Mapping[str, str] = {"entry": "entry", "take_profit": "target", "stop_loss": "stop", "close": "closing order"}
# From the third on a streak gets a remark; before that it is a figure.
_REMARK_FROM = 3


def bracket_closed(turn: Turn) -> Told:
    order, event = turn.order, turn.event
    net, multiple, held_s, reason = net_result(event), event.number("r_multiple"), event.number("held_s"), event.word("close_reason")
    fees = event.number("fees")
    instrument = order.instrument if order else ""
    lead = " ".join(part for part in (instrument or turn.name, "is done", _HOW.get(reason or "", "")) if part)
    after = f" after {figures.span(held_s)}" if held_s is not None else ""
    amount = "" if net is None else figures.result(net) + (f" after {figures.amount(fees)} in fees" if fees else "")
    result = ", ".join(part for part in (amount, figures.r_multiple(multiple) if multiple is not None else "") if part)
    tone = "warning" if reason in {"MARGIN_CLOSEOUT", "EXTERNAL"} else tone_of(net)
    return sentences(f"{lead}{after}{': ' + result if result else ''}.", _streak(turn, net)), tone


def _streak(turn: Turn, pnl: Decimal | None) -> str | None:
    if pnl is None:
        return None
    if not pnl:
        return turn.pick("streak", "Nobody won.", "All that for nothing, exactly.", "Back where it started.")
    count = abs(turn.story.streak)
    if count == 1:
        return f"{turn.story.wins} won, {turn.story.losses} lost so far."
    remark = turn.pick("streak", "", "", " Streaks end.", " The next one does not know that.", " Coins do that too.") if count >= _REMARK_FROM else ""
    return f"The {figures.ordinal(count)} {'win' if turn.story.streak > 0 else 'loss'} in a row.{remark}"


def order_cancelled(turn: Turn) -> Told:
    order, reason, leg = turn.order, turn.event.word("reason"), turn.event.word("leg")
    why = _WHY.get(reason or "", f"the reason given is {reason}" if reason else "no reason was given")
    part, what = _LEGS.get(leg or "", "order"), order.instrument if order else turn.name
    if reason == "oco_sibling":
        return turn.pick("cancel", f"The {part} on {what} is off: {why}.", f"{what} has no more use for its {part}: {why}."), "plain"
    if reason == "user" and leg in {"take_profit", "stop_loss"}:
        return turn.pick(
            "cancel", f"The {part} on {what} went with the position.", f"{what} is closed, and its {part} has nothing left to do."
        ), "plain"
    held = order.position if order and leg == "entry" else None
    return (
        sentences(
            f"{'Expired' if reason == 'ttl_expired' else 'Cancelled'}: the {part} on {what}, {why}.",
            f"{figures.plain(held)} stay on with their exits." if held else None,
        ),
        "plain" if reason in _EXPECTED else "warning",
    )


def order_rejected(turn: Turn) -> Told:
    lead = turn.pick("lead", f"Refused, {turn.what}", f"No to {turn.what}", f"{capital(turn.what)} did not get in")
    return f"{lead}: {refusal(turn.event)}.", "warning"


def order_unknown(turn: Turn) -> Told:
    return f"Nobody knows yet whether {turn.what} reached the venue. It counts as open risk until somebody has looked.", "serious"


def order_resolved(turn: Turn) -> Told:
    lead = turn.pick("lead", f"The doubt about {turn.what} is settled", f"{capital(turn.what)} has been looked up")
    return sentences(f"{lead}: {turn.event.word('status') or 'it is known again'}."), "plain"
