"""Journals to narrate: a hand-written bracket's life, and hypothesis strategies for sensible and for hostile events."""

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from dashboard.narrator.reading import Happening
from dashboard.narrator.state import Story
from dashboard.narrator.story import Comment, fold

EPOCH = "61aa00000000beef"

ORDER: Mapping[str, object] = {
    "order_id": "paper-oanda-1",
    "client_order_id": "c1",
    "placed_by": "trader@test",
    "instrument": "EUR_USD",
    "side": "BUY",
    "units": 100,
    "mode": "paper",
}


def placed(**changes: object) -> tuple[str, dict[str, object]]:
    prices = {"entry": 1.1655, "sl": 1.16, "tp": 1.17, "quality": 75, "entry_type": "limit", "ttl_min": 360, "status": "PENDING"}
    return "oco_placed", {**ORDER, **prices, **changes}


def filled(leg: str, price: float, *, position: float, **changes: object) -> tuple[str, dict[str, object]]:
    own = {"leg": leg, "price": price, "fill_units": 100, "remaining_units": 0, "position_units": position, "realized_pnl": 0, "fee": 0}
    return "order_filled", {**ORDER, **own, **changes}


def closed(pnl: float, **changes: object) -> tuple[str, dict[str, object]]:
    own = {"close_reason": "TAKE_PROFIT", "realized_pnl": pnl, "fees": 0, "r_multiple": 0.82, "held_s": 845.5}
    return "bracket_closed", {**ORDER, **own, **changes}


def journal(events: Iterable[tuple[str, Mapping[str, object]]], *, source: str = "oanda", first: int = 1) -> list[Happening]:
    return [Happening(source=source, epoch=EPOCH, seq=seq, type=kind, payload=payload) for seq, (kind, payload) in enumerate(events, first)]


def tell(events: Iterable[Happening], story: Story | None = None) -> tuple[Story, list[Comment]]:
    """The story after ``events`` and its comments; the one it began with stays as it is."""
    story, comments = story.copy() if story is not None else Story(), []
    for event in events:
        comment = fold(story, event)
        if comment is not None:
            comments.append(comment)
    return story, comments


def texts(*events: tuple[str, Mapping[str, object]]) -> list[str]:
    return [comment.text for comment in tell(journal(events))[1]]


_NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1.1655, 1.16, 1.17, 100, 42500.5, 0.001])
)
_TEXT = st.one_of(st.text(max_size=60), st.sampled_from(["EUR_USD", "USD_JPY", "BTC-USD", "ETH-BTC", "BUY", "SELL", "<b>x</b>", "\u202e\r\n"]))
_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=6,
)
TYPES = [
    "oco_placed",
    "order_filled",
    "order_partially_filled",
    "order_cancelled",
    "order_rejected",
    "order_modified",
    "order_unknown",
    "order_resolved",
    "bracket_closed",
    "trading_state_changed",
    "protection_lost",
    "protection_restored",
    "feed_stale",
    "feed_recovered",
    "reconciled",
    "clock_stepped",
    "source_reset",
    "paper_reset",
    "brand_new",
]
FIELDS = [
    "order_id",
    "instrument",
    "side",
    "units",
    "mode",
    "entry",
    "sl",
    "tp",
    "quality",
    "entry_type",
    "price",
    "leg",
    "fill_units",
    "remaining_units",
    "position_units",
    "realized_pnl",
    "fees",
    "fee",
    "r_multiple",
    "held_s",
    "close_reason",
    "reason",
    "status",
    "code",
    "message",
    "changes",
    "new",
    "old",
    "changed_by",
    "instruments",
    "feed",
    "orders_feed",
    "age_ms",
    "silent_s",
    "blind_s",
    "orders",
    "step_s",
    "old_epoch",
    "balance",
    "currency",
]

hostile_events = st.tuples(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), _ANYTHING, max_size=12))

_prices = st.sampled_from([1.16, 1.1605, 1.1655, 1.166, 1.17, 1.1755])
sensible_events = st.builds(
    lambda kind, n, side, own: (kind, {**ORDER, "order_id": f"paper-oanda-{n}", "side": side, **own}),
    st.sampled_from(TYPES),
    st.integers(1, 4),
    st.sampled_from(["BUY", "SELL"]),
    st.fixed_dictionaries(
        {
            "entry": st.one_of(st.none(), _prices),
            "sl": _prices,
            "tp": _prices,
            "price": _prices,
            "leg": st.sampled_from(["entry", "take_profit", "stop_loss", "close"]),
            "fill_units": st.sampled_from([10, 40, 100]),
            "position_units": st.sampled_from([0, 60, 100]),
            "realized_pnl": st.sampled_from([-0.55, 0, 0.45]),
            "r_multiple": st.sampled_from([-1, 0, 0.82]),
            "reason": st.sampled_from(["user", "ttl_expired", "oco_sibling", "venue"]),
            "status": st.sampled_from(["PENDING", "OPEN", "CANCELLED", "CLOSED"]),
            "changes": st.dictionaries(
                st.sampled_from(["stop_loss_price", "take_profit_price"]), st.fixed_dictionaries({"from": _prices, "to": _prices})
            ),
        }
    ),
)
