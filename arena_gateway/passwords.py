"""Passwords: Argon2id with fixed cost, and what counts as weak.

Cost (RULES S-A1): m = 19 MiB, t = 2, p = 1, 34 ms here. Hashing runs in two threads with room for sixteen more waiting, then it is refused: that
caps the memory of a flood of logins at 38 MiB and leaves the event loop alone. An unknown user is checked against a hash of the same cost, so that
time does not tell who exists.
"""

import asyncio
import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from arena_gateway.common_passwords import COMMON_PASSWORDS
from trading.errors import Unavailable

THREADS = 2
HASHING_NICENESS = 10
WAITING_MAX = 16
CHARS_MIN = 12
CHARS_MAX = 256

T = TypeVar("T")

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
_NOBODY = _HASHER.hash(secrets.token_hex(16))


class HashingBusy(Unavailable):
    """Too many passwords are being checked at once."""

    default_code = "LOGIN_BUSY"


def hash_password(password: str) -> str:
    """The hash to keep; blocks for about 34 ms."""
    return _HASHER.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether ``password`` is the one that ``stored`` was made from; the same cost when there is no such user (None)."""
    try:
        return _HASHER.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(stored: str) -> bool:
    """Whether ``stored`` was made with other costs than those of today."""
    return _HASHER.check_needs_rehash(stored)


def weakness(password: str, email: str = "") -> str | None:
    """Why ``password`` is weak, or None. No rules about kinds of characters (ASVS 6.2.5): length and not being everybody's."""
    lowered = password.lower()
    if len(password) < CHARS_MIN:
        return f"a password needs at least {CHARS_MIN} characters"
    if lowered in COMMON_PASSWORDS or len(set(lowered)) < 4:
        return "this is one of the passwords that are tried first"
    name = email.lower().partition("@")[0]
    if len(name) >= 4 and name in lowered and len(lowered) - len(name) < CHARS_MIN - 4:
        return "a password must not be the name it protects"
    return None


def _step_back() -> None:
    """Let this thread run when the others don't want to: a crowd that logs in must not hold up orders (on Linux a priority is a thread's own)."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), HASHING_NICENESS)


class HashingPool:
    """Runs hashing off the loop, two at a time, with room for sixteen more."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2", initializer=_step_back)
        self._inside = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue for the whole of one login or registration.

        Raises:
            HashingBusy: two are running and sixteen wait.
        """
        if self._inside >= THREADS + WAITING_MAX:
            raise HashingBusy("too many logins at once: try again in a few seconds", details={"retry_after_s": 2})
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """The result of ``work(*args)``; call it inside ``place()``."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
