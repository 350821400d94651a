"""Logins that last: a session is one login, kept alive by refresh tokens that are used once each (RULES S-A6).

A refresh token is 256 random bits, kept as a hash, good for 30 days. Using it gives a new one; using it a second time means that somebody copied it,
and the whole session ends: the thief's tokens and the owner's alike. An access token names its session, so ending one ends them too.
"""

import secrets
import sqlite3
from dataclasses import dataclass

from arena_gateway.audit import AuditEntry, record
from arena_gateway.store import Store
from arena_gateway.users import hash_secret

PREFIX = "rbr_"
CHARS_MAX = 128
_NS_PER_DAY = 86_400 * 1_000_000_000


class RefreshRefused(Exception):
    """The refresh token is unknown, used, or too old; ``reused`` says that it was copied and its session is ended."""

    def __init__(self, *, reused: bool = False) -> None:
        super().__init__("refresh token refused")
        self.reused = reused


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """``refresh_token`` is the only copy in clear."""

    session_id: str
    user_id: str
    refresh_token: str


def begin(db: sqlite3.Connection, user_id: str, *, now_ns: int, days: int) -> Session:
    """A new session of ``user_id``, after a good login, in the transaction that is open."""
    session_id = secrets.token_hex(8)
    expires_ns = now_ns + days * _NS_PER_DAY
    # Ended sessions and their tokens are of no use after their last expiry; a login is a good moment to sweep.
    db.execute("DELETE FROM sessions WHERE expires_ns < ?", (now_ns - _NS_PER_DAY,))
    db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, NULL)", (session_id, user_id, now_ns, expires_ns))
    return Session(session_id=session_id, user_id=user_id, refresh_token=_add_token(db, session_id, expires_ns))


def refresh(store: Store, token: str, *, days: int) -> Session:
    """The session of ``token`` with its next refresh token; ``token`` is used up.

    Raises:
        RefreshRefused: it is not good; when it was used before, its session ends here and for ever.
    """
    if not token.startswith(PREFIX) or len(token) > CHARS_MAX:
        raise RefreshRefused
    digest = hash_secret(token)
    now_ns = store.clock.wall_ns()
    reused = False
    with store.write() as db:
        row = db.execute(
            "SELECT session_id, user_id, used_ns, refresh_tokens.expires_ns, revoked_ns "
            "FROM refresh_tokens JOIN sessions USING (session_id) WHERE hash = ?",
            (digest,),
        ).fetchone()
        if row is None:
            raise RefreshRefused
        session_id, user_id, used_ns, expires_ns, revoked_ns = row
        if used_ns is not None:
            reused = True
            _end(db, session_id, now_ns)
            record(db, AuditEntry(at_ns=now_ns, actor=_email(db, user_id), action="token.reuse", subject=session_id, outcome="REFRESH_REUSED"))
        elif revoked_ns is None and expires_ns > now_ns:
            db.execute("UPDATE refresh_tokens SET used_ns = ? WHERE hash = ?", (now_ns, digest))
            db.execute("UPDATE sessions SET expires_ns = ? WHERE session_id = ?", (now_ns + days * _NS_PER_DAY, session_id))
            return Session(session_id=session_id, user_id=user_id, refresh_token=_add_token(db, session_id, now_ns + days * _NS_PER_DAY))
    raise RefreshRefused(reused=reused)


def end(store: Store, session_id: str, *, by: str, address: str = "") -> None:
    """End a session: its access and refresh tokens are worthless from now on."""
    now_ns = store.clock.wall_ns()
    with store.write() as db:
        _end(db, session_id, now_ns)
        record(db, AuditEntry(at_ns=now_ns, actor=by, action="logout", subject=session_id, address=address))


def session_of(store: Store, token: str) -> tuple[str, str] | None:
    """``(session_id, user_id)`` that a refresh token belongs to, whatever its state."""
    with store.read() as db:
        row = db.execute(
            "SELECT session_id, user_id FROM refresh_tokens JOIN sessions USING (session_id) WHERE hash = ?", (hash_secret(token),)
        ).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def _end(db: sqlite3.Connection, session_id: str, now_ns: int) -> None:
    db.execute("UPDATE sessions SET revoked_ns = ? WHERE session_id = ? AND revoked_ns IS NULL", (now_ns, session_id))


def _add_token(db: sqlite3.Connection, session_id: str, expires_ns: int) -> str:
    token = PREFIX + secrets.token_urlsafe(32)
    db.execute("INSERT INTO refresh_tokens VALUES (?, ?, ?, NULL)", (hash_secret(token), session_id, expires_ns))
    return token


def _email(db: sqlite3.Connection, user_id: str) -> str:
    row = db.execute("SELECT email FROM users WHERE user_id = ?", (user_id,)).fetchone()
    return "" if row is None else str(row[0])
