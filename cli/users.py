"""``arena login, logout, user …, audit``: who may come in. The user verbs work on the store itself, so they need the host, not a token."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from arena_gateway.users import User, Users, open_users
from cli import exit_codes
from cli.api import Api, NoAnswer, describe, settings_or_fail
from cli.output import Json, fail, print_json, print_table, tell
from trading.errors import ArenaError

users_app = typer.Typer(help="Users, their roles and their live grants. Works on this host only.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(login)
    app.command()(logout)
    app.add_typer(users_app, name="user")


def login(email: str, as_json: Json = False) -> None:
    """Log in for the commands that follow; the password is asked for, or read from standard input."""
    api = Api.from_environment()
    try:
        answer = api.login(email, _read_password("password: "))
    except NoAnswer as error:
        fail(f"no gateway answers at {api.url} ({error}). Is the arena running? Start it with: make up", exit_codes.UNREACHABLE)
    if not answer.ok:
        fail(describe(answer))
    tell(f"logged in as {email} at {api.url}", as_json=as_json, email=email, gateway=api.url)


def logout(as_json: Json = False) -> None:
    """Forget the session, here and at the gateway."""
    api = Api.from_environment()
    try:
        api.logout()
    except NoAnswer:
        fail("the session is forgotten here; the gateway did not answer, so its token lives until it runs out", exit_codes.PARTLY)
    tell("logged out", as_json=as_json)


@users_app.command("list")
def list_users(as_json: Json = False) -> None:
    """List users: role, live grants, and what is weak about them."""
    with _store() as users:
        rows = [_row(user) for user in users.all()]
    if as_json:
        print_json({"ok": True, "users": rows})
        return
    columns = ("email", "role", "live", "disabled", "weak_password")
    print_table("users", columns, ([row[column] for column in columns] for row in rows), empty="no users yet: arena user add EMAIL")


@users_app.command("add")
def add_user(email: str, role: Annotated[str, typer.Option(help="viewer, trader or admin")] = "trader", as_json: Json = False) -> None:
    """Add a user; the password is asked for, or read from standard input."""
    with _store() as users:
        user = users.add(email, _read_password("new password: ", twice=True), role, by=host_user())
    tell(f"{user.email} is a {user.role}", as_json=as_json, user=_row(user))


@users_app.command("passwd")
def change_password(email: str, as_json: Json = False) -> None:
    """Set a new password; every session and token of the user ends."""
    with _store() as users:
        users.set_password(email, _read_password("new password: ", twice=True), by=host_user())
    tell(f"the password of {email} is changed, and every session of theirs ended", as_json=as_json, email=email)


@users_app.command("role")
def change_role(email: str, role: str, as_json: Json = False) -> None:
    """Make a user a viewer, a trader or an admin."""
    with _store() as users:
        user = users.set_role(email, role, by=host_user())
    tell(f"{user.email} is a {user.role}", as_json=as_json, user=_row(user))


@users_app.command("disable")
def disable_user(email: str, undo: Annotated[bool, typer.Option("--undo", help="Let them in again.")] = False, as_json: Json = False) -> None:
    """Shut a user out at once; the orders they placed stay."""
    with _store() as users:
        users.set_disabled(email, not undo, by=host_user())
    tell(f"{email} may {'come in again' if undo else 'not come in'}", as_json=as_json, email=email, disabled=not undo)


@users_app.command("grant-live")
def grant_live(
    email: str,
    broker: str,
    max_notional_per_day: Annotated[
        str,
        typer.Option("--max-notional-per-day", "--notional-per-day", help="The most their orders of a day may come to, in the account's currency."),
    ],
    as_json: Json = False,
) -> None:
    """Let a user trade real money at one broker, up to a daily amount."""
    try:
        limit = Decimal(max_notional_per_day)
    except InvalidOperation:
        fail(f"--max-notional-per-day is {max_notional_per_day!r}: write a number", exit_codes.USAGE)
    with _store() as users:
        users.grant_live(email, broker, notional_per_day_max=limit, by=host_user())
    tell(f"{email} may trade real money at {broker}, up to {limit} a day", as_json=as_json, email=email, broker=broker, max_notional_per_day=limit)


@users_app.command("revoke-live")
def revoke_live(email: str, broker: str, as_json: Json = False) -> None:
    """Take the right to trade real money back."""
    with _store() as users:
        users.revoke_live(email, broker, by=host_user())
    tell(f"{email} may not trade real money at {broker}", as_json=as_json, email=email, broker=broker)


@users_app.command("invite")
def invite(role: Annotated[str, typer.Option(help="viewer or trader")] = "trader", as_json: Json = False) -> None:
    """Print a code that lets one person register once (with auth.registration = invite)."""
    with _store() as users:
        code = users.create_invite(role, by=host_user())
    tell(code, as_json=as_json, invite=code, role=role)


@users_app.command("audit")
def audit(limit: Annotated[int, typer.Option(min=1, max=500)] = 50, as_json: Json = False) -> None:
    """Show who did what, newest first."""
    from arena_gateway.audit import page

    with _store() as users:
        answer = page(users.store, limit=limit)
    entries = answer["entries"]
    if as_json:
        print_json({"ok": True, **answer})
    elif isinstance(entries, list):
        columns = ("at", "actor", "action", "subject", "outcome", "address")
        print_table("audit", columns, ([entry.get(column) for column in columns] for entry in entries), empty="nothing yet")


@contextmanager
def _store() -> Iterator[Users]:
    try:
        with open_users(settings_or_fail()) as users:
            yield users
    except ArenaError as error:
        fail(f"{error.message} [{error.code}]")


def _row(user: User) -> dict[str, object]:
    return {
        "email": user.email,
        "role": user.role,
        "live": ", ".join(broker if limit is None else f"{broker} up to {limit} a day" for broker, limit in user.live),
        "disabled": user.disabled,
        "weak_password": user.weak,
    }


def host_user() -> str:
    """Who is at the keyboard, for the audit log."""
    return f"host:{getpass.getuser()}"


def _read_password(prompt: str, *, twice: bool = False) -> str:
    """From the keyboard without echo, or one line from standard input; never from the command line, where every process could read it."""
    if not os.isatty(sys.stdin.fileno()):
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(prompt)
    if twice and getpass.getpass("once more: ") != password:
        fail("the two differ; nothing was changed", exit_codes.USAGE)
    return password
