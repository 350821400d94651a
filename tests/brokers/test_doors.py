"""Who may do what, what an operation takes, and what makes an account live."""

from decimal import Decimal

import msgspec
import pytest

from brokers.actors import LOCAL, actor_of, require_host, require_live_grant, require_owner, require_trader
from brokers.arguments import ClientRef, CloseRequest, Modification, OrderLookup, OrderQuery, Page, read, read_ticket
from brokers.ledger import order_number
from brokers.trading_state import Brake, TradingState, parse_state, refuse_by_state, require_may_set
from trading.accounts import Position
from trading.errors import InvalidRequest, NotAllowed, OrderDenied
from trading.instruments import Side
from trading.orders import BracketOrder, OrderStatus

TRADER = actor_of({"user": "a@b", "role": "trader", "live": False})
ADMIN = actor_of({"user": "root@b", "role": "admin", "live": True})
VIEWER = actor_of({"user": "v@b", "role": "viewer"})


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"user": "a"},
        {"user": "", "role": "trader"},
        {"user": "a" * 257, "role": "trader"},
        {"user": "a", "role": "root"},
        {"user": "a", "role": "trader", "live": 1},
        {"user": "a", "role": "trader", "live": False, "x": 1},
        {"user": 5, "role": "trader"},
    ],
)
def test_an_actor_of_another_shape_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        actor_of(raw)
    assert refusal.value.code == "BAD_ACTOR"


def test_nobody_named_is_the_local_trader_without_a_grant() -> None:
    assert actor_of(None) is LOCAL
    require_trader(LOCAL)
    require_host(LOCAL)
    require_live_grant(LOCAL, "paper")
    with pytest.raises(NotAllowed):
        require_live_grant(LOCAL, "live")


def test_roles_open_the_doors_they_should_and_no_others() -> None:
    require_live_grant(ADMIN, "live")
    require_owner(TRADER, "a@b", "paper-oanda-1")
    require_owner(ADMIN, "a@b", "paper-oanda-1")
    for check in (
        lambda: require_trader(VIEWER),
        lambda: require_host(TRADER),
        lambda: require_owner(TRADER, "c@d", "paper-oanda-1"),
        lambda: require_owner(LOCAL, "a@b", "paper-oanda-1"),
        lambda: require_may_set(VIEWER, TradingState.HALTED, "paper"),
        lambda: require_may_set(TRADER, TradingState.ACTIVE, "live"),
    ):
        with pytest.raises(NotAllowed):
            check()
    require_may_set(TRADER, TradingState.HALTED, "live")
    require_may_set(TRADER, TradingState.ACTIVE, "paper")
    require_may_set(LOCAL, TradingState.ACTIVE, "live")


def test_arguments_are_typed_and_unknown_ones_named() -> None:
    assert read({"order_id": "x", "stop_loss_price": 1.16}, Modification).changes() == {"stop_loss_price": Decimal("1.16")}
    assert read({}, OrderQuery).statuses() == ()
    assert read({"status": "OPEN"}, OrderQuery).statuses() == (OrderStatus.OPEN,)
    assert read({"status": ["OPEN", "OPEN", "PENDING"]}, OrderQuery).statuses() == (OrderStatus.OPEN, OrderStatus.PENDING)
    with pytest.raises(InvalidRequest) as refusal:
        read({"limitt": 5}, Page)
    assert refusal.value.code == "UNKNOWN_FIELD"
    assert refusal.value.details["field"] == "limitt"


@pytest.mark.parametrize(
    ("args", "kind"),
    [
        ({"limit": 0}, Page),
        ({"limit": 201}, Page),
        ({"limit": True}, Page),
        ({"limit": "5"}, Page),
        ({"after": "x"}, Page),
        ({"after": "57\n"}, Page),
        ({"client_order_id": "a1\n"}, ClientRef),
        ({"client_order_id": "a" * 49}, ClientRef),
        ({"after": "9" * 19}, Page),
        ({"after": 5}, Page),
        ({"after": None}, Page),
        ({}, Modification),
        ({"order_id": "x", "stop_loss_price": None}, Modification),
        ({"order_id": "x", "stop_loss_price": True}, Modification),
        ({}, OrderLookup),
        ({"order_id": "a", "client_order_id": "b"}, OrderLookup),
        ({"instrument": "EUR_USD", "units": 1, "percent": 1}, CloseRequest),
        ({"instrument": "EUR_USD", "side": "buy"}, CloseRequest),
        ({"status": "open"}, OrderQuery),
    ],
)
def test_arguments_of_another_shape_are_refused(args: dict[str, object], kind: type[msgspec.Struct]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read(args, kind)
    assert refusal.value.code == "INVALID_FIELD"


def test_a_ticket_with_a_misspelt_stop_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_ticket({"instrument": "EUR_USD", "side": "BUY", "stop_los_price": 1})
    assert refusal.value.details["field"] == "stop_los_price"
    with pytest.raises(InvalidRequest):
        read_ticket({"instrument": "EUR_USD", "side": "BUY", "units": True})


@pytest.mark.parametrize(
    ("order_id", "n"),
    [
        ("paper-oanda-57", 57),
        ("57", 57),
        ("paper-oanda-057", None),
        ("paper-oanda-", None),
        ("", None),
        ("x-+5", None),
        ("x-" + "9" * 19, None),
        ("x-٣", None),
    ],
)
def test_the_number_of_an_order_id(order_id: str, n: int | None) -> None:
    assert order_number(order_id) == n


def order(side: Side, units: int) -> BracketOrder:
    low, high = Decimal("1.1"), Decimal("1.3")
    return BracketOrder(
        instrument="EUR_USD",
        side=side,
        units=Decimal(units),
        entry_price=Decimal("1.2"),
        stop_loss_price=low if side is Side.BUY else high,
        take_profit_price=high if side is Side.BUY else low,
    )


def position(side: Side, units: int) -> Position:
    zero = Decimal(0)
    return Position(
        venue="oanda", instrument="EUR_USD", side=side, units=Decimal(units), average_price=Decimal("1.2"), mark_price=None, open_pnl=zero,
        margin_used=zero, order_ids=(), as_of_ns=0, stale=False,
    )  # fmt: skip


def test_halted_takes_nothing_and_active_everything() -> None:
    refuse_by_state(Brake(), order(Side.BUY, 1), [], [])
    with pytest.raises(OrderDenied) as refusal:
        refuse_by_state(Brake(state=TradingState.HALTED), order(Side.BUY, 1), [position(Side.SELL, 5)], [])
    assert refusal.value.code == "TRADING_HALTED"


def test_reducing_takes_only_what_makes_the_net_position_smaller() -> None:
    brake = Brake(state=TradingState.REDUCING)
    held = [position(Side.BUY, 10), position(Side.SELL, 4)]  # net 6 long
    refuse_by_state(brake, order(Side.SELL, 6), held, [])
    refuse_by_state(brake, order(Side.SELL, 4), held, [order(Side.SELL, 2)])
    for new, resting in ((order(Side.BUY, 1), []), (order(Side.SELL, 7), []), (order(Side.SELL, 5), [order(Side.SELL, 2)])):
        with pytest.raises(OrderDenied) as refusal:
            refuse_by_state(brake, new, held, resting)
        assert refusal.value.code == "TRADING_REDUCING"
    with pytest.raises(OrderDenied):
        refuse_by_state(brake, order(Side.SELL, 1), [], [])


def test_a_brake_survives_its_record_and_other_words_are_refused() -> None:
    brake = Brake(state=TradingState.REDUCING, reason="weekend", set_by="a@b", set_ns=5)
    assert Brake.from_record(msgspec.json.decode(msgspec.json.encode(brake.record()))) == brake
    assert Brake.from_record(None) == Brake()
    for word in ("halted", "", "STOPPED"):
        with pytest.raises(InvalidRequest):
            parse_state(word)
