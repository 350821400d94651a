"""``arena order, orders, modify, cancel``: placing, watching and changing brackets through the gateway, like any other client."""

import uuid
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from cli import exit_codes
from cli.api import Answer, call_or_fail, send_or_fail
from cli.output import Broker, BrokerOrBoth, Json, fail, pick, print_json, print_table, unavailable_in

ORDER_COLUMNS = (
    "order_id",
    "instrument",
    "side",
    "units",
    "entry_type",
    "entry_price",
    "stop_loss_price",
    "take_profit_price",
    "status",
    "placed_by",
)
# In the order a trader asks; what the server says beyond these comes after them by its own name.
PREVIEW_WORDS = {
    "instrument": "instrument",
    "side": "side",
    "units": "units",
    "bid": "bid now",
    "ask": "ask now",
    "spread": "spread",
    "entry_price": "entry price",
    "notional": "worth of it",
    "cost": "margin or cash taken",
    "available": "available for it",
    "entry_fee": "fee going in",
    "exit_fee": "fee coming out",
    "loss_at_stop": "lost at the stop, with fees",
    "gain_at_target": "won at the target, after fees",
    "reward_risk": "reward to risk",
    "currency": "money in",
}


def register(app: typer.Typer) -> None:
    for command in (order, orders, modify, cancel):
        app.command()(command)


def order(
    broker: Broker,
    side: Annotated[str, typer.Argument(help="BUY or SELL")],
    units: str,
    instrument: str,
    stop: Annotated[str, typer.Option(help="Stop loss price.")],
    target: Annotated[str, typer.Option(help="Take profit price.")],
    entry: Annotated[str | None, typer.Option(help="Entry price; leave it out for a market order.")] = None,
    entry_type: Annotated[str | None, typer.Option("--type", help="limit (default with --entry), stop or market.")] = None,
    trail: Annotated[str | None, typer.Option(help="Trailing stop: the stop follows the price at this distance, and never goes back.")] = None,
    ttl_min: Annotated[str | None, typer.Option("--ttl", help="Minutes the unfilled entry lives (default 360).")] = None,
    quality: Annotated[int | None, typer.Option(help="Quality score, 0 to 100.")] = None,
    client_order_id: Annotated[str | None, typer.Option("--id", help="Your own id: the same id again never places a second order.")] = None,
    preview: Annotated[bool, typer.Option(help="Only say what it would cost and risk.")] = False,
    as_json: Json = False,
) -> None:
    """Place a bracket: entry, stop loss and take profit in one order."""
    chosen_id = client_order_id or f"cli-{uuid.uuid4().hex}"
    body: dict[str, object] = {
        "instrument": instrument,
        "side": side.upper(),
        "units": _number("units", units),
        "entry_type": entry_type or ("limit" if entry else "market"),
        "stop_loss_price": _number("--stop", stop),
        "take_profit_price": _number("--target", target),
    }
    body |= _numbers(entry_price=("--entry", entry), trailing_stop_distance=("--trail", trail), ttl_min=("--ttl", ttl_min))
    if quality is not None:
        body["quality_score"] = quality
    if preview:
        _show_preview(call_or_fail("POST", f"/brokers/{quote(broker)}/orders/preview", body), as_json=as_json)
        return
    look = f"arena orders {broker} --id {chosen_id}"
    answer = send_or_fail("POST", f"/brokers/{quote(broker)}/orders", {**body, "client_order_id": chosen_id}, look=look)
    if as_json:
        print_json(answer.body)
    else:
        placed = answer.body
        trails = f" trailing {trail} behind" if trail else ""
        print(
            f"{placed['order_id']} {placed['status']} ({placed['mode']}): {body['side']} {units} {instrument}, stop {stop}{trails}, target {target}"
        )


def _show_preview(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print_json(answer.body)
        return
    preview: dict[str, Any] = answer.body.get("preview") or {key: value for key, value in answer.body.items() if key != "ok"}
    warnings = preview.pop("warnings", [])
    said = [(words, preview.pop(field)) for field, words in PREVIEW_WORDS.items() if preview.get(field) is not None]
    if preview.pop("stale", False):
        warnings = ["the price it was reckoned with is old", *warnings]
    print_table("preview, nothing was placed", ("what", "value"), [*said, *sorted(preview.items())], empty="nothing to say")
    for warning in warnings:
        print(f"! {warning['message'] if isinstance(warning, dict) else warning}")


def orders(
    broker: BrokerOrBoth = None,
    status: Annotated[str | None, typer.Option(help="For example PENDING or OPEN.")] = None,
    instrument: Annotated[str | None, typer.Option()] = None,
    client_order_id: Annotated[str | None, typer.Option("--id", help="Look up your own id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: Json = False,
) -> None:
    """List orders, newest first."""
    wanted = {"status": status, "instrument": instrument, "client_order_id": client_order_id, "limit": limit}
    query = urlencode({key: value for key, value in wanted.items() if value is not None})
    answer = call_or_fail("GET", f"/brokers/{quote(broker)}/orders?{query}" if broker else f"/orders?{query}")
    if as_json:
        print_json(answer.body)
    else:
        rows = sorted(answer.body["orders"], key=lambda row: str(row.get("placed_at", "")), reverse=True)  # of both brokers, the newest first
        print_table("orders", ORDER_COLUMNS, (pick(_as_it_stands(row), *ORDER_COLUMNS) for row in rows), empty="no such order")
    unavailable_in(answer.body)


def _as_it_stands(order: dict[str, Any]) -> dict[str, Any]:
    """The order with its stop where it is now: a trailing one has left the price it was placed with."""
    legs = {leg.get("leg"): leg for leg in order.get("legs") or ()}
    standing = legs.get("stop_loss", {}).get("price")
    return order if standing is None else {**order, "stop_loss_price": standing}


def modify(
    broker: Broker,
    order_id: str,
    stop: Annotated[str | None, typer.Option(help="New stop loss price.")] = None,
    target: Annotated[str | None, typer.Option(help="New take profit price.")] = None,
    trail: Annotated[str | None, typer.Option(help="New distance of the trailing stop.")] = None,
    entry: Annotated[str | None, typer.Option(help="New entry price, before any fill.")] = None,
    ttl_min: Annotated[str | None, typer.Option("--ttl", help="Minutes the unfilled entry lives from now on.")] = None,
    as_json: Json = False,
) -> None:
    """Change an order's stop, target or trailing distance; before it is filled its entry and time to live too."""
    body = _numbers(
        stop_loss_price=("--stop", stop),
        take_profit_price=("--target", target),
        trailing_stop_distance=("--trail", trail),
        entry_price=("--entry", entry),
        ttl_min=("--ttl", ttl_min),
    )
    if not body:
        fail("say what to change: --stop, --target, --trail, --entry or --ttl", exit_codes.USAGE)
    answer = call_or_fail("PATCH", f"/brokers/{quote(broker)}/orders/{quote(order_id)}", body)
    if as_json:
        print_json(answer.body)
        return
    columns = ("order_id", "status", "entry_price", "stop_loss_price", "take_profit_price", "trailing_stop_distance")
    print_table("changed", columns, [pick(answer.body["order"], *columns)], empty="")


def cancel(
    broker: Broker,
    order_id: Annotated[str | None, typer.Argument(help="Leave it out with --all.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every unfilled entry at this broker.")] = False,
    as_json: Json = False,
) -> None:
    """Cancel an unfilled entry, or all of them."""
    if everything == (order_id is not None):
        fail("name one order, or say --all", exit_codes.USAGE)
    answer = call_or_fail("DELETE", f"/brokers/{quote(broker)}/orders" + ("" if everything else f"/{quote(order_id or '')}"))
    if as_json:
        print_json(answer.body)
    elif everything:
        print_table(
            "cancelled",
            ("order_id", "ok", "status"),
            ((row["order_id"], row["ok"], row.get("status") or row.get("code")) for row in answer.body["results"]),
            empty="nothing to cancel",
        )
    else:
        print(f"{order_id} {answer.body['order']['status'] if 'order' in answer.body else answer.body.get('status')}")
    if everything and not all(row["ok"] for row in answer.body["results"]):
        raise typer.Exit(exit_codes.PARTLY)


def _numbers(**options: tuple[str, str | None]) -> dict[str, object]:
    """The fields whose options were given, as they go on the wire."""
    return {field: _number(name, text) for field, (name, text) in options.items() if text is not None}


def _number(name: str, text: str) -> object:
    """The number on the wire: the gateway reads numeric strings to the last digit, so the text goes as it is."""
    try:
        if not Decimal(text).is_finite():
            raise InvalidOperation
    except InvalidOperation:
        fail(f"{name} is {text!r}: write a number, for example 1.1655", exit_codes.USAGE)
    return text
