"""Which settings were in force when: at each start of the gateway what differs from the last start goes into the audit log.

Settings come from a file and the environment, so the start is when they change. Secrets are none of them: those are in files, and only the
files' names are settings.
"""

import dataclasses
import getpass
import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal

from arena_gateway.audit import AuditEntry, record
from arena_gateway.store import Store
from runtime.settings import Settings

ACTION = "settings"
# Tables that people write at length; whether they changed is told, not how.
_TABLES = ("instruments", "risk")
DETAILS_CHARS_MAX = 3_000


def flat(settings: Settings) -> dict[str, str]:
    """``{"auth.read": "auto", …}``, every setting by its name."""
    found: dict[str, str] = {}
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if item.name in _TABLES:
            found[item.name] = _short(value)
        elif dataclasses.is_dataclass(value):
            found |= {f"{item.name}.{key.name}": _text(getattr(value, key.name)) for key in dataclasses.fields(value)}
        else:
            found[item.name] = _text(value)
    return found


def note_settings(store: Store, settings: Settings) -> None:
    """Write down what has changed since the gateway's last start here; nothing when nothing has."""
    now = flat(settings)
    with store.write() as db:
        rows = db.execute("SELECT details FROM audit WHERE action = ? ORDER BY n", (ACTION,)).fetchall()
        known = flat(Settings(home=settings.home, conf=settings.conf))  # before anything was written down: the defaults
        for (details,) in rows:
            known |= json.loads(details)
        changed = {name: value for name, value in now.items() if known.get(name) != value}
        kept = dict(sorted(changed.items()))
        while kept and len(json.dumps(kept)) > DETAILS_CHARS_MAX:
            kept.popitem()
        if kept:
            entry = AuditEntry(at_ns=store.clock.wall_ns(), actor=f"host:{_user()}", action=ACTION, subject="gateway", details=kept)
            record(db, entry)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return "?"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _short(value: object) -> str:
    """A table as a short hash: equal tables have equal ones."""
    canonical = json.dumps(_plain(value), sort_keys=True, default=str)
    return hashlib.blake2b(canonical.encode(), digest_size=6).hexdigest() if value else ""


def _plain(value: object) -> object:
    return {str(key): _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value
