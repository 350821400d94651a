"""Who a token belongs to, from memory: users, ended sessions and API keys as the store had them a moment ago.

Every request asks here, so nothing here waits for the disk. The copy is made anew after each change of our own and, once a second, after a change by
another gateway or the command line (SQLite's ``data_version`` tells): a revoked token is refused at once here, elsewhere within a second or two
(S-A6 allows five). A token's signature is checked once and remembered by the token's hash, bounded; its times, its session, its user's version and
the user's state are looked at on every request.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from arena_gateway import api_keys
from arena_gateway.api_keys import ApiKey
from arena_gateway.store import Store
from arena_gateway.tokens import LEEWAY_S, Claims, SigningKey, TokenRefused
from arena_gateway.users import User, Users
from runtime.clock import Clock
from runtime.http_answers import ApiError
from runtime.introspection import token_invalid
from runtime.routes import Principal

REMEMBERED_MAX = 16_384
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of the store."""

    users: dict[str, User]
    ended_sessions: frozenset[str]
    keys: dict[bytes, ApiKey]


def read_snapshot(store: Store) -> Snapshot:
    """What the store has now; blocking."""
    users = {user.user_id: user for user in Users(store).all()}
    with store.read() as db:
        ended = frozenset(str(row[0]) for row in db.execute("SELECT session_id FROM sessions WHERE revoked_ns IS NOT NULL"))
    return Snapshot(users=users, ended_sessions=ended, keys=api_keys.by_hash(store))


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A token whose signature was good, and the principal it stood for while ``user`` was as it was."""

    claims: Claims
    user: User
    principal: Principal


class Directory:
    """Answers who a token belongs to.

    Args:
        weak_allowed: whether users with a weak password may come in (only on loopback and in paper, S-B5).
    """

    def __init__(self, snapshot: Snapshot, key: SigningKey, clock: Clock, *, weak_allowed: bool) -> None:
        self._snapshot = snapshot
        self._key = key
        self._clock = clock
        self._weak_allowed = weak_allowed
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self.keys_used: dict[str, int] = {}

    def replace(self, snapshot: Snapshot) -> None:
        """Answer from ``snapshot`` from now on. Users who did not change stay the same objects, so that what is remembered of them stays good."""
        before = self._snapshot.users
        kept = {user_id: old if (old := before.get(user_id)) == user else user for user_id, user in snapshot.users.items()}
        self._snapshot = Snapshot(users=kept, ended_sessions=snapshot.ended_sessions, keys=snapshot.keys)

    def user(self, user_id: str) -> User | None:
        return self._snapshot.users.get(user_id)

    def users(self) -> Iterable[User]:
        return self._snapshot.users.values()

    def resolve(self, token: str) -> Principal:
        """Who ``token`` belongs to.

        Raises:
            ApiError: 401 for one that is not good, 403 PASSWORD_CHANGE_REQUIRED for a user with a weak password where that is not allowed.
        """
        return self._resolve(token, hashlib.sha256(token.encode()).digest())

    def _resolve(self, token: str, digest: bytes) -> Principal:
        if token.startswith(api_keys.PREFIX):
            return self._of_key(digest)
        remembered = self._remembered.get(digest)
        if remembered is None:
            remembered = self._verify(token, digest)
        claims = remembered.claims
        user = self._snapshot.users.get(claims.user_id)
        if user is not remembered.user:
            if user is None or user.token_version != claims.token_version:
                raise token_invalid()
            self._check_user(user)
            remembered = self._remember(digest, claims, user)
        if claims.expires_s + LEEWAY_S <= self._clock.wall_ns() // _NS_PER_S or claims.session_id in self._snapshot.ended_sessions:
            raise token_invalid()
        return remembered.principal

    def find(self, token: str) -> Principal | None:
        """Who ``token`` belongs to, where that is known without verifying a signature; None where :meth:`resolve` finds out, or says why not.

        So a flood of bad tokens costs one verification each.
        """
        digest = hashlib.sha256(token.encode()).digest()
        if digest not in self._remembered and digest not in self._snapshot.keys:
            return None
        try:
            return self._resolve(token, digest)
        except ApiError:
            return None

    def _verify(self, token: str, digest: bytes) -> _Remembered:
        try:
            claims = self._key.read(token, now_ns=self._clock.wall_ns())
        except TokenRefused:
            raise token_invalid() from None
        user = self._snapshot.users.get(claims.user_id)
        if user is None or user.token_version != claims.token_version:
            raise token_invalid()
        self._check_user(user)
        return self._remember(digest, claims, user)

    def _remember(self, digest: bytes, claims: Claims, user: User) -> _Remembered:
        principal = Principal(
            user=user.email,
            role=user.role,
            live=frozenset(broker for broker, _ in user.live),
            live_notional_max=_limits(user),
            token_id=claims.session_id,
            expires_ns=claims.expires_s * _NS_PER_S,
        )
        remembered = _Remembered(claims, user, principal)
        self._remembered[digest] = remembered
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return remembered

    def _of_key(self, digest: bytes) -> Principal:
        key = self._snapshot.keys.get(digest)
        user = None if key is None else self._snapshot.users.get(key.user_id)
        now_ns = self._clock.wall_ns()
        if key is None or user is None or (key.expires_ns is not None and key.expires_ns <= now_ns):
            raise token_invalid()
        self._check_user(user)
        self.keys_used[key.key_id] = now_ns
        live = frozenset(broker for broker, _ in user.live if f"live:{broker}" in key.scopes)
        # A key acts for its user and never does more: without a trading scope it looks, and no key is an admin.
        role = "trader" if user.role != "viewer" and key.scopes - {"read"} else "viewer"
        return Principal(
            user=user.email,
            role=role,
            live=live,
            live_notional_max=_limits(user),
            scopes=key.scopes,
            token_id=key.key_id,
            expires_ns=key.expires_ns,
        )

    def _check_user(self, user: User) -> None:
        if user.disabled:
            raise token_invalid()
        if user.weak and not self._weak_allowed:
            raise password_change_required()


def _limits(user: User) -> dict[str, Decimal]:
    """The most a day with real money, by broker; a key of the user shares it with them."""
    return {broker: limit for broker, limit in user.live if limit is not None}


def password_change_required() -> ApiError:
    return ApiError(
        403,
        "PASSWORD_CHANGE_REQUIRED",
        "this password is too weak for a server that others reach or that trades real money: arena user passwd, on the host",
    )
