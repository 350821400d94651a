"""Orders, trades, instruments and the account as v20 shows them, read from JSON into values.

Units are signed here as they are there: minus sells. An order's state that was not known when this was written counts as still working, a trade's as
still open: the side on which nothing is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from brokers.live.venue import ShownExits, VenueAccount
from brokers.oanda import wire
from brokers.oanda.memory import KnownOrder, KnownTrade, Role
from brokers.oanda.transactions import EXIT_ROLES, client_id_of
from brokers.oanda.wire import Json, Malformed
from trading.instruments import Instrument, Side
from trading.money import ZERO
from trading.orders import EntryType

# What a trade in this state is: open, and on its way out by the venue's own order. Source: the vendor's file, TradeState, DelayedTradeClosure.
CLOSE_LATER = "CLOSE_WHEN_TRADEABLE"
CLOSES_LATER = "it was to be closed while its market was halted, as when its stop is reached then; OANDA closes it at the first price when that opens"

_ORDER_ENDED = frozenset({"FILLED", "TRIGGERED", "CANCELLED"})
_ENTRIES = {"LIMIT": EntryType.LIMIT, "STOP": EntryType.STOP, "MARKET": EntryType.MARKET, "MARKET_IF_TOUCHED": EntryType.STOP}
_EXIT_KEYS = {
    Role.TAKE_PROFIT: "takeProfitOrder",
    Role.STOP_LOSS: "stopLossOrder",
    Role.TRAILING_STOP: "trailingStopLossOrder",
}
_GUARANTEED_KEY = "guaranteedStopLossOrder"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """An order. ``price`` is its trigger, of a trailing stop where it stands now, 0 where the venue does not say; an absent id is empty.

    ``stop_on_fill`` and ``target_on_fill`` are the prices at which a waiting entry will get its exits, 0 where none is known; ``brings`` is which
    exits it will get. ``distance`` is what a trailing stop keeps from the market.
    """

    order_id: str
    role: Role
    state: str
    client_id: str = ""
    instrument: str = ""
    units: Decimal = ZERO
    price: Decimal = ZERO
    entry_type: EntryType = EntryType.LIMIT
    expires_ns: int | None = None
    stop_on_fill: Decimal = ZERO
    target_on_fill: Decimal = ZERO
    brings: ShownExits | None = None
    distance: Decimal | None = None
    trade_id: str = ""
    filling_id: str = ""
    cancelling_id: str = ""
    trade_opened: str = ""
    replaces: str = ""
    replaced_by: str = ""
    created_ns: int = 0

    @property
    def is_working(self) -> bool:
        return self.state not in _ORDER_ENDED

    @property
    def known(self) -> KnownOrder:
        return KnownOrder(order_id=self.order_id, role=self.role, trade_id=self.trade_id, price=self.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """A trade and the exits that work for it. ``closing_ids`` are the fills that closed or reduced it."""

    trade_id: str
    instrument: str
    price: Decimal
    initial_units: Decimal
    units: Decimal
    state: str
    client_id: str = ""
    opened_ns: int = 0
    closing_ids: tuple[str, ...] = ()
    exits: Mapping[Role, VenueOrder] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.state != "CLOSED"

    @property
    def closes_later(self) -> bool:
        """Whether the venue closes it by itself as soon as its market opens; the exit that asked for it works no more."""
        return self.state == CLOSE_LATER

    @property
    def side(self) -> Side:
        return Side.BUY if self.initial_units > 0 else Side.SELL

    @property
    def stop(self) -> VenueOrder | None:
        """What guards it: where a fixed and a trailing stop stand, the fixed one at the price of whichever is nearer to the market."""
        fixed, trailing = self.exits.get(Role.STOP_LOSS), self.exits.get(Role.TRAILING_STOP)
        if fixed is None or trailing is None or not trailing.price:
            return fixed or trailing
        nearer = max if self.side is Side.BUY else min
        return replace(fixed, price=nearer(fixed.price, trailing.price))

    @property
    def target(self) -> VenueOrder | None:
        return self.exits.get(Role.TAKE_PROFIT)

    @property
    def shown(self) -> ShownExits | None:
        """None while it is on its way out: what asked for that works no more, and was not taken off."""
        if self.closes_later:
            return None
        trailing = self.exits.get(Role.TRAILING_STOP)
        return ShownExits(
            has_stop=self.stop is not None, has_target=self.target is not None, trailing_stop_distance=trailing.distance if trailing else None
        )

    def known(self, as_of: int) -> KnownTrade:
        """For ``Memory``: as it was after transaction ``as_of``, which the answer it came in names as the last."""
        exits = {role: order.known for role, order in self.exits.items()}
        if self.stop is not None:
            exits[self.stop.role] = self.stop.known
        return KnownTrade(trade_id=self.trade_id, units=abs(self.units) if self.is_open else ZERO, as_of=as_of, exits=exits)


def read_order(data: Json) -> VenueOrder:
    """One order object, of whatever type."""
    kind = wire.text(data, "type")
    role = EXIT_ROLES.get(kind, Role.ENTRY)
    is_entry = role is Role.ENTRY
    trailing = role is Role.TRAILING_STOP
    return VenueOrder(
        order_id=wire.identity(data, "id"),
        role=role,
        state=wire.text(data, "state"),
        client_id=client_id_of(wire.part_or_none(data, "clientExtensions")),
        instrument=wire.text(data, "instrument") if is_entry else "",
        units=wire.number(data, "units") if is_entry else ZERO,
        price=wire.number_or(data, "trailingStopValue" if trailing else "price", ZERO),
        entry_type=_ENTRIES.get(kind, EntryType.LIMIT),
        expires_ns=wire.time_ns(data, "gtdTime") if data.get("gtdTime") is not None else None,
        stop_on_fill=_price_on_fill(data, "stopLossOnFill") or _price_on_fill(data, "guaranteedStopLossOnFill"),
        target_on_fill=_price_on_fill(data, "takeProfitOnFill"),
        brings=_brings(data) if is_entry else None,
        distance=wire.number(data, "distance") if trailing and data.get("distance") is not None else None,
        trade_id="" if is_entry else wire.identity(data, "tradeID"),
        filling_id=wire.identity_or_none(data, "fillingTransactionID") or "",
        cancelling_id=wire.identity_or_none(data, "cancellingTransactionID") or "",
        trade_opened=wire.identity_or_none(data, "tradeOpenedID") or "",
        replaces=wire.identity_or_none(data, "replacesOrderID") or "",
        replaced_by=wire.identity_or_none(data, "replacedByOrderID") or "",
        created_ns=wire.time_ns(data, "createTime") if data.get("createTime") is not None else 0,
    )


def read_trade(data: Json, orders: Mapping[str, VenueOrder] | None = None) -> VenueTrade:
    """A trade's detail, which embeds its exits; or one of a list, which only names them, with the account's ``orders`` by id."""
    trade_id = wire.identity(data, "id")
    closing = data.get("closingTransactionIDs") or []
    if not isinstance(closing, list) or not all(isinstance(each, str) for each in closing):
        raise Malformed("closingTransactionIDs is no array of ids")
    return VenueTrade(
        trade_id=trade_id,
        instrument=wire.text(data, "instrument"),
        price=wire.number(data, "price"),
        initial_units=wire.number(data, "initialUnits"),
        units=wire.number(data, "currentUnits"),
        state=wire.text(data, "state"),
        client_id=client_id_of(wire.part_or_none(data, "clientExtensions")),
        opened_ns=wire.time_ns(data, "openTime") if data.get("openTime") is not None else 0,
        closing_ids=tuple(closing),
        exits=_embedded_exits(data) if orders is None else _named_exits(trade_id, orders),
    )


def _price_on_fill(data: Json, key: str) -> Decimal:
    """Of an exit that a hand at the venue asked for by its distance, 0: where it will stand is not known."""
    details = wire.part_or_none(data, key)
    return ZERO if details is None else wire.number_or(details, "price", ZERO)


def _brings(data: Json) -> ShownExits:
    """A trailing stop alone is no stop here: where it will stand is not what was agreed to be lost."""
    trailing = wire.part_or_none(data, "trailingStopLossOnFill")
    distance = None if trailing is None else wire.number_or(trailing, "distance", ZERO) or None
    stops = [wire.part_or_none(data, key) for key in ("stopLossOnFill", "guaranteedStopLossOnFill")]
    has_target = wire.part_or_none(data, "takeProfitOnFill") is not None
    return ShownExits(has_stop=any(stop is not None for stop in stops), has_target=has_target, trailing_stop_distance=distance)


def _embedded_exits(data: Json) -> dict[Role, VenueOrder]:
    found: dict[Role, VenueOrder] = {}
    for role, key in ((Role.STOP_LOSS, _GUARANTEED_KEY), *_EXIT_KEYS.items()):
        embedded = wire.part_or_none(data, key)
        if embedded is not None:
            order = read_order(embedded)
            if order.is_working:
                found[role] = order
    return found


def _named_exits(trade_id: str, orders: Mapping[str, VenueOrder]) -> dict[Role, VenueOrder]:
    """By the exits' own ``tradeID``: an account lists every order that works."""
    return {order.role: order for order in orders.values() if order.trade_id == trade_id and order.is_working}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """The whole account at one moment: ``last_id`` is its newest transaction, ``orders`` are by id and all work, ``trades`` are all open.

    ``unreadable`` has a sentence for each exit of a kind that was not known when this was written.
    """

    account: VenueAccount
    last_id: int
    orders: Mapping[str, VenueOrder]
    trades: Mapping[str, VenueTrade]
    unreadable: Sequence[str] = ()


def read_account(data: Json) -> VenueAccount:
    """The money of an account or of its summary."""
    return VenueAccount(
        currency=wire.text(data, "currency"),
        balance=wire.number(data, "balance"),
        equity=wire.number(data, "NAV"),
        open_pnl=wire.number(data, "unrealizedPL"),
        margin_used=wire.number(data, "marginUsed"),
        margin_available=wire.number(data, "marginAvailable"),
    )


def read_state(answer: Json) -> AccountState:
    """The answer of ``GET /v3/accounts/{account}``; its three lists must be there, or what is missing would pass for gone."""
    data = wire.part(answer, "account")
    listed = wire.parts(data, "orders")
    unknown = [each for each in listed if _is_of_tomorrow(each)]
    orders = {order.order_id: order for order in (read_order(each) for each in listed if each not in unknown)}
    trades = [read_trade(each, orders) for each in wire.parts(data, "trades")]
    return AccountState(
        account=read_account(data),
        last_id=wire.counter(answer, "lastTransactionID"),
        orders=orders,
        trades={trade.trade_id: trade for trade in trades if trade.is_open},
        unreadable=[f"order {wire.identity(each, 'id')} is a {wire.text(each, 'type')[:64]}, which cannot be read" for each in unknown],
    )


def _is_of_tomorrow(data: Json) -> bool:
    """Whether an order is neither of a known kind nor, having no units of its own, an entry of a new one. None of ours is such."""
    kind = wire.text(data, "type")
    return kind not in EXIT_ROLES and kind not in _ENTRIES and (data.get("units") is None or data.get("instrument") is None)


def read_instruments(answer: Json, ours: Mapping[str, Instrument]) -> Sequence[Instrument]:
    """Those of ``ours`` that the venue trades, with its own grid of prices and units, bounds and margin."""
    return [_instrument(each, ours[name]) for each in wire.parts(answer, "instruments") if (name := wire.text(each, "name")) in ours]


def read_decimals(answer: Json) -> dict[str, int]:
    """How many decimals a price has, of every instrument the account can trade."""
    return {wire.text(each, "name"): _whole(each, "displayPrecision") for each in wire.parts(answer, "instruments")}


def _instrument(data: Json, ours: Instrument) -> Instrument:
    decimals, digits = _whole(data, "displayPrecision"), _whole(data, "tradeUnitsPrecision")
    return Instrument(
        name=ours.name,
        venue=ours.venue,
        asset_class=ours.asset_class,
        base=ours.base,
        quote=ours.quote,
        tick=Decimal(1).scaleb(-decimals),
        step=Decimal(1).scaleb(-digits),
        units_min=wire.number(data, "minimumTradeSize"),
        units_max=wire.number(data, "maximumOrderUnits"),
        price_decimals=decimals,
        margin_rate=wire.number(data, "marginRate"),
        calendar=ours.calendar,
    )


def _whole(data: Json, key: str) -> int:
    value = data.get(key)
    if type(value) is not int or not 0 <= value <= 12:
        raise Malformed(f"{key} is no number of decimals")
    return value
