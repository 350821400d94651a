"""``arena positions, account, trades, close``: what is held, what it is worth, what came of it, and the way out."""

import uuid
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from cli.api import Answer, call_or_fail, send_or_fail
from cli.output import Broker, BrokerOrBoth, Json, pick, print_json, print_table, unavailable_in

POSITION_COLUMNS = ("broker", "instrument", "side", "units", "average_price", "mark_price", "open_pnl", "protection", "stale")
ACCOUNT_COLUMNS = ("broker", "mode", "currency", "equity", "balance", "open_pnl", "margin_used", "margin_available", "realized_pnl", "fees", "stale")
TRADE_COLUMNS = (
    "closed_at", "order_id", "instrument", "side", "units", "entry_price", "exit_price", "close_reason", "net_pnl", "fees", "r_multiple",
)  # fmt: skip
CLOSED_COLUMNS = ("order_id", "status", "average_exit_price", "position_units", "realized_pnl", "fees")


def register(app: typer.Typer) -> None:
    for command in (positions, account, trades, close):
        app.command()(command)


def positions(broker: BrokerOrBoth = None, as_json: Json = False) -> None:
    """List open positions with their profit and who guards their stops."""
    answer = call_or_fail("GET", f"/brokers/{quote(broker)}/positions" if broker else "/positions")
    _show("positions", answer, POSITION_COLUMNS, answer.body["positions"], empty="flat: no open position", as_json=as_json)


def account(broker: BrokerOrBoth = None, as_json: Json = False) -> None:
    """Show what each account is worth: equity, open profit, margin, what was won and lost."""
    answer = call_or_fail("GET", f"/brokers/{quote(broker)}/account" if broker else "/account")
    rows = answer.body["accounts"] if "accounts" in answer.body else [answer.body["account"]]
    _show("accounts", answer, ACCOUNT_COLUMNS, rows, empty="no account answered", as_json=as_json)


def trades(
    broker: BrokerOrBoth = None,
    instrument: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many of each broker.")] = 50,
    as_json: Json = False,
) -> None:
    """List closed trades, newest first: why they ended, the result after fees, and in multiples of what was risked."""
    query = urlencode({key: value for key, value in {"instrument": instrument, "limit": limit}.items() if value is not None})
    answer = call_or_fail("GET", f"/brokers/{quote(broker)}/trades?{query}" if broker else f"/trades?{query}")
    rows = [{**trade, "closed_at": str(trade.get("closed_at", ""))[:19].replace("T", " ")} for trade in answer.body["trades"]]
    rows.sort(key=lambda trade: trade["closed_at"], reverse=True)  # the gateway gives one broker's after the other's
    _show("closed trades, times in UTC", answer, TRADE_COLUMNS, rows, empty="no trade has closed yet", as_json=as_json)


def _show(title: str, answer: Answer, columns: tuple[str, ...], rows: list[dict[str, Any]], *, empty: str, as_json: bool) -> None:
    if as_json:
        print_json(answer.body)
    else:
        print_table(title, columns, (pick(row, *columns) for row in rows), empty=empty)
    unavailable_in(answer.body)


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
    chosen_id = close_id or f"cli-{uuid.uuid4().hex}"  # half of a position, closed twice, would be three quarters of it
    look = f"see arena positions {broker}; sent again with --id {chosen_id} it closes once"
    path = f"/brokers/{quote(broker)}/positions/{quote(instrument)}?{query}"
    answer = send_or_fail("DELETE", path, headers={"Idempotency-Key": chosen_id}, look=look)
    if as_json:
        print_json(answer.body)
    else:
        print_table(f"closing {instrument}", CLOSED_COLUMNS, (pick(row, *CLOSED_COLUMNS) for row in answer.body["orders"]), empty="done")
