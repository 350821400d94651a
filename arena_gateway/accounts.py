"""Registration, login, sessions and API keys as the routes use them: the store on its one thread, hashing in its pool, answers from memory.

Everything that changes who may do what is made durable first and then shown in the directory, before the caller is answered.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from aiohttp import web

from arena_gateway import api_keys, audit, sessions, throttles
from arena_gateway.api_keys import ApiKey
from arena_gateway.audit import AuditEntry, Collected, record
from arena_gateway.directory import Directory, password_change_required, read_snapshot
from arena_gateway.passwords import HashingPool, hash_password, needs_rehash, verify_password
from arena_gateway.registration import Terms, weak_allowed
from arena_gateway.sessions import RefreshRefused, Session
from arena_gateway.settings_audit import note_settings
from arena_gateway.tokens import SigningKey, load_signing_key
from arena_gateway.users import User, Users, check_email, check_role, open_users, refuse_weak
from runtime.clock import Clock, SystemClock
from runtime.http import client_address
from runtime.http_answers import ApiError
from runtime.introspection import bearer_token
from runtime.routes import Principal
from runtime.settings import Settings

WATCH_S = 1.0
KEY_FILE = "jwt.key"
# Audit entries kept while the store cannot be written; the journals have every order anyway.
UNWRITTEN_MAX = 10_000

T = TypeVar("T")
log = logging.getLogger(__name__)


class Accounts:
    """All that this gateway knows of users; made by ``open_accounts``. Serves as the server's authenticator."""

    def __init__(self, settings: Settings, users: Users, key: SigningKey, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.directory = Directory(read_snapshot(users.store), key, clock, weak_allowed=weak_allowed(settings))
        self.collected = Collected()
        self._unwritten: list[AuditEntry] = []
        self._writing = asyncio.Lock()
        self._users = users
        self._store = users.store
        self._key = key
        self._hashing = HashingPool()
        # One thread, one connection: SQLite work never overlaps and never blocks the loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="users-store")
        self._seen = users.store.foreign_changes()
        # One login of an account after the other: each must see the failures before it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def principal(self, request: web.Request) -> Principal | None:
        """Who sends ``request``; None without a token. ApiError 401 or 403 for a token that is not good."""
        token = bearer_token(request)
        return None if token is None else self.directory.resolve(token)

    async def register(self, email: str, password: str, role: str, terms: Terms, *, invite: str | None, address: str) -> User:
        """A new user.

        Raises:
            ArenaError: EMAIL_INVALID, ROLE_NOT_ALLOWED, PASSWORD_TOO_WEAK, USER_EXISTS, INVITE_INVALID, REGISTRATION_CLOSED, LOGIN_BUSY.
        """
        check_email(email)
        check_role(role, ("viewer", "trader"))
        weak = refuse_weak(password, email, weak_allowed=terms.weak_allowed)
        with self._hashing.place():
            hashed = await self._hashing.run(hash_password, password)
            return await self._change(
                lambda: self._users.add_hashed(
                    email,
                    hashed,
                    role,
                    weak=weak,
                    by=email.lower(),
                    address=address,
                    invite=(invite or "") if terms.invite_needed else None,
                    users_max=terms.users_max,
                )
            )

    async def login(self, email: str, password: str, *, address: str) -> dict[str, object]:
        """The tokens of a new session.

        Raises:
            ApiError: 401 LOGIN_FAILED, the same for a wrong password and an unknown user; 403 PASSWORD_CHANGE_REQUIRED.
            ArenaError: LOGIN_THROTTLED, LOGIN_BUSY.
        """
        with self._hashing.place():
            turn = self._turns.setdefault(email.lower(), asyncio.Lock())
            async with turn:
                await self._on_store(lambda: throttles.begin_attempt(self._store, email, address))
                found = await self._on_store(lambda: self._users.login_row(email))
                good = await self._hashing.run(verify_password, None if found is None else found[1], password)
                if found is None or not good or found[0].disabled:
                    await self._on_store(lambda: self._note_failure(email, address))
                    raise ApiError(401, "LOGIN_FAILED", "email or password is wrong")
                user, stored = found
                if user.weak and not weak_allowed(self.settings):
                    await self._on_store(lambda: self._note_refusal(email, address))
                    raise password_change_required()
                session = await self._on_store(lambda: self._begin_session(user, address))
            if needs_rehash(stored):
                hashed = await self._hashing.run(hash_password, password)
                await self._on_store(lambda: self._users.rehash(email, hashed))
        if self.directory.user(user.user_id) != user:
            await self.reload()  # added or changed elsewhere a moment ago: the token must be good at once
        return self._tokens(user, session)

    async def refresh(self, token: str) -> dict[str, object]:
        """The next tokens of a session. ApiError 401 REFRESH_INVALID; a token used twice ends its session."""
        try:
            session = await self._on_store(lambda: sessions.refresh(self._store, token, days=self.settings.auth.refresh_days))
        except RefreshRefused as error:
            if error.reused:
                await self.reload()
                log.warning("a refresh token was used twice: its session is ended")
            raise ApiError(401, "REFRESH_INVALID", "this refresh token is not valid (any more): log in again") from None
        await self.reload()
        user = self.directory.user(session.user_id)
        if user is None or user.disabled:
            raise ApiError(401, "REFRESH_INVALID", "this refresh token is not valid (any more): log in again")
        if user.weak and not weak_allowed(self.settings):
            raise password_change_required()
        return self._tokens(user, session)

    async def logout(self, principal: Principal | None, refresh_token: str | None, *, address: str) -> None:
        """End the session of the access token, of the refresh token, or of both. ApiError 401 when neither is good."""
        ending: dict[str, str] = {}
        if principal is not None and principal.scopes is None:
            ending[principal.token_id] = principal.user
        if refresh_token is not None:
            found = await self._on_store(lambda: sessions.session_of(self._store, refresh_token))
            user = self.directory.user(found[1]) if found else None
            if found and user:
                ending[found[0]] = user.email
        if not ending:
            raise ApiError(401, "TOKEN_REQUIRED", "send the access token, or the refresh token in the body")
        for session_id, by in ending.items():
            await self._on_store(partial(sessions.end, self._store, session_id, by=by, address=address))
        await self.reload()

    async def create_key(self, user: User, *, name: str, scopes: list[str], days: int | None, address: str) -> tuple[ApiKey, str]:
        """A new API key and its secret. ArenaError SCOPE_NOT_ALLOWED, EXPIRY_INVALID, TOO_MANY_KEYS."""
        return await self._change(
            lambda: api_keys.create(self._store, user.user_id, name=name, scopes=scopes, days=days, by=user.email, address=address)
        )

    async def keys_of(self, user: User) -> list[ApiKey]:
        return await self._on_store(lambda: api_keys.of_user(self._store, user.user_id))

    async def revoke_key(self, user: User, key_id: str, *, address: str) -> None:
        """End a key. ArenaError API_KEY_NOT_FOUND."""
        await self._change(lambda: api_keys.revoke(self._store, user.user_id, key_id, by=user.email, address=address))

    def user_called(self, email: str) -> User:
        """The user a principal stands for."""
        for user in self.directory.users():
            if user.email == email:
                return user
        raise ApiError(401, "TOKEN_INVALID", "this user is gone: log in again")

    async def audit_page(self, *, before: int | None, limit: int, actor: str | None, action: str | None) -> dict[str, object]:
        """A page of the audit log, newest first, with what was collected until now."""
        await self._write_collected()
        return await self._on_store(lambda: audit.page(self._store, before=before, limit=limit, actor=actor, action=action))

    def audit(self, request: web.Request, principal: Principal, action: str, *, subject: str, outcome: str) -> None:
        """Note who did what from where; written within a second, as a transaction each would be too slow."""
        self.audit_from(client_address(request, self.settings), principal, action, subject=subject, outcome=outcome)

    def audit_from(self, address: str, principal: Principal, action: str, *, subject: str, outcome: str) -> None:
        """The same for whoever has the address already."""
        self.collected.add(self.clock.wall_ns(), principal.user, action, subject=subject, outcome=outcome, address=address)

    async def reload(self) -> None:
        """Read the store again and answer from that."""
        self.directory.replace(await self._on_store(lambda: read_snapshot(self._store)))

    async def watch(self) -> None:
        """Once a second: take over what others changed, write what was collected. Runs until cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            await self.tend()

    async def tend(self) -> None:
        """One turn of ``watch``."""
        used, self.directory.keys_used = self.directory.keys_used, {}
        try:
            await self._on_store(lambda: api_keys.note_used(self._store, used))
            await self._write_collected()
            seen = await self._on_store(self._store.foreign_changes)
        except sqlite3.OperationalError as error:  # a full disk, or a lock held for long: logins fail and say so, tokens go on
            log.error("the users store cannot be written", extra={"error": str(error)})
            return
        if seen != self._seen:
            self._seen = seen
            await self.reload()

    async def close(self) -> None:
        """Write what is collected and let go of the store."""
        with contextlib.suppress(sqlite3.OperationalError):
            await self._write_collected()
        self._hashing.close()
        self._thread.shutdown(wait=True)
        self._store.close()

    def _tokens(self, user: User, session: Session) -> dict[str, object]:
        life_s = self.settings.auth.access_min * 60
        token, _ = self._key.issue(
            user_id=user.user_id,
            session_id=session.session_id,
            token_version=user.token_version,
            now_ns=self.clock.wall_ns(),
            life_s=life_s,
        )
        return {"ok": True, "access_token": token, "token_type": "bearer", "expires_in": life_s, "refresh_token": session.refresh_token}

    def _begin_session(self, user: User, address: str) -> Session:
        now_ns = self.clock.wall_ns()
        with self._store.write() as db:
            throttles.forgive(db, user.email, address)
            record(db, AuditEntry(at_ns=now_ns, actor=user.email, action="login", address=address))
            return sessions.begin(db, user.user_id, now_ns=now_ns, days=self.settings.auth.refresh_days)

    def _note_failure(self, email: str, address: str) -> None:
        now_ns = self.clock.wall_ns()
        with self._store.write() as db:
            throttles.note_failure(db, email, now_ns)
            record(db, AuditEntry(at_ns=now_ns, actor=email.lower(), action="login", outcome="LOGIN_FAILED", address=address))

    def _note_refusal(self, email: str, address: str) -> None:
        now_ns = self.clock.wall_ns()
        with self._store.write() as db:
            throttles.forgive(db, email, address)
            record(db, AuditEntry(at_ns=now_ns, actor=email.lower(), action="login", outcome="PASSWORD_CHANGE_REQUIRED", address=address))

    async def _write_collected(self) -> None:
        """Write what was collected; what cannot be written now is kept for the next time, up to a limit."""
        async with self._writing:
            self._unwritten = [*self._unwritten, *self.collected.take()][:UNWRITTEN_MAX]
            entries = self._unwritten
            await self._on_store(lambda: audit.write(self._store, entries))
            self._unwritten = []

    async def _change(self, work: Callable[[], T]) -> T:
        """``work`` on the store, shown in the directory before its caller goes on."""
        result = await self._on_store(work)
        await self.reload()
        return result

    async def _on_store(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@asynccontextmanager
async def open_accounts(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Accounts]:
    """The accounts of the arena; run ``watch()`` beside them.

    Raises:
        CannotStart: the store or the signing key cannot be used.
    """
    the_clock = clock or SystemClock()
    settings.keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = load_signing_key(settings.keys_dir / KEY_FILE)
    users = open_users(settings, the_clock)
    note_settings(users.store, settings)
    accounts = Accounts(settings, users, key, the_clock)
    try:
        yield accounts
    finally:
        await accounts.close()
