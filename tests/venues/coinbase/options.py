"""What this venue lets itself be told: how it behaves where accounts differ, or where nobody has measured the real one.

Each default is the kinder way; a client should live with every value. ``POST /_sim/state {"options": {...}}`` changes them at run time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The venue's manners.

    Args:
        maker_fee_rate, taker_fee_rate: share of the traded value.
        brackets_supported: whether ``trigger_bracket`` orders are taken; if not, preview and create say BRACKET_ORDER_NOT_SUPPORTED.
        stop_limits_supported: whether stop-limit orders are taken; one maintained adapter says that spot has none of either kind.
        attached_supported: whether ``attached_order_configuration`` is, where brackets are.
        attached_follows: an attached exit opens with the parent's first fill and grows with it ("fill"), or only when the parent is at its end
            ("completion").
        bracket_turns_after_partial: whether a bracket whose take-profit is partly filled still turns into its stop.
        open_delay_s: how long an order is not yet OPEN and may not trade; until then it is ``waits_as``.
        waits_as: "PENDING" or "QUEUED".
        cancel_delay_s: how long a cancel is on its way; a fill may win that race.
        fills_lag_s: how much later than its trade a fill is listed.
        reused_id: a ``client_order_id`` used before gets the first order back ("original"), or is refused as DUPLICATE_CLIENT_ORDER_ID ("refuse").
        ids_remembered_s: how long a ``client_order_id`` is remembered; None is for ever.
        requests_per_s: private requests beyond this many in one second get 429; None is no limit (the venue's own is 30).
        page_max: the most rows of one page of orders or fills, whatever ``limit`` asks for.
        edit_errors: how a refused edit writes its errors: a "list" as documented, or one "object" as recorded.
        heartbeat_counter: the type the websocket counts its heartbeats in.
        ack_first: whether a subscription is acknowledged before its snapshot; recorded is the other way round.
        surprises: whether orders carry a member and an enum value that no document knows, as a later version of the venue's might.
        can_trade, can_transfer, can_view: what the keys may do.
    """

    maker_fee_rate: Decimal = Decimal("0.004")
    taker_fee_rate: Decimal = Decimal("0.006")
    brackets_supported: bool = True
    stop_limits_supported: bool = True
    attached_supported: bool = True
    attached_follows: Literal["fill", "completion"] = "fill"
    bracket_turns_after_partial: bool = False
    open_delay_s: float = 0.0
    waits_as: Literal["PENDING", "QUEUED"] = "PENDING"
    cancel_delay_s: float = 0.0
    fills_lag_s: float = 0.0
    reused_id: Literal["original", "refuse"] = "original"
    ids_remembered_s: float | None = None
    requests_per_s: int | None = None
    page_max: int = 1000
    edit_errors: Literal["list", "object"] = "list"
    heartbeat_counter: Literal["integer", "string"] = "integer"
    ack_first: bool = False
    surprises: bool = False
    can_view: bool = True
    can_trade: bool = True
    can_transfer: bool = False

    def changed(self, wanted: Mapping[str, object]) -> "Options":
        """These with ``wanted`` put in; ValueError names an option that does not exist or cannot have that value."""
        known = {field.name: field for field in fields(self)}
        values: dict[str, object] = {}
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"unknown option {name}; known are {', '.join(sorted(known))}")
            now = getattr(self, name)
            if isinstance(now, bool) != isinstance(value, bool) or (isinstance(now, str) and not isinstance(value, str)):
                raise ValueError(f"option {name} cannot be {value!r}")
            choices = _CHOICES.get(name)
            if choices is not None and value not in choices:
                raise ValueError(f"option {name} must be one of {', '.join(choices)}")
            values[name] = _like(now, value)
        return replace(self, **values)  # type: ignore[arg-type]  # checked above, name by name


def _like(now: object, value: object) -> object:
    """``value`` in the type of what stands there now."""
    if isinstance(now, Decimal):
        return Decimal(str(value))
    return float(str(value)) if isinstance(now, float) else value


_CHOICES = {
    "attached_follows": ("fill", "completion"),
    "waits_as": ("PENDING", "QUEUED"),
    "reused_id": ("original", "refuse"),
    "edit_errors": ("list", "object"),
    "heartbeat_counter": ("integer", "string"),
}
