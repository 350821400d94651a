"""``arena halt`` and ``arena resume``: the brakes, through the gateway, else from the host itself."""

import os
import sys
from typing import Annotated, Any

import typer

from cli import exit_codes
from cli.api import Api, NoAnswer, call_or_fail, describe, settings_or_fail
from cli.output import fail, print_json, print_table

Json = Annotated[bool, typer.Option("--json")]


def register(app: typer.Typer) -> None:
    app.command()(halt)
    app.command()(resume)


def halt(
    reason: Annotated[str, typer.Argument(help="Why; it is journalled.")] = "halted from the command line",
    reducing: Annotated[bool, typer.Option(help="Only closing is allowed, instead of nothing at all.")] = False,
    cancel: Annotated[bool, typer.Option(help="Cancel every unfilled entry.")] = False,
    flatten: Annotated[bool, typer.Option(help="Close every position at the market.")] = False,
    as_json: Json = False,
) -> None:
    """Stop trading at every broker, now. Stays so over restarts until `arena resume`."""
    _set({"state": "REDUCING" if reducing else "HALTED", "cancel": cancel, "flatten": flatten, "reason": reason}, as_json=as_json)


def resume(reason: Annotated[str, typer.Argument()] = "resumed from the command line", as_json: Json = False) -> None:
    """Allow new orders again."""
    _set({"state": "ACTIVE", "cancel": False, "flatten": False, "reason": reason}, as_json=as_json)


def _set(body: dict[str, object], *, as_json: bool) -> None:
    answer = _ask(body)
    brokers: dict[str, Any] = answer.get("brokers", {})
    failed: dict[str, Any] = answer.get("failed", {})
    waiting: dict[str, Any] = answer.get("waiting", {})
    if as_json:
        print_json(answer)
    else:
        rows: list[tuple[object, ...]] = [
            (name, row["state"], len(row["cancelled"]), len(row["closed"]), row["open_orders"], row["open_positions"], _note(row))
            for name, row in brokers.items()
        ]
        for name, code in failed.items():
            known = waiting.get(name, {})
            note = f"{code}: it will be told when it is back"
            rows.append((name, known.get("trading_state"), None, None, known.get("open_orders"), known.get("open_positions"), note))
        columns = ("broker", "state", "cancelled", "closed", "open orders", "open positions", "note")
        print_table("trading state", columns, rows, empty="no broker answered")
    if failed:
        raise typer.Exit(exit_codes.PARTLY)


def _ask(body: dict[str, object]) -> dict[str, Any]:
    """What the gateway answers; when it is not there or refuses, what the adapters of this host do."""
    if os.environ.get("ARENA_URL"):
        return call_or_fail("POST", "/admin/trading-state", body).body  # another machine's arena: nothing here to fall back on
    try:
        answer = Api.from_environment().call("POST", "/admin/trading-state", body)
        if answer.ok:
            return answer.body
        why = describe(answer)
    except NoAnswer as error:
        why = f"no gateway answers ({error})"
    from cli.host_brake import set_on_host

    print(f"{why}; asking the adapters on this host themselves", file=sys.stderr)
    try:
        return set_on_host(settings_or_fail(), body)
    except OSError as error:
        fail(f"{why}, and the adapters of this host cannot be asked either: {error}", exit_codes.UNREACHABLE)


def _note(row: dict[str, Any]) -> str:
    return "" if row.get("complete", True) else "still at it: look again"
