"""Users, roles, live grants and invites: what the `arena user` command and the gateway do to the users store.

    with open_users(settings) as users:
        users.add("ann@desk", "a long password", "admin", by="host")

Every change is one transaction with its audit entry. Whatever changes a user's rights raises ``token_version``, so that tokens issued before are
refused from then on (within a second, for gateways that are running). Blocking: a gateway calls it on its store thread.
"""

import hashlib
import re
import secrets
import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Self

from arena_gateway.audit import AuditEntry, record
from arena_gateway.passwords import hash_password, weakness
from arena_gateway.store import FILE_NAME, Store
from runtime.clock import Clock, SystemClock
from runtime.settings import Settings
from trading.errors import InvalidRequest, NotFound, OrderDenied, StateConflict
from trading.money import fits_wire

ROLES = ("viewer", "trader", "admin")
BROKERS = ("oanda", "coinbase")
INVITE_DAYS = 7

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,190}")
_NS_PER_DAY = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user as the store has it. ``live`` maps brokers to the most that may be traded there a day with real money, None without a limit."""

    user_id: str
    email: str
    role: str
    weak: bool
    disabled: bool
    token_version: int
    created_ns: int
    live: tuple[tuple[str, Decimal | None], ...] = ()


class Users:
    """The users in ``store``."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.store.close()

    def all(self) -> list[User]:
        """Every user, in order of creation."""
        with self.store.read() as db:
            return _select(db, "ORDER BY created_ns, email")

    def get(self, email: str) -> User:
        """The user called ``email``; NotFound ``USER_NOT_FOUND``."""
        with self.store.read() as db:
            return _by_email(db, email)

    def count(self) -> int:
        with self.store.read() as db:
            return int(db.execute("SELECT count(*) FROM users").fetchone()[0])

    def add(self, email: str, password: str, role: str, *, by: str, address: str = "", weak_allowed: bool = False) -> User:
        """Add a user; blocks for one password hash.

        Raises:
            InvalidRequest: EMAIL_INVALID, ROLE_NOT_ALLOWED.
            OrderDenied: PASSWORD_TOO_WEAK, unless ``weak_allowed``: then the user is flagged and usable only on loopback in paper.
            StateConflict: USER_EXISTS.
        """
        check_email(email)
        check_role(role, ROLES)
        weak = refuse_weak(password, email, weak_allowed=weak_allowed)
        return self.add_hashed(email, hash_password(password), role, weak=weak, by=by, address=address)

    def add_hashed(
        self,
        email: str,
        password_hash: str,
        role: str,
        *,
        weak: bool,
        by: str,
        address: str = "",
        invite: str | None = None,
        users_max: int | None = None,
    ) -> User:
        """As ``add``, with checks and hashing done. ``invite`` is used up in the same transaction; ``users_max`` closes the door when reached."""
        user_id = secrets.token_hex(8)
        now_ns = self.store.clock.wall_ns()
        with self.store.write() as db:
            if db.execute("SELECT 1 FROM users WHERE email = ?", (email.lower(),)).fetchone():
                raise StateConflict("this email is registered already: log in, or choose another", code="USER_EXISTS", details={"email": email})
            if users_max is not None and db.execute("SELECT count(*) FROM users").fetchone()[0] >= users_max:
                raise StateConflict(f"there are {users_max} users already: add more with arena user add", code="REGISTRATION_CLOSED")
            if invite is not None:
                role = _use_invite(db, invite, email.lower(), now_ns)
            db.execute(
                "INSERT INTO users (user_id, email, role, password_hash, weak, created_ns) VALUES (?, ?, ?, ?, ?, ?)",
                (user_id, email.lower(), role, password_hash, int(weak), now_ns),
            )
            self._record(db, by, "user.add", email, address, role=role, weak=weak)
            return _by_email(db, email)

    def set_password(self, email: str, password: str, *, by: str, weak_allowed: bool = False) -> User:
        """Change the password and end every session of the user. OrderDenied PASSWORD_TOO_WEAK, NotFound USER_NOT_FOUND."""
        weak = refuse_weak(password, email, weak_allowed=weak_allowed)
        return self._change(email, "user.passwd", by, "password_hash = ?, weak = ?", (hash_password(password), int(weak)))

    def set_role(self, email: str, role: str, *, by: str) -> User:
        check_role(role, ROLES)
        return self._change(email, "user.role", by, "role = ?", (role,), role=role)

    def set_disabled(self, email: str, disabled: bool, *, by: str) -> User:
        """Disable or enable a user. Users are never deleted: their name is in the journals."""
        return self._change(email, "user.disable" if disabled else "user.enable", by, "disabled = ?", (int(disabled),))

    def revoke_sessions(self, email: str, *, by: str) -> User:
        """Make every token of the user worthless; API keys stay."""
        return self._change(email, "user.revoke", by, "disabled = disabled", ())

    def grant_live(self, email: str, broker: str, *, notional_per_day_max: Decimal | None = None, by: str) -> User:
        """Let the user trade real money at ``broker``. InvalidRequest BROKER_NOT_FOUND, LIMIT_INVALID; OrderDenied when the password is weak."""
        check_broker(broker)
        if notional_per_day_max is not None and not (fits_wire(notional_per_day_max) and notional_per_day_max > 0):
            raise InvalidRequest("the limit a day must be above zero, in at most fifteen digits", code="LIMIT_INVALID")
        with self.store.write() as db:
            user = _by_email(db, email)
            if user.weak:
                raise OrderDenied("this user's password is weak: change it first (arena user passwd)", code="PASSWORD_TOO_WEAK")
            limit = None if notional_per_day_max is None else f"{notional_per_day_max:f}"
            db.execute(
                "INSERT INTO live_grants VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET notional_per_day_max = excluded.notional_per_day_max",
                (user.user_id, broker, limit, self.store.clock.wall_ns()),
            )
            self._record(db, by, "user.grant_live", email, broker=broker, notional_per_day_max=limit)
            return _by_email(db, email)

    def revoke_live(self, email: str, broker: str, *, by: str) -> User:
        check_broker(broker)
        with self.store.write() as db:
            user = _by_email(db, email)
            db.execute("DELETE FROM live_grants WHERE user_id = ? AND broker = ?", (user.user_id, broker))
            self._record(db, by, "user.revoke_live", email, broker=broker)
            return _by_email(db, email)

    def create_invite(self, role: str, *, by: str, days: int = INVITE_DAYS) -> str:
        """A code that lets one person register with ``role`` (viewer or trader) within ``days``; shown once, kept as a hash."""
        check_role(role, ("viewer", "trader"))
        code = "rbi_" + secrets.token_urlsafe(24)
        now_ns = self.store.clock.wall_ns()
        with self.store.write() as db:
            db.execute("INSERT INTO invites VALUES (?, ?, ?, ?, NULL)", (hash_secret(code), role, now_ns, now_ns + days * _NS_PER_DAY))
            self._record(db, by, "invite.create", role=role, days=days)
        return code

    def login_row(self, email: str) -> tuple[User, str] | None:
        """The user and the stored hash, for a login; None when there is no such user."""
        with self.store.read() as db:
            row = db.execute("SELECT password_hash FROM users WHERE email = ?", (email.lower(),)).fetchone()
            return None if row is None else (_by_email(db, email), str(row[0]))

    def rehash(self, email: str, password_hash: str) -> None:
        """Keep the same password under today's costs."""
        with self.store.write() as db:
            db.execute("UPDATE users SET password_hash = ? WHERE email = ?", (password_hash, email.lower()))

    def _change(self, email: str, action: str, by: str, assignment: str, values: tuple[object, ...], **details: object) -> User:
        with self.store.write() as db:
            user = _by_email(db, email)
            db.execute(f"UPDATE users SET {assignment}, token_version = token_version + 1 WHERE user_id = ?", (*values, user.user_id))  # noqa: S608 - ours
            db.execute("UPDATE sessions SET revoked_ns = ? WHERE user_id = ? AND revoked_ns IS NULL", (self.store.clock.wall_ns(), user.user_id))
            self._record(db, by, action, email, "", **details)
            return _by_email(db, email)

    def _record(self, db: sqlite3.Connection, by: str, action: str, subject: str = "", address: str = "", **details: object) -> None:
        record(db, AuditEntry(at_ns=self.store.clock.wall_ns(), actor=by, action=action, subject=subject.lower(), address=address, details=details))


def open_users(settings: Settings, clock: Clock | None = None) -> Users:
    """The users of the arena in ``settings.home``; a context manager."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Users(Store.open(settings.data_dir / FILE_NAME, clock or SystemClock()))


def hash_secret(secret: str) -> bytes:
    """What is kept of a token with 256 random bits: no salt or cost is needed against guessing those."""
    return hashlib.sha256(secret.encode()).digest()


def check_email(email: str) -> None:
    """Only a shape: the first version's ``trader@test`` is a name here, not an address to write to. InvalidRequest EMAIL_INVALID."""
    if not _EMAIL.fullmatch(email):
        raise InvalidRequest("email must look like name@host, without spaces", code="EMAIL_INVALID", details={"field": "email"})


def check_role(role: str, allowed: tuple[str, ...]) -> None:
    if role not in allowed:
        raise InvalidRequest(f"role must be {' or '.join(allowed)}", code="ROLE_NOT_ALLOWED", details={"field": "role", "allowed": list(allowed)})


def check_broker(broker: str) -> None:
    if broker not in BROKERS:
        raise InvalidRequest(f"broker must be {' or '.join(BROKERS)}", code="BROKER_NOT_FOUND", details={"known": list(BROKERS)})


def refuse_weak(password: str, email: str, *, weak_allowed: bool) -> bool:
    """Whether the password is weak; OrderDenied PASSWORD_TOO_WEAK when that is not allowed."""
    reason = weakness(password, email)
    if reason is not None and not weak_allowed:
        raise OrderDenied(reason, code="PASSWORD_TOO_WEAK", details={"field": "password"})
    return reason is not None


def _use_invite(db: sqlite3.Connection, code: str, email: str, now_ns: int) -> str:
    row = db.execute("SELECT role FROM invites WHERE hash = ? AND used_by IS NULL AND expires_ns > ?", (hash_secret(code), now_ns)).fetchone()
    if row is None:
        raise StateConflict("this invite is used, too old or unknown: ask for a new one (arena user invite)", code="INVITE_INVALID")
    db.execute("UPDATE invites SET used_by = ? WHERE hash = ?", (email, hash_secret(code)))
    return str(row[0])


def _by_email(db: sqlite3.Connection, email: str) -> User:
    found = _select(db, "WHERE email = ?", (email.lower(),))
    if not found:
        raise NotFound("there is no such user: arena user list shows those there are", code="USER_NOT_FOUND", details={"email": email[:256]})
    return found[0]


def _select(db: sqlite3.Connection, tail: str, values: tuple[object, ...] = ()) -> list[User]:
    grants: dict[str, list[tuple[str, Decimal | None]]] = {}
    for user_id, broker, limit in db.execute("SELECT user_id, broker, notional_per_day_max FROM live_grants ORDER BY user_id, broker"):
        grants.setdefault(user_id, []).append((broker, None if limit is None else Decimal(limit)))
    rows = db.execute(f"SELECT user_id, email, role, weak, disabled, token_version, created_ns FROM users {tail}", values)  # noqa: S608 - our own words
    return [
        User(
            user_id=user_id,
            email=email,
            role=role,
            weak=bool(weak),
            disabled=bool(disabled),
            token_version=version,
            created_ns=created_ns,
            live=tuple(grants.get(user_id, ())),
        )
        for user_id, email, role, weak, disabled, version, created_ns in rows
    ]
