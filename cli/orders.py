"""``arena order, orders, positions, cancel, close``: placing and watching brackets through the gateway, like any other client."""

import uuid
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from cli import exit_codes
from cli.api import Answer, Api, NoAnswer, call_or_fail, describe
from cli.output import fail, pick, print_json, print_table

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
Broker = Annotated[str, typer.Argument(help="oanda or coinbase")]

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


def register(app: typer.Typer) -> None:
    for command in (order, orders, positions, cancel, close):
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
    ttl_min: Annotated[int | None, typer.Option("--ttl", help="Minutes the unfilled entry lives (default 360).")] = None,
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
    optional = {"entry_price": _number("--entry", entry) if entry else None, "ttl_min": ttl_min, "quality_score": quality}
    body.update({key: value for key, value in optional.items() if value is not None})
    if preview:
        _show_preview(call_or_fail("POST", f"/brokers/{quote(broker)}/orders/preview", body), as_json=as_json)
        return
    answer = _place(broker, body, chosen_id)
    if as_json:
        print_json(answer.body)
    else:
        placed = answer.body
        print(f"{placed['order_id']} {placed['status']} ({placed['mode']}): {body['side']} {units} {instrument}, stop {stop}, target {target}")


def _place(broker: str, body: dict[str, object], client_order_id: str) -> Answer:
    """Send it; when no answer comes, send the same id once more: it cannot be placed twice."""
    api = Api.from_environment()
    for last_try in (False, True):
        try:
            answer = api.call("POST", f"/brokers/{quote(broker)}/orders", {**body, "client_order_id": client_order_id})
        except NoAnswer as error:
            if last_try:
                fail(f"no answer from {api.url} ({error}). It may have been placed: arena orders {broker} --id {client_order_id}", exit_codes.UNKNOWN)
            continue
        if answer.status == 202:
            fail(f"not known yet whether it was placed: arena orders {broker} --id {client_order_id}", exit_codes.UNKNOWN)
        if not answer.ok:
            fail(describe(answer))
        return answer
    raise AssertionError("the loop returns or fails")


def _show_preview(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print_json(answer.body)
        return
    preview: dict[str, Any] = answer.body.get("preview") or {key: value for key, value in answer.body.items() if key != "ok"}
    warnings = preview.pop("warnings", [])
    print_table("preview, nothing was placed", ("what", "value"), sorted(preview.items()), empty="nothing to say")
    for warning in warnings:
        print(f"! {warning['message'] if isinstance(warning, dict) else warning}")


def orders(
    broker: Annotated[str | None, typer.Argument(help="oanda or coinbase; both when left out")] = None,
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
        print_table("orders", ORDER_COLUMNS, (pick(row, *ORDER_COLUMNS) for row in answer.body["orders"]), empty="no such order")
    if answer.body.get("unavailable"):
        fail(f"not asked, down: {_names(answer.body['unavailable'])}", exit_codes.PARTLY)


def _names(unavailable: list[Any]) -> str:
    return ", ".join(str(item.get("broker", item)) if isinstance(item, dict) else str(item) for item in unavailable)


def positions(broker: Broker, as_json: Json = False) -> None:
    """List open positions with their profit and who guards their stops."""
    answer = call_or_fail("GET", f"/brokers/{quote(broker)}/positions")
    if as_json:
        print_json(answer.body)
        return
    columns = ("instrument", "side", "units", "average_price", "unrealized_pnl", "protection")
    print_table("positions", columns, (pick(row, *columns) for row in answer.body["positions"]), empty="flat: no open position")


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


def close(
    broker: Broker,
    instrument: str,
    side: Annotated[str | None, typer.Option(help="BUY or SELL, when both stand.")] = None,
    units: Annotated[str | None, typer.Option(help="Part of it, oldest first.")] = None,
    percent: Annotated[str | None, typer.Option(help="Part of it, in percent.")] = None,
    close_id: Annotated[str | None, typer.Option("--id", help="Sent again under the same id, it closes once.")] = None,
    as_json: Json = False,
) -> None:
    """Close a position at the market, whole or in part; its stop and target go with it."""
    wanted = {"side": side.upper() if side else None, "units": units, "percent": percent}
    query = urlencode({key: value for key, value in wanted.items() if value is not None})
    headers = {"Idempotency-Key": close_id} if close_id else None
    answer = call_or_fail("DELETE", f"/brokers/{quote(broker)}/positions/{quote(instrument)}?{query}", headers=headers)
    if as_json:
        print_json(answer.body)
    else:
        print(f"closing {instrument}: {answer.body.get('status', 'done')}")


def _number(name: str, text: str) -> object:
    """The number on the wire: the gateway reads numeric strings to the last digit, so the text goes as it is."""
    try:
        if not Decimal(text).is_finite():
            raise InvalidOperation
    except InvalidOperation:
        fail(f"{name} is {text!r}: write a number, for example 1.1655", exit_codes.USAGE)
    return text
