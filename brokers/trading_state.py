"""The brake: ACTIVE trades, REDUCING takes only what makes a position smaller, HALTED takes no new order at all.

It is kept in the adapter's own store and enforced here, so it holds over restarts and with the gateway gone. Leaving and looking are always allowed:
cancel, close and every list work in each state. Who may set what: braking is for traders and admins; releasing the brake is for an admin, for a
trader in paper, or for somebody on the host.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from brokers.actors import Actor, require_trader
from trading.accounts import Position
from trading.errors import InvalidRequest, NotAllowed, OrderDenied
from trading.instruments import Side
from trading.orders import BracketOrder


class TradingState(StrEnum):
    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"

    def is_stricter_than(self, other: "TradingState") -> bool:
        return _STRICTNESS[self] > _STRICTNESS[other]


_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """The state in force, who set it, why, and when (nanoseconds since 1970; 0 for never: it is as delivered)."""

    state: TradingState = TradingState.ACTIVE
    reason: str = ""
    set_by: str = ""
    set_ns: int = 0

    def record(self) -> dict[str, object]:
        return {"state": str(self.state), "reason": self.reason, "set_by": self.set_by, "set_ns": self.set_ns}

    @classmethod
    def from_record(cls, record: Mapping[str, object] | None) -> "Brake":
        if record is None:
            return cls()
        return cls(
            state=TradingState(str(record["state"])),
            reason=str(record["reason"]),
            set_by=str(record["set_by"]),
            set_ns=int(str(record["set_ns"])),
        )


def parse_state(text: str) -> TradingState:
    """Raises InvalidRequest ``INVALID_FIELD`` for a word that is none of the three."""
    try:
        return TradingState(text)
    except ValueError:
        raise InvalidRequest(
            f"state must be {', '.join(TradingState)}",
            code="INVALID_FIELD",
            details={"field": "state", "known": [str(state) for state in TradingState]},
        ) from None


def require_may_set(actor: Actor, state: TradingState, mode: str) -> None:
    """Raises NotAllowed ``ROLE_NOT_ALLOWED`` when this actor may not set this state."""
    require_trader(actor)
    if state is TradingState.ACTIVE and mode == "live" and not (actor.is_admin or actor.is_local):
        raise NotAllowed(
            "with real money only an admin, or arena resume on the host, releases the brake", code="ROLE_NOT_ALLOWED", details={"role": actor.role}
        )


def refuse_by_state(brake: Brake, order: BracketOrder, positions: Iterable[Position], resting: Iterable[BracketOrder]) -> None:
    """Refuse a new order that the state forbids.

    An order reduces when it trades against the net position of its instrument and is, with what already rests on its side, no larger than that.

    Raises:
        OrderDenied: TRADING_HALTED, TRADING_REDUCING.
    """
    if brake.state is TradingState.ACTIVE:
        return
    details = {"trading_state": str(brake.state), "reason": brake.reason}
    if brake.state is TradingState.HALTED:
        raise OrderDenied("trading is halted: no new orders until somebody resumes it", code="TRADING_HALTED", details=details)
    net = sum((position.units * position.side.sign for position in positions if position.instrument == order.instrument), Decimal(0))
    against = Side.SELL if net > 0 else Side.BUY
    waiting = sum((other.units for other in resting if other.instrument == order.instrument and other.side is order.side), Decimal(0))
    if not net or order.side is not against or order.units + waiting > abs(net):
        raise OrderDenied(
            "trading is reducing: only orders that make a position smaller are taken",
            code="TRADING_REDUCING",
            details={**details, "net_position": net, "waiting_units": waiting},
        )
