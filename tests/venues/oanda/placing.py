"""Orders: create, cancel, replace, and what clients write on them. Each function gives the body of its answer or raises a Refusal."""

from dataclasses import replace as altered

from tests.venues.oanda import rules, triggers
from tests.venues.oanda.account import Account
from tests.venues.oanda.book import Order
from tests.venues.oanda.errors import Malformed, Refusal, Rejected
from tests.venues.oanda.fills import Outcome, fill_entry
from tests.venues.oanda.log import Batch
from tests.venues.oanda.requests import OrderRequest, read_extensions, read_order
from tests.venues.oanda.wire import Doc


def place(account: Account, body: object, request_id: str | None = None) -> Doc:
    """``POST /orders``."""
    request = _known(account, read_order(body))
    batch = account.log.batch(request_id)
    if reason := rules.refusal_of(account, request):
        raise _order_rejected(account, batch, request, reason)
    order, created = account.create_order(batch, _on_trade(account, request), "CLIENT_ORDER")
    return {"orderCreateTransaction": created, **_outcome(_try(account, batch, order)), **batch.related()}


def cancel(account: Account, spec: str, request_id: str | None = None) -> Doc:
    """``PUT /orders/{spec}/cancel``."""
    batch = account.log.batch(request_id)
    order = _pending(account, batch, spec)
    return {"orderCancelTransaction": account.cancel_order(batch, order, "CLIENT_REQUEST"), **batch.related()}


def replace(account: Account, spec: str, body: object, request_id: str | None = None) -> Doc:
    """``PUT /orders/{spec}``: one of the same type takes its place, with its client id unless it brings one."""
    request = _known(account, read_order(body))
    batch = account.log.batch(request_id)
    old = _pending(account, batch, spec)
    reason = _cannot_replace(old, request) or rules.refusal_of(account, request, replacing=old)
    if reason:
        raise _order_rejected(account, batch, request, reason, intendedReplacesOrderID=str(old.id))
    cancelled, order, created = swap(account, batch, old, _on_trade(account, request))
    outcome = _try(account, batch, order)
    answer: Doc = {"orderCancelTransaction": cancelled, "orderCreateTransaction": created}
    if outcome.cancel is not None:
        answer["replacingOrderCancelTransaction"] = outcome.cancel
    return {**answer, **_outcome(Outcome(fill=outcome.fill, reissue=outcome.reissue)), **batch.related()}


def swap(account: Account, batch: Batch, old: Order, request: OrderRequest) -> tuple[Doc, Order, Doc]:
    """Cancel ``old`` and create ``request`` in its place; gives the cancel, the new order and its creation."""
    number = str(account.log.next_id() + 1)
    cancelled = account.cancel_order(batch, old, "CLIENT_REQUEST_REPLACED", replacedByOrderID=number)
    old.replaced_by = int(number)
    if request.client is None:
        request = request.with_client(old.client)
    order, created = account.create_order(batch, request, "REPLACEMENT", replacesOrderID=str(old.id), cancellingTransactionID=cancelled["id"])
    return cancelled, order, created


def set_order_extensions(account: Account, spec: str, body: Doc, request_id: str | None = None) -> Doc:
    """``PUT /orders/{spec}/clientExtensions``."""
    client = read_extensions(body.get("clientExtensions"), "clientExtensions")
    trade_client = read_extensions(body.get("tradeClientExtensions"), "tradeClientExtensions")
    batch = account.log.batch(request_id)
    order = account.find_order(spec)
    wanted = {
        "clientExtensionsModify": client.as_json() if client else None,
        "tradeClientExtensionsModify": trade_client.as_json() if trade_client else None,
    }
    reason = None
    if order is None or order.id not in account.pending:
        reason = "ORDER_DOESNT_EXIST"
    elif client is None and trade_client is None:
        reason = "CLIENT_EXTENSIONS_DATA_MISSING"
    elif client is not None and account.find_order(f"@{client.id}") not in {None, order}:
        reason = "CLIENT_ORDER_ID_ALREADY_EXISTS"
    if reason is not None or order is None:
        named = {"orderID": spec} if not spec.startswith("@") else {"clientOrderID": spec[1:]}
        rejected = batch.write("ORDER_CLIENT_EXTENSIONS_MODIFY_REJECT", **named, **wanted, rejectReason=reason)
        status = 404 if reason == "ORDER_DOESNT_EXIST" else 400
        raise Rejected(str(reason), {"orderClientExtensionsModifyRejectTransaction": rejected}, batch.related(), status=status)
    written = batch.write("ORDER_CLIENT_EXTENSIONS_MODIFY", orderID=str(order.id), clientOrderID=order.client_id, **wanted)
    order.client = client or order.client
    order.request = altered(order.request, trade_client=trade_client or order.request.trade_client)
    return {"orderClientExtensionsModifyTransaction": written, **batch.related()}


def _known(account: Account, request: OrderRequest) -> OrderRequest:
    """An instrument that nobody knows is no request at all."""
    if request.instrument is not None and request.instrument not in account.specs:
        raise Malformed("order/instrument")
    return request


def _on_trade(account: Account, request: OrderRequest) -> OrderRequest:
    """An exit names its trade by both ids, however it was named."""
    if not request.is_exit:
        return request
    trade = account.find_trade(request.trade_id or f"@{request.client_trade_id}")
    assert trade is not None
    return altered(request, trade_id=str(trade.id), client_trade_id=trade.client_id)


def _try(account: Account, batch: Batch, order: Order) -> Outcome:
    """What becomes of an order as soon as it is there."""
    if order.type == "MARKET":
        return fill_entry(account, batch, order)
    outcome = triggers.meet(account, batch, order)
    if order.id in account.pending and order.request.time_in_force in {"FOK", "IOC"}:
        return Outcome(cancel=account.cancel_order(batch, order, "TIME_IN_FORCE_EXPIRED"))
    return outcome


def _outcome(outcome: Outcome) -> Doc:
    named = {"orderFillTransaction": outcome.fill, "orderCancelTransaction": outcome.cancel, "orderReissueTransaction": outcome.reissue}
    return {key: transaction for key, transaction in named.items() if transaction is not None}


def _cannot_replace(old: Order, request: OrderRequest) -> str | None:
    return "REPLACING_ORDER_INVALID" if request.type != old.type or (not request.is_exit and request.instrument != old.instrument) else None


def _pending(account: Account, batch: Batch, spec: str) -> Order:
    order = account.find_order(spec)
    if order is not None and order.id in account.pending:
        return order
    named = {"orderID": spec} if not spec.startswith("@") else {"clientOrderID": spec[1:]}
    rejected = batch.write("ORDER_CANCEL_REJECT", **named, rejectReason="ORDER_DOESNT_EXIST")
    raise Rejected("ORDER_DOESNT_EXIST", {"orderCancelRejectTransaction": rejected}, batch.related(), status=404)


def _order_rejected(account: Account, batch: Batch, request: OrderRequest, reason: str, **extra: object) -> Refusal:
    decimals = account.specs[request.instrument].decimals if request.instrument else 5
    fields = {**request.as_json(decimals), **extra}
    rejected = batch.write(f"{request.type}_ORDER_REJECT", **fields, reason="CLIENT_ORDER", rejectReason=reason)
    status = 404 if reason == "TRADE_DOESNT_EXIST" else 400
    return Rejected(reason, {"orderRejectTransaction": rejected}, batch.related(), status=status)
