"""API keys for bots: ``rba_`` and 256 random bits, shown once, kept as a hash (RULES S-A7).

A key acts for its user and never does more than the user may: ``read`` looks, ``paper`` also trades paper, ``live:oanda`` and ``live:coinbase`` also
trade real money where the user holds the grant.
"""

import secrets
from dataclasses import dataclass

from arena_gateway.audit import AuditEntry, record
from arena_gateway.store import Store
from arena_gateway.users import BROKERS, hash_secret
from trading.errors import InvalidRequest, NotFound, StateConflict

PREFIX = "rba_"
SCOPES = ("read", "paper", *(f"live:{broker}" for broker in BROKERS))
KEYS_PER_USER_MAX = 50
DAYS_MAX = 3_650
_NS_PER_DAY = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret."""

    key_id: str
    user_id: str
    name: str
    scopes: frozenset[str]
    created_ns: int
    expires_ns: int | None
    last_used_ns: int | None


def create(store: Store, user_id: str, *, name: str, scopes: list[str], days: int | None, by: str, address: str = "") -> tuple[ApiKey, str]:
    """A new key and its secret, which nobody can read again.

    Raises:
        InvalidRequest: SCOPE_NOT_ALLOWED, EXPIRY_INVALID.
        StateConflict: TOO_MANY_KEYS.
    """
    if not scopes or any(scope not in SCOPES for scope in scopes):
        raise InvalidRequest(f"scopes must be some of {', '.join(SCOPES)}", code="SCOPE_NOT_ALLOWED", details={"allowed": list(SCOPES)})
    if days is not None and not 1 <= days <= DAYS_MAX:
        raise InvalidRequest(f"expires_days must be 1 to {DAYS_MAX}", code="EXPIRY_INVALID", details={"field": "expires_days"})
    secret = PREFIX + secrets.token_urlsafe(32)
    now_ns = store.clock.wall_ns()
    key = ApiKey(
        key_id=secrets.token_hex(8),
        user_id=user_id,
        name=name,
        scopes=frozenset(scopes),
        created_ns=now_ns,
        expires_ns=None if days is None else now_ns + days * _NS_PER_DAY,
        last_used_ns=None,
    )
    with store.write() as db:
        (count,) = db.execute("SELECT count(*) FROM api_keys WHERE user_id = ? AND revoked_ns IS NULL", (user_id,)).fetchone()
        if count >= KEYS_PER_USER_MAX:
            raise StateConflict(f"a user has at most {KEYS_PER_USER_MAX} keys: delete one first", code="TOO_MANY_KEYS")
        db.execute(
            "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (key.key_id, user_id, hash_secret(secret), name, " ".join(sorted(key.scopes)), now_ns, key.expires_ns),
        )
        record(
            db,
            AuditEntry(at_ns=now_ns, actor=by, action="api_key.create", subject=key.key_id, address=address, details={"scopes": sorted(key.scopes)}),
        )
    return key, secret


def revoke(store: Store, user_id: str, key_id: str, *, by: str, address: str = "") -> None:
    """End one of the user's keys; NotFound API_KEY_NOT_FOUND for any other."""
    now_ns = store.clock.wall_ns()
    with store.write() as db:
        changed = db.execute(
            "UPDATE api_keys SET revoked_ns = ? WHERE key_id = ? AND user_id = ? AND revoked_ns IS NULL", (now_ns, key_id, user_id)
        ).rowcount
        if not changed:
            raise NotFound("you have no such API key: GET /auth/api-keys lists yours", code="API_KEY_NOT_FOUND", details={"key_id": key_id[:64]})
        record(db, AuditEntry(at_ns=now_ns, actor=by, action="api_key.revoke", subject=key_id, address=address))


def of_user(store: Store, user_id: str) -> list[ApiKey]:
    """The user's keys that are not revoked, newest first."""
    return [key for _, key in _select(store, "WHERE revoked_ns IS NULL AND user_id = ? ORDER BY created_ns DESC", (user_id,))]


def by_hash(store: Store) -> dict[bytes, ApiKey]:
    """Every key that is not revoked, by the hash of its secret."""
    return dict(_select(store, "WHERE revoked_ns IS NULL", ()))


def note_used(store: Store, used: dict[str, int]) -> None:
    """Keep when keys were last used: {key_id: nanoseconds}, collected and written now and then."""
    if used:
        with store.write() as db:
            db.executemany("UPDATE api_keys SET last_used_ns = ? WHERE key_id = ?", [(at_ns, key_id) for key_id, at_ns in used.items()])


def _select(store: Store, tail: str, values: tuple[object, ...]) -> list[tuple[bytes, ApiKey]]:
    query = f"SELECT hash, key_id, user_id, name, scopes, created_ns, expires_ns, last_used_ns FROM api_keys {tail}"  # noqa: S608 - our own words
    with store.read() as db:
        rows = db.execute(query, values).fetchall()
    return [
        (
            bytes(digest),
            ApiKey(
                key_id=key_id,
                user_id=user_id,
                name=name,
                scopes=frozenset(scopes.split()),
                created_ns=created_ns,
                expires_ns=expires_ns,
                last_used_ns=last_used_ns,
            ),
        )
        for digest, key_id, user_id, name, scopes, created_ns, expires_ns, last_used_ns in rows
    ]
