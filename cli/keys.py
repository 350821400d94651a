"""``arena keys …``: who may connect to the bus over TCP where reading is not open to everybody on this machine. Works on the host only."""

from pathlib import Path
from typing import Annotated

import typer

from arena_gateway.audit import AuditEntry, write
from arena_gateway.users import open_users
from bus.curve import LISTS, ClientKeys, KeyRefused, KeyRing, List, new_pair
from cli import exit_codes
from cli.api import settings_or_fail
from cli.output import fail, print_json, print_table
from cli.users import host_user
from runtime.program import CannotStart, prepare_home
from runtime.settings import Settings
from runtime.supervisor import end_process

Json = Annotated[bool, typer.Option("--json")]

keys_app = typer.Typer(help="CURVE keys for tools that listen to the bus from other machines, or where money is real.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(keys_app, name="keys")


@keys_app.command("add")
def add(
    name: str,
    publisher: Annotated[bool, typer.Option("--publisher", help="It may publish, as any source; it may not listen.")] = False,
    public: Annotated[str, typer.Option(help="The public key of a pair the client made itself; its secret then never leaves it.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where to write the client's key file; NAME.keys.json when absent.")] = None,
) -> None:
    """Let a client connect, and write the key file it needs. Bring that file to the client safely: who holds it is that client."""
    settings = _prepared()
    which: List = "publishers" if publisher else "subscribers"
    ring = KeyRing(settings.keys_dir)
    try:
        server_public, _ = ring.server_pair()
        made, secret = (public, "") if public else new_pair()
        target = (out or Path(f"{name}.keys.json")).absolute()
        if not public and target.exists():
            fail(f"there is a file {target} already: choose another with --out")
        ring.add(which, name, made)
    except (KeyRefused, CannotStart) as error:
        fail(str(error))
    if secret:
        try:
            ClientKeys(server_public=server_public, public=made, secret=secret).save(target)
        except OSError as error:
            ring.remove(name)
            fail(f"{target} cannot be written: {error.strerror}")
    _note(settings, "bus_key.add", name, list=which)
    print(f"{name} is on the list of {which}; the bus's public key is {server_public}")
    if secret:
        print(f"its keys are in {target}: Subscriber(address, keys={target.name!r})")
    print("restart the bus when it had no TCP port before (arena doctor says so)")


@keys_app.command("remove")
def remove(name: str) -> None:
    """Let a client in no more, and end its connection: the bus starts anew, which loses nothing."""
    settings = _prepared()
    try:
        which = KeyRing(settings.keys_dir).remove(name)
    except KeyRefused as error:
        fail(str(error), exit_codes.USAGE)
    if which is None:
        fail(f"there is no client called {name}: arena keys list")
    _note(settings, "bus_key.remove", name, list=which)
    print(f"{name} is off the list of {which}")
    if end_process(settings.run_dir / "supervisor.sock", "bus"):
        print("the bus starts anew, so its connection is gone")


@keys_app.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the clients and their public keys."""
    ring = KeyRing(_prepared().keys_dir)
    rows = [{"name": name, "list": which, "public": key} for which in LISTS for name, key in ring.clients(which).items()]
    if as_json:
        print_json({"ok": True, "keys": rows})
        return
    print_table("keys", ("name", "list", "public"), ([row[column] for column in ("name", "list", "public")] for row in rows), empty="no keys yet")


def _prepared() -> Settings:
    settings = settings_or_fail()
    try:
        prepare_home(settings)
    except CannotStart as error:
        fail(str(error))
    return settings


def _note(settings: Settings, action: str, name: str, **details: object) -> None:
    """In the audit log, as everything that lets somebody in."""
    with open_users(settings) as users:
        at_ns = users.store.clock.wall_ns()
        write(users.store, [AuditEntry(at_ns=at_ns, actor=host_user(), action=action, subject=name, details=details)])
