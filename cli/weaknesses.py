"""What an attacker would look for first, and how to mend it: the half of ``arena doctor`` that is about who gets in.

Each finding is one sentence and one command. Looking changes nothing; secrets are never shown.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from arena_gateway.users import open_users
from bus.curve import KeyRing
from bus.doors import doors, is_loopback
from runtime.http_guard import check_bind
from runtime.program import CannotStart
from runtime.settings import Settings
from trading.errors import ArenaError

Check = tuple[str, bool, str]

SECRETS_IN_ENVIRONMENT = ("OANDA_API_TOKEN", "COINBASE_API_KEY", "COINBASE_API_SECRET")
NAMES_MAX = 5


def weaknesses(settings: Settings, environ: Mapping[str, str] | None = None) -> list[Check]:
    """``(what was looked at, whether it is well, what to do)``."""
    return [
        *_files(settings),
        *_binds(settings),
        _bus(settings),
        _registration(settings),
        *_users(settings),
        *_environment(settings, os.environ if environ is None else environ),
    ]


def _files(settings: Settings) -> Iterator[Check]:
    """Everything below the home is its owner's alone, and his."""
    if not settings.home.exists():
        return
    open_files, foreign = [], []
    for path in (settings.home, *settings.home.rglob("*")):
        try:
            status = path.lstat()
        except OSError:
            continue
        if stat.S_ISLNK(status.st_mode):
            continue
        if stat.S_IMODE(status.st_mode) & 0o077:
            open_files.append(path)
        if status.st_uid != os.geteuid():
            foreign.append(path)
    yield "files", not open_files, _listed(open_files, f"open to other users: run chmod -R go-rwx {settings.home}", "for their owner alone")
    yield "owner", not foreign, _listed(foreign, f"another user's: run chown -R $(id -un) {settings.home}, as root", "all yours")
    for path in (settings.conf, settings.conf.parent):
        if path.exists() and path.stat().st_mode & 0o022:
            yield "settings file", False, f"others can change {path}: run chmod go-w {path}"


def _binds(settings: Settings) -> Iterator[Check]:
    servers = (("gateway", settings.gateway.host), ("dashboard", settings.dashboard.host), ("market_data", settings.market_data.host))
    for name, host in servers:
        if is_loopback(host):
            continue
        try:
            check_bind(host, settings.http, setting=f"ARENA_{name.upper()}__HOST")
        except CannotStart as error:
            yield f"{name} bind", False, str(error)
    if settings.auth.read == "open" and settings.execution_enabled:
        yield "auth.read", False, "anybody on this machine reads a real account: set ARENA_AUTH__READ=auto"


def _bus(settings: Settings) -> Check:
    try:
        opened = doors(settings, KeyRing(settings.keys_dir))
    except CannotStart as error:
        return "bus port", False, str(error)
    if opened.subscribers is None:
        return "bus port", True, "closed: reads take a token here. A tool that needs it gets a key: arena keys add NAME, then restart the bus"
    return "bus port", True, "CURVE, for named clients (arena keys list)" if opened.curve else "plain, read only, for this machine"


def _registration(settings: Settings) -> Check:
    beyond = not is_loopback(settings.gateway.host) or settings.http.trusted_proxies or settings.execution_enabled
    if settings.auth.registration == "open" and beyond:
        return "registration", False, "everybody who reaches the gateway can register: set ARENA_AUTH__REGISTRATION=auto or invite"
    return "registration", True, settings.auth.registration


def _users(settings: Settings) -> Iterator[Check]:
    if not (settings.data_dir / "users.db").exists():
        return
    try:
        with open_users(settings) as users:
            everybody = [user for user in users.all() if not user.disabled]
    except (ArenaError, CannotStart, sqlite3.Error, OSError) as error:
        yield "users", False, f"the users store cannot be read: {error}"
        return
    weak = [user.email for user in everybody if user.weak]
    closed = settings.execution_enabled or not is_loopback(settings.gateway.host)
    why = "cannot log in here" if closed else "good for paper on this machine only"
    yield "passwords", not weak, _listed(weak, f"weak password, {why}: run arena user passwd EMAIL", "none is weak")
    unlimited = [f"{user.email} at {broker}" for user in everybody for broker, limit in user.live if limit is None]
    yield (
        "live grants",
        not unlimited,
        _listed(
            unlimited,
            "no daily limit: run arena user grant-live EMAIL BROKER --max-notional-per-day N",
            f"{sum(len(user.live) for user in everybody)} given, each with a daily limit",
        ),
    )
    if settings.execution_enabled and not any(user.role == "admin" for user in everybody):
        yield "admin", False, "nobody can release the brake over HTTP: run arena user add EMAIL --role admin"


def _environment(settings: Settings, environ: Mapping[str, str]) -> Iterator[Check]:
    present = [name for name in SECRETS_IN_ENVIRONMENT if environ.get(name)]
    # Whoever can read /proc/<pid>/environ is this user or root, who can read a file too; a child process or a crash report gets it for nothing.
    yield (
        "secrets",
        not present,
        _listed(
            present,
            "in the environment, which crash reports show: write it to a file of mode 600 and name that in NAME_FILE",
            "none in the environment",
        ),
    )
    if settings.http.tls_key_file:
        key = Path(settings.http.tls_key_file)
        good = key.exists() and not key.stat().st_mode & 0o077
        yield "TLS key", good, "for its owner alone" if good else f"missing, or open to others: run chmod 600 {key}"


def _listed(found: "list[Path] | list[str]", mend: str, well: str) -> str:
    if not found:
        return well
    names = ", ".join(str(item) for item in found[:NAMES_MAX])
    return f"{names}{f' and {len(found) - NAMES_MAX} more' if len(found) > NAMES_MAX else ''}: {mend}"
