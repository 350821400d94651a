"""The exits of an open trade: set, replaced or cancelled together by ``PUT /trades/{spec}/orders``, and what clients write on a trade."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from tests.venues.oanda import placing, rules, triggers
from tests.venues.oanda.account import Account
from tests.venues.oanda.book import DELAYED, Trade
from tests.venues.oanda.errors import Malformed, Rejected, not_found
from tests.venues.oanda.log import Batch
from tests.venues.oanda.requests import EXIT_KEYS, Details, read_details, read_extensions
from tests.venues.oanda.wire import Doc


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of one exit: another one, or (None) none."""

    type: str
    details: Details | None

    @property
    def key(self) -> str:
        """The first part of its keys in the answer."""
        return f"{EXIT_KEYS[self.type]}Order"


def set_exits(account: Account, spec: str, body: object, request_id: str | None = None) -> Doc:
    """A key that is absent leaves its exit as it is, ``null`` cancels it, an object creates or replaces it. One that is refused refuses all."""
    wishes = _read(body)
    trade = account.find_trade(spec)
    if trade is None or trade.id not in account.open:
        raise not_found("NO_SUCH_TRADE", account.log.last_id)
    if trade.state == DELAYED:
        raise Rejected("INSTRUMENT_NOT_TRADEABLE", {}, account.log.batch(request_id).related())
    wishes = [_inherited(account, trade, wish) for wish in wishes]
    batch = account.log.batch(request_id)
    _refuse_all(account, batch, trade, wishes)
    answer: Doc = {}
    for wish in wishes:
        answer |= _grant(account, batch, trade, wish)
    return {**answer, **batch.related()}


def set_trade_extensions(account: Account, spec: str, body: Doc, request_id: str | None = None) -> Doc:
    """``PUT /trades/{spec}/clientExtensions``."""
    client = read_extensions(body.get("clientExtensions"), "clientExtensions")
    trade = account.find_trade(spec)
    batch = account.log.batch(request_id)
    reason = None
    if trade is None or trade.id not in account.open:
        reason = "TRADE_DOESNT_EXIST"
    elif client is None:
        reason = "CLIENT_EXTENSIONS_DATA_MISSING"
    elif client.id and account.find_trade(f"@{client.id}") not in {None, trade}:
        reason = "CLIENT_TRADE_ID_ALREADY_EXISTS"
    if reason is not None or trade is None or client is None:
        named = {"tradeID": spec} if not spec.startswith("@") else {"clientTradeID": spec[1:]}
        wanted = client.as_json() if client else None
        rejected = batch.write("TRADE_CLIENT_EXTENSIONS_MODIFY_REJECT", **named, tradeClientExtensionsModify=wanted, rejectReason=reason)
        status = 404 if reason == "TRADE_DOESNT_EXIST" else 400
        raise Rejected(str(reason), {"tradeClientExtensionsModifyRejectTransaction": rejected}, batch.related(), status=status)
    written = batch.write(
        "TRADE_CLIENT_EXTENSIONS_MODIFY", tradeID=str(trade.id), clientTradeID=trade.client_id, tradeClientExtensionsModify=client.as_json()
    )
    trade.client = client
    return {"tradeClientExtensionsModifyTransaction": written, **batch.related()}


def _read(body: object) -> list[Wish]:
    if not isinstance(body, Mapping):
        raise Malformed("body")
    if unknown := sorted(set(body) - set(EXIT_KEYS.values())):
        raise Malformed(unknown[0])
    return [Wish(kind, None if body[key] is None else read_details(kind, body[key], key)) for kind, key in EXIT_KEYS.items() if key in body]


def _inherited(account: Account, trade: Trade, wish: Wish) -> Wish:
    """A replacement that names no price keeps the one there is; so one client's authors found."""
    old = account.orders.get(trade.exits.get(wish.type, 0))
    details = wish.details
    if old is None or details is None or details.price is not None or details.distance is not None:
        return wish
    distance = old.request.distance
    return Wish(wish.type, replace(details, price=None if distance is not None else old.request.price, distance=distance))


def _refuse_all(account: Account, batch: Batch, trade: Trade, wishes: list[Wish]) -> None:
    rejected: Doc = {}
    first = None
    kinds = trade.exits.keys() | {wish.type for wish in wishes if wish.details is not None}
    for wish in wishes:
        reason = _refusal(account, trade, wish, kinds)
        if reason is None:
            continue
        first = first or reason
        if wish.details is None:
            rejected[f"{wish.key}CancelRejectTransaction"] = batch.write("ORDER_CANCEL_REJECT", rejectReason=reason)
        else:
            request = wish.details.as_request(trade.id, trade.client_id)
            fields = request.as_json(trade.decimals)
            rejected[f"{wish.key}RejectTransaction"] = batch.write(f"{wish.type}_ORDER_REJECT", **fields, reason="CLIENT_ORDER", rejectReason=reason)
    if first is not None:
        raise Rejected(first, rejected, batch.related())


def _refusal(account: Account, trade: Trade, wish: Wish, kinds: Set[str]) -> str | None:
    """Why ``wish`` cannot be had beside the exits of these ``kinds``."""
    if wish.details is None:
        return None if wish.type in trade.exits else "ORDER_DOESNT_EXIST"
    if account.config.stops_exclude_each_other and wish.type != "TAKE_PROFIT":
        other = "TRAILING_STOP_LOSS" if wish.type == "STOP_LOSS" else "STOP_LOSS"
        if other in kinds:
            return f"{wish.type}_ORDER_RMO_MUTUAL_EXCLUSIVITY_MUTUALLY_EXCLUSIVE_VIOLATION"
    reason = rules.details_refusal(account, wish.details, account.specs[trade.instrument])
    if reason is None and wish.details.client is not None and wish.details.client.id:
        found = account.find_order(f"@{wish.details.client.id}")
        if found is not None and found.id != trade.exits.get(wish.type):
            return "CLIENT_ORDER_ID_ALREADY_EXISTS"
    return reason


def _grant(account: Account, batch: Batch, trade: Trade, wish: Wish) -> Doc:
    old = account.orders.get(trade.exits.get(wish.type, 0))
    if wish.details is None:
        assert old is not None
        return {f"{wish.key}CancelTransaction": account.cancel_order(batch, old, "CLIENT_REQUEST")}
    if trade.id not in account.open:
        return {}  # the exit set just before it has closed the trade
    request = wish.details.as_request(trade.id, trade.client_id)
    answer: Doc = {}
    if old is None:
        order, created = account.create_order(batch, request, "CLIENT_ORDER")
    else:
        answer[f"{wish.key}CancelTransaction"], order, created = placing.swap(account, batch, old, replace(request, trigger=old.request.trigger))
    answer[f"{wish.key}Transaction"] = created
    outcome = triggers.meet(account, batch, order)
    if outcome.fill is not None:
        answer[f"{wish.key}FillTransaction"] = outcome.fill
    if outcome.cancel is not None:
        answer[f"{wish.key}CreatedCancelTransaction"] = outcome.cancel
    return answer
