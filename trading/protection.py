"""The invariant behind every position: a stop of its size stands, and somebody guards it."""

from trading.brackets import Bracket, Protection


def missing_guard(bracket: Bracket) -> str | None:
    """Why nothing limits the loss of what ``bracket`` holds; None while its stop guards all of it, or it holds nothing."""
    if not bracket.position_units:
        return None
    if bracket.protection is Protection.NONE:
        return "no stop of its size stands for it"
    if bracket.stop_price <= 0:
        return "its stop has no price"
    return None
