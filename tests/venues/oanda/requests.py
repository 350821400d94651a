"""Order requests, read from JSON as strictly as their types are written in the vendor's file.

What has a wrong type or an unknown value is no request at all (400, no transaction). What is well formed and makes no sense (no price, too many
decimals) is read; ``rules`` refuses it with its reason. Two things are stricter here than at the venue: an unknown key is refused, where the venue
may pass over it, and so is a time without a zone, which the venue reads in a zone of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tests.venues.oanda.errors import Malformed
from tests.venues.oanda.wire import Doc, Stamp, number, price, read_decimal, read_time

ENTRY_TYPES = ("MARKET", "LIMIT", "STOP", "MARKET_IF_TOUCHED")
EXIT_TYPES = ("TAKE_PROFIT", "STOP_LOSS", "TRAILING_STOP_LOSS")
TIMES_IN_FORCE = ("GTC", "GTD", "GFD", "FOK", "IOC")
POSITION_FILLS = ("DEFAULT", "OPEN_ONLY", "REDUCE_FIRST", "REDUCE_ONLY")
TRIGGERS = ("DEFAULT", "INVERSE", "BID", "ASK", "MID")

# Each exit's type, its key in an entry (``…OnFill``) and in ``PUT /trades/{spec}/orders``.
EXIT_KEYS = {"TAKE_PROFIT": "takeProfit", "STOP_LOSS": "stopLoss", "TRAILING_STOP_LOSS": "trailingStopLoss"}

_COMMON_KEYS = {"type", "timeInForce", "gtdTime", "clientExtensions", "triggerCondition"}
_ON_FILL_KEYS = {f"{key}OnFill" for key in EXIT_KEYS.values()} | {"tradeClientExtensions"}
_ENTRY_KEYS = _COMMON_KEYS | _ON_FILL_KEYS | {"instrument", "units", "positionFill"}
_KEYS = {
    "MARKET": _ENTRY_KEYS - {"triggerCondition", "gtdTime"} | {"priceBound"},
    "LIMIT": _ENTRY_KEYS | {"price"},
    "STOP": _ENTRY_KEYS | {"price", "priceBound"},
    "MARKET_IF_TOUCHED": _ENTRY_KEYS | {"price", "priceBound"},
    "TAKE_PROFIT": _COMMON_KEYS | {"tradeID", "clientTradeID", "price"},
    "STOP_LOSS": _COMMON_KEYS | {"tradeID", "clientTradeID", "price", "distance", "guaranteed"},
    "TRAILING_STOP_LOSS": _COMMON_KEYS | {"tradeID", "clientTradeID", "distance"},
}
_DETAIL_KEYS = {"price", "distance", "timeInForce", "gtdTime", "clientExtensions", "guaranteed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """What a client writes on an order or a trade."""

    id: str | None = None
    tag: str | None = None
    comment: str | None = None

    def as_json(self) -> Doc:
        return {name: value for name, value in (("id", self.id), ("tag", self.tag), ("comment", self.comment)) if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """An exit as an entry asks for it, or as it is set on a trade."""

    type: str
    price: Decimal | None = None
    distance: Decimal | None = None
    time_in_force: str = "GTC"
    gtd_ns: int | None = None
    client: Extensions | None = None

    def as_json(self, decimals: int) -> Doc:
        doc: Doc = {}
        if self.price is not None:
            doc["price"] = price(self.price, decimals)
        if self.distance is not None:
            doc["distance"] = price(self.distance, decimals)
        doc["timeInForce"] = self.time_in_force
        if self.gtd_ns is not None:
            doc["gtdTime"] = Stamp(self.gtd_ns)
        if self.client is not None:
            doc["clientExtensions"] = self.client.as_json()
        return doc

    def as_request(self, trade_id: int, client_trade_id: str | None) -> "OrderRequest":
        """The order of this exit, on a trade."""
        return OrderRequest(
            type=self.type,
            trade_id=str(trade_id),
            client_trade_id=client_trade_id,
            price=self.price,
            distance=self.distance,
            time_in_force=self.time_in_force,
            gtd_ns=self.gtd_ns,
            client=self.client,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """An order as it was asked for. Entries have an instrument and signed units, exits a trade."""

    type: str
    instrument: str | None = None
    units: Decimal | None = None
    price: Decimal | None = None
    price_bound: Decimal | None = None
    distance: Decimal | None = None
    trade_id: str | None = None
    client_trade_id: str | None = None
    time_in_force: str = "GTC"
    gtd_ns: int | None = None
    position_fill: str = "DEFAULT"
    trigger: str = "DEFAULT"
    client: Extensions | None = None
    trade_client: Extensions | None = None
    exits: tuple[Details, ...] = ()

    @property
    def is_exit(self) -> bool:
        return self.type in EXIT_TYPES

    @property
    def client_id(self) -> str | None:
        return self.client.id if self.client else None

    def with_client(self, client: Extensions | None) -> "OrderRequest":
        return replace(self, client=client)

    def as_json(self, decimals: int) -> Doc:
        """The fields that its transaction and its order share."""
        doc: Doc = {}
        if self.is_exit:
            doc |= _given(tradeID=self.trade_id, clientTradeID=self.client_trade_id)
        else:
            doc |= _given(instrument=self.instrument, units=None if self.units is None else number(self.units))
        for name, value in (("price", self.price), ("distance", self.distance), ("priceBound", self.price_bound)):
            if value is not None:
                doc[name] = price(value, decimals)
        doc["timeInForce"] = self.time_in_force
        if self.gtd_ns is not None:
            doc["gtdTime"] = Stamp(self.gtd_ns)
        if not self.is_exit:
            doc["positionFill"] = self.position_fill
        if self.type != "MARKET":
            doc["triggerCondition"] = self.trigger
        if self.type == "STOP_LOSS":
            doc["guaranteed"] = False
        for details in self.exits:
            doc[f"{EXIT_KEYS[details.type]}OnFill"] = details.as_json(decimals)
        doc |= _given(
            clientExtensions=self.client.as_json() if self.client else None,
            tradeClientExtensions=self.trade_client.as_json() if self.trade_client else None,
        )
        return doc


def read_order(body: object) -> OrderRequest:
    """The order of ``{"order": {...}}``; Malformed names the field that is wrong."""
    order = _object(_object(body, "body").get("order"), "order")
    kind = order.get("type", "MARKET")
    if kind not in _KEYS:
        raise Malformed("order/type")
    if unknown := sorted(set(order) - _KEYS[kind]):
        raise Malformed(f"order/{unknown[0]}")
    if order.get("guaranteed") not in {None, False}:
        raise Malformed("order/guaranteed")
    return OrderRequest(
        type=kind,
        instrument=_text(order, "instrument", "order"),
        units=_decimal(order, "units", "order"),
        price=_decimal(order, "price", "order"),
        price_bound=_decimal(order, "priceBound", "order"),
        distance=_decimal(order, "distance", "order"),
        trade_id=_text(order, "tradeID", "order"),
        client_trade_id=_text(order, "clientTradeID", "order"),
        time_in_force=_choice(order, "timeInForce", TIMES_IN_FORCE, "FOK" if kind == "MARKET" else "GTC", "order"),
        gtd_ns=_time(order, "gtdTime", "order"),
        position_fill=_choice(order, "positionFill", POSITION_FILLS, "DEFAULT", "order"),
        trigger=_choice(order, "triggerCondition", TRIGGERS, "DEFAULT", "order"),
        client=read_extensions(order.get("clientExtensions"), "order/clientExtensions"),
        trade_client=read_extensions(order.get("tradeClientExtensions"), "order/tradeClientExtensions"),
        exits=tuple(
            read_details(exit_type, order[f"{key}OnFill"], f"order/{key}OnFill")
            for exit_type, key in EXIT_KEYS.items()
            if order.get(f"{key}OnFill") is not None
        ),
    )


def read_details(exit_type: str, body: object, where: str) -> Details:
    """An exit's details."""
    details = _object(body, where)
    if unknown := sorted(set(details) - _DETAIL_KEYS):
        raise Malformed(f"{where}/{unknown[0]}")
    if details.get("guaranteed") not in {None, False}:
        raise Malformed(f"{where}/guaranteed")
    return Details(
        type=exit_type,
        price=_decimal(details, "price", where),
        distance=_decimal(details, "distance", where),
        time_in_force=_choice(details, "timeInForce", TIMES_IN_FORCE, "GTC", where),
        gtd_ns=_time(details, "gtdTime", where),
        client=read_extensions(details.get("clientExtensions"), f"{where}/clientExtensions"),
    )


def read_extensions(body: object, where: str) -> Extensions | None:
    """Client extensions; None where there are none."""
    if body is None:
        return None
    extensions = _object(body, where)
    if unknown := sorted(set(extensions) - {"id", "tag", "comment"}):
        raise Malformed(f"{where}/{unknown[0]}")
    return Extensions(id=_text(extensions, "id", where), tag=_text(extensions, "tag", where), comment=_text(extensions, "comment", where))


def read_units(body: object, key: str) -> str | Decimal | None:
    """``ALL``, ``NONE`` or a number of units; None where it is not given."""
    wanted = _object(body, "body").get(key)
    if wanted is None or wanted in {"ALL", "NONE"}:
        return wanted if wanted is None else str(wanted)
    return _decimal({key: wanted}, key, "")


def _given(**fields: object) -> Doc:
    return {name: value for name, value in fields.items() if value is not None}


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Malformed(where)
    return value


def _text(body: Mapping[str, Any], key: str, where: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{where}/{key}")
    return value


def _decimal(body: Mapping[str, Any], key: str, where: str) -> Decimal | None:
    value = body.get(key)
    if value is None:
        return None
    try:
        return read_decimal(value)
    except ValueError:
        raise Malformed(f"{where}/{key}".lstrip("/")) from None


def _time(body: Mapping[str, Any], key: str, where: str) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    try:
        return read_time(value)
    except ValueError:
        raise Malformed(f"{where}/{key}") from None


def _choice(body: Mapping[str, Any], key: str, choices: tuple[str, ...], default: str, where: str) -> str:
    value = body.get(key, default)
    if value not in choices:
        raise Malformed(f"{where}/{key}")
    return str(value)
