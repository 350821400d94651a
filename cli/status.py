"""``arena status`` and ``arena doctor``: is it running, and is anything weak?"""

import logging
import os
import shutil
import socket
import sys
from typing import Annotated, Any

import typer

from arena_gateway.users import BROKERS
from cli import exit_codes
from cli.api import Api, NoAnswer, settings_or_fail
from cli.output import print_json, print_table
from cli.supervisor import ask_supervisor, last_reason
from cli.up import PROGRAMS
from cli.weaknesses import weaknesses
from runtime.settings import Settings

# Rick's heartbeat has the name of his journal.
HEARD_AS = {"narrator": "rick"}


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(doctor)


def status(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show every program: its state, uptime, mode and the age of its last sign of life. Exit 3 when one is down, 4 when none runs."""
    settings = settings_or_fail()
    supervised = ask_supervisor(settings)
    components = _components()
    rows: list[dict[str, Any]] = []
    for name in PROGRAMS:
        program, beat = supervised.get(name), components.get(HEARD_AS.get(name, name), {})
        state = program.state if program else "STOPPED"
        rows.append(
            {
                "program": name,
                "state": state,
                "pid": program.pid if program else None,
                "uptime_s": program.uptime_s if program else None,
                "mode": beat.get("mode"),
                "trading_state": beat.get("trading_state"),
                "age_s": beat.get("age_s"),
                "last_seq": beat.get("last_seq"),
                "reason": last_reason(settings, name, 0) if state not in {"RUNNING", "STARTING"} else None,
            }
        )
    live = [row["program"] for row in rows if row["program"] in BROKERS and row["mode"] == "live"]
    if as_json:
        print_json({"ok": all(row["state"] == "RUNNING" for row in rows), "live": live, "programs": rows})
    else:
        if live:
            print(f"LIVE: real money moves at {' and '.join(live)}\n")
        columns = ("program", "state", "pid", "uptime_s", "mode", "trading_state", "age_s", "last_seq")
        heads = ("program", "state", "pid", "up s", "mode", "trading", "age s", "last seq")
        print_table("arena", heads, ([row[column] for column in columns] for row in rows), empty="nothing runs")
        for row in rows:
            if row["reason"]:
                print(f"{row['program']}: {row['reason']}")
    if not supervised:
        raise typer.Exit(exit_codes.UNREACHABLE)
    if any(row["state"] != "RUNNING" for row in rows):
        raise typer.Exit(exit_codes.PARTLY)


def _components() -> dict[str, dict[str, Any]]:
    try:
        answer = Api.from_environment().call("GET", "/health/ready")
    except NoAnswer:
        return {}
    components = answer.body.get("components", {})
    if isinstance(components, dict):
        return {str(name): value for name, value in components.items() if isinstance(value, dict)}
    return {str(item.get("program")): item for item in components if isinstance(item, dict)}


def doctor(
    live: Annotated[bool, typer.Option("--live", help="Whether real money may move: keys, venues, clocks, doors, grants. Places nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Look over this machine and this arena, and say how to mend what is weak. Exit 1 when something is wrong."""
    settings = settings_or_fail()
    if live:
        _doctor_live(settings, as_json=as_json)
        return
    checks = [*_machine_checks(), *_directory_checks(settings), *_store_checks(settings), *_door_checks(settings), *weaknesses(settings)]
    if as_json:
        print_json({"ok": all(good for _, good, _ in checks), "checks": [{"check": name, "ok": good, "say": say} for name, good, say in checks]})
    else:
        print_table("doctor", ("check", "ok", "what"), ((name, "yes" if good else "NO", say) for name, good, say in checks), empty="")
    if not all(good for _, good, _ in checks):
        raise typer.Exit(exit_codes.FAILED)


def _doctor_live(settings: Settings, *, as_json: bool) -> None:
    from brokers.live_doctor import FAIL
    from cli.doctor_live import findings

    logging.getLogger().addHandler(logging.NullHandler())  # what would be logged on the way is among the findings
    found = findings(settings, os.environ)
    is_green = all(each.level != FAIL for each in found)
    if as_json:
        rows = [{"broker": each.source or None, "check": each.check, "level": each.level, "say": each.say} for each in found]
        print_json({"ok": is_green, "checks": rows})
    else:
        columns = ("broker", "check", "", "what")
        print_table("before real money moves", columns, ((each.source or "arena", each.check, each.level, each.say) for each in found), empty="")
        print("green: nothing stands in the way" if is_green else "NOT green: mend what says fail first")
    if not is_green:
        raise typer.Exit(exit_codes.FAILED)


Check = tuple[str, bool, str]


def _machine_checks() -> list[Check]:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    node = shutil.which("node")
    return [
        ("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        ("open files", hard >= 4096, f"hard limit {hard}, soft {soft}; below 4096 few browsers can watch: raise it with ulimit -Hn"),
        (
            "user",
            os.geteuid() != 0,
            "an ordinary user" if os.geteuid() else "root: paper runs with a warning, live refuses; make a user for the arena",
        ),
        ("node", True, node or "none; the page was built with the one from PyPI"),
    ]


def _directory_checks(settings: Settings) -> list[Check]:
    rows: list[Check] = []
    for directory in (settings.run_dir, settings.data_dir, settings.keys_dir):
        if not directory.exists():
            rows.append((directory.name, True, "not made yet: the first start makes it"))
            continue
        mode = directory.stat().st_mode & 0o777
        rows.append((directory.name, mode & 0o077 == 0, f"{mode:o}" + ("" if mode & 0o077 == 0 else f": run chmod 700 {directory}")))
    for path in sorted(settings.keys_dir.glob("*")) if settings.keys_dir.exists() else []:
        mode = path.stat().st_mode & 0o777
        rows.append((f"keys/{path.name}", mode & 0o077 == 0, f"{mode:o}" + ("" if mode & 0o077 == 0 else f": run chmod 600 {path}")))
    home = settings.home if settings.home.exists() else settings.home.parent
    free_mb = shutil.disk_usage(home).free // 2**20
    floor = settings.store.free_mb_min
    rows.append(("disk", free_mb >= 2 * floor, f"{free_mb} MB free; below {floor} MB no new orders are taken"))
    return rows


def _store_checks(settings: Settings) -> list[Check]:
    """Databases of programs that are not running; a running one's database is its own (RULES R13)."""
    import sqlite3

    running = {name for name, program in ask_supervisor(settings).items() if program.pid}
    rows: list[Check] = []
    for path in sorted(settings.data_dir.glob("*.db")) if settings.data_dir.exists() else []:
        if running:
            rows.append((path.name, True, "in use by a running program, which checks it itself"))
            continue
        try:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            verdict = str(connection.execute("PRAGMA quick_check").fetchone()[0])
            connection.close()
        except sqlite3.Error as error:
            verdict = str(error)
        rows.append((path.name, verdict == "ok", verdict))
    return rows


def _door_checks(settings: Settings) -> list[Check]:
    loopback = {"127.0.0.1", "localhost", "::1"}
    open_hosts = [host for host in (settings.gateway.host, settings.dashboard.host, settings.market_data.host) if host not in loopback]
    rows: list[Check] = [
        ("bind", not open_hosts, "loopback only" if not open_hosts else f"open on {', '.join(open_hosts)}: have TLS or a trusted proxy before it")
    ]
    if not ask_supervisor(settings):
        for name, port in (
            ("gateway", settings.gateway.port),
            ("dashboard", settings.dashboard.port),
            ("market data", settings.market_data.port),
            ("bus", settings.bus.sub_port),
        ):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken = probe.connect_ex(("127.0.0.1", port)) == 0
            rows.append(
                (
                    f"port {port}",
                    not taken,
                    f"free for the {name}" if not taken else f"taken: the {name} cannot start; stop what uses it or set another port",
                )
            )
    return rows
