"""``arena halt`` and ``arena resume``: the brakes, from the host."""

from typing import Annotated, Any

import typer

from cli import exit_codes
from cli.api import call_or_fail
from cli.output import print_json, print_table

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
    answer = call_or_fail("POST", "/admin/trading-state", body)
    brokers: Any = answer.body.get("brokers", {})
    rows = list(brokers.items()) if isinstance(brokers, dict) else [(row.get("broker"), row) for row in brokers]
    if as_json:
        print_json(answer.body)
    else:
        print_table(
            "trading state",
            ("broker", "state", "cancelled", "open positions"),
            ((name, row.get("state") or row.get("code"), row.get("cancelled"), row.get("open_positions")) for name, row in rows),
            empty="no broker answered",
        )
    if any(row.get("ok") is False for _, row in rows):
        raise typer.Exit(exit_codes.PARTLY)
