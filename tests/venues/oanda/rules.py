"""Why the venue refuses an order that is well formed: the reason of the reject transaction, or None.

The names are those of ``TransactionRejectReason`` in the vendor's file.
"""

from decimal import Decimal

from tests.venues.oanda.account import Account
from tests.venues.oanda.book import Order
from tests.venues.oanda.requests import Details, Extensions, OrderRequest
from tests.venues.oanda.specs import Spec

TEXT_CHARACTERS_MAX = 128
_RESTING = frozenset({"GTC", "GTD", "GFD"})
_TIMES_IN_FORCE = {"MARKET": frozenset({"FOK", "IOC"}), "LIMIT": frozenset({"GTC", "GTD", "GFD", "FOK", "IOC"})}


def refusal_of(account: Account, request: OrderRequest, *, replacing: Order | None = None) -> str | None:
    """Why ``request`` cannot be accepted.

    Args:
        replacing: the pending order that it takes the place of, and whose client id it may therefore have.
    """
    if request.is_exit:
        return _exit_refusal(account, request, replacing)
    if request.instrument is None:
        return "INSTRUMENT_MISSING"
    spec = account.specs[request.instrument]
    reasons = (
        _units(request.units, spec),
        _price(request, spec),
        _price_bound(request, spec),
        _time_in_force(account, request),
        _extensions(request.client, "CLIENT_ORDER"),
        _extensions(request.trade_client, "CLIENT_TRADE"),
        _client_ids(account, request, replacing),
        _stops(account, request),
        *(_on_fill(account, each, spec) for each in request.exits),
        None if replacing or len(account.pending) < account.config.pending_orders_max else "PENDING_ORDERS_ALLOWED_EXCEEDED",
    )
    return next((reason for reason in reasons if reason), None)


def details_refusal(account: Account, details: Details, spec: Spec) -> str | None:
    """Why an exit cannot be set on an open trade; the reasons are those of an order of its own."""
    if details.type == "TRAILING_STOP_LOSS":
        reason = _distance(details.distance, spec, "PRICE_DISTANCE")
    elif details.type == "STOP_LOSS" and (details.price is None) == (details.distance is None):
        reason = f"STOP_LOSS_ORDER_PRICE_AND_DISTANCE_BOTH_{'MISSING' if details.price is None else 'SPECIFIED'}"
    elif details.distance is not None:
        reason = _plain_distance(details.distance, spec, "PRICE_DISTANCE")
    else:
        reason = _plain_price(details.price, spec, "PRICE")
    if reason is None and details.time_in_force not in _RESTING:
        reason = "TIME_IN_FORCE_INVALID"
    return (
        reason or _gtd(account, details.time_in_force, details.gtd_ns, "TIME_IN_FORCE_GTD_TIMESTAMP") or _extensions(details.client, "CLIENT_ORDER")
    )


def _exit_refusal(account: Account, request: OrderRequest, replacing: Order | None) -> str | None:
    if request.trade_id is None and request.client_trade_id is None:
        return "TRADE_ID_UNSPECIFIED"
    trade = account.find_trade(request.trade_id or f"@{request.client_trade_id}")
    if trade is None or trade.id not in account.open:
        return "TRADE_DOESNT_EXIST"
    if request.trade_id is not None and request.client_trade_id not in {None, trade.client_id}:
        return "TRADE_IDENTIFIER_INCONSISTENCY"
    if replacing is not None and replacing.request.trade_id != str(trade.id):
        return "REPLACING_TRADE_ID_INVALID"
    if replacing is None and request.type in trade.exits:
        return f"{request.type}_ORDER_ALREADY_EXISTS"
    details = Details(
        type=request.type,
        price=request.price,
        distance=request.distance,
        time_in_force=request.time_in_force,
        gtd_ns=request.gtd_ns,
        client=request.client,
    )
    return details_refusal(account, details, account.specs[trade.instrument]) or _client_ids(account, request, replacing)


def _units(units: Decimal | None, spec: Spec) -> str | None:
    if units is None:
        return "UNITS_MISSING"
    if not units:
        return "UNITS_INVALID"
    if units != units.to_integral_value():
        return "UNITS_PRECISION_EXCEEDED"
    if abs(units) > spec.instrument.units_max:
        return "UNITS_LIMIT_EXCEEDED"
    return "UNITS_MINIMUM_NOT_MET" if abs(units) < spec.instrument.units_min else None


def _price(request: OrderRequest, spec: Spec) -> str | None:
    return None if request.type == "MARKET" else _plain_price(request.price, spec, "PRICE")


def _plain_price(price: Decimal | None, spec: Spec, prefix: str) -> str | None:
    if price is None:
        return f"{prefix}_MISSING"
    if price <= 0:
        return f"{prefix}_INVALID"
    return f"{prefix}_PRECISION_EXCEEDED" if spec.has_too_many_decimals(price) else None


def _price_bound(request: OrderRequest, spec: Spec) -> str | None:
    bound = request.price_bound
    if bound is None:
        return None
    if bound <= 0:
        return "PRICE_BOUND_INVALID"
    if spec.has_too_many_decimals(bound):
        return "PRICE_BOUND_PRECISION_EXCEEDED"
    if request.type == "STOP" and request.price is not None and request.units and (bound - request.price) * request.units < 0:
        return "PRICE_BOUND_INVALID"  # no fill of this stop could keep to it
    return None


def _time_in_force(account: Account, request: OrderRequest) -> str | None:
    if request.time_in_force not in _TIMES_IN_FORCE.get(request.type, _RESTING):
        return "TIME_IN_FORCE_INVALID"
    return _gtd(account, request.time_in_force, request.gtd_ns, "TIME_IN_FORCE_GTD_TIMESTAMP")


def _gtd(account: Account, time_in_force: str, gtd_ns: int | None, prefix: str) -> str | None:
    if time_in_force != "GTD":
        return None
    if gtd_ns is None:
        return f"{prefix}_MISSING"
    return f"{prefix}_IN_PAST" if gtd_ns <= account.clock.now_ns() else None


def _extensions(extensions: Extensions | None, prefix: str) -> str | None:
    if extensions is None:
        return None
    for name, text in (("ID", extensions.id), ("TAG", extensions.tag), ("COMMENT", extensions.comment)):
        if text is not None and (len(text) > TEXT_CHARACTERS_MAX or (name == "ID" and not text)):
            return f"{prefix}_{name}_INVALID"
    return None


def _client_ids(account: Account, request: OrderRequest, replacing: Order | None) -> str | None:
    """A client id is taken while an order with it is PENDING, or a trade with it open; afterwards it is free again."""
    found = account.find_order(f"@{request.client_id}") if request.client_id else None
    if found is not None and found is not replacing:
        return "CLIENT_ORDER_ID_ALREADY_EXISTS"
    if request.trade_client is not None and request.trade_client.id and account.find_trade(f"@{request.trade_client.id}") is not None:
        return "CLIENT_TRADE_ID_ALREADY_EXISTS"
    ids = [each for each in (request.client_id, *(details.client.id for details in request.exits if details.client)) if each]
    return "ORDERS_ON_FILL_DUPLICATE_CLIENT_ORDER_IDS" if len(ids) != len(set(ids)) else None


def _stops(account: Account, request: OrderRequest) -> str | None:
    kinds = {each.type for each in request.exits}
    if account.config.stops_exclude_each_other and {"STOP_LOSS", "TRAILING_STOP_LOSS"} <= kinds:
        return "ORDERS_ON_FILL_RMO_MUTUAL_EXCLUSIVITY_MUTUALLY_EXCLUSIVE_VIOLATION"
    return None


def _on_fill(account: Account, details: Details, spec: Spec) -> str | None:
    prefix = f"{details.type}_ON_FILL"
    if details.type == "TRAILING_STOP_LOSS":
        reason = _distance(details.distance, spec, f"{prefix}_PRICE_DISTANCE")
    elif details.type == "STOP_LOSS" and (details.price is None) == (details.distance is None):
        reason = f"{prefix}_PRICE_AND_DISTANCE_BOTH_{'MISSING' if details.price is None else 'SPECIFIED'}"
    elif details.distance is not None:
        reason = _plain_distance(details.distance, spec, f"{prefix}_DISTANCE")
    else:
        reason = _plain_price(details.price, spec, f"{prefix}_PRICE")
    if reason is None and details.time_in_force not in _RESTING:
        reason = f"{prefix}_TIME_IN_FORCE_INVALID"
    return (
        reason
        or _gtd(account, details.time_in_force, details.gtd_ns, f"{prefix}_GTD_TIMESTAMP")
        or _extensions(details.client, f"{prefix}_CLIENT_ORDER")
    )


def _plain_distance(distance: Decimal, spec: Spec, prefix: str) -> str | None:
    if distance <= 0:
        return f"{prefix}_INVALID"
    return f"{prefix}_PRECISION_EXCEEDED" if spec.has_too_many_decimals(distance) else None


def _distance(distance: Decimal | None, spec: Spec, prefix: str) -> str | None:
    """A trailing stop's, which has limits."""
    if distance is None:
        return f"{prefix}_MISSING"
    if reason := _plain_distance(distance, spec, prefix):
        return reason
    if distance > spec.trailing_max:
        return f"{prefix}_MAXIMUM_EXCEEDED"
    return f"{prefix}_MINIMUM_NOT_MET" if distance < spec.trailing_min else None
