"""A stream ends with the right to read it, within sixty turns of a second: at expiry, log-out, disabling, a new password, a stolen token."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from arena_gateway.accounts import Accounts, open_accounts
from arena_gateway.users import open_users
from bus import sse
from runtime.clock import ManualClock
from runtime.settings import AuthSettings, Settings
from tests.bus.live import LiveOwner
from tests.bus.served import serving
from tests.bus.sse_reader import SseReader, open_reader

STRONG = "a strong pass phrase"
TURN_S = 0.01  # a second of the rule, so that sixty of them pass in less than one

Ending = Callable[[Accounts, ManualClock, Settings, dict[str, object]], Awaitable[None]]


async def _expire(accounts: Accounts, clock: ManualClock, settings: Settings, login: dict[str, object]) -> None:
    clock.advance(settings.auth.access_min * 60 + 11)


async def _log_out(accounts: Accounts, clock: ManualClock, settings: Settings, login: dict[str, object]) -> None:
    await accounts.logout(None, str(login["refresh_token"]), address="127.0.0.1")


async def _disable(accounts: Accounts, clock: ManualClock, settings: Settings, login: dict[str, object]) -> None:
    with open_users(settings, clock) as users:
        users.set_disabled("ann@desk", disabled=True, by="host")
    await accounts.tend()


async def _new_password(accounts: Accounts, clock: ManualClock, settings: Settings, login: dict[str, object]) -> None:
    with open_users(settings, clock) as users:
        users.set_password("ann@desk", "another strong phrase", by="host")
    await accounts.tend()


async def _steal(accounts: Accounts, clock: ManualClock, settings: Settings, login: dict[str, object]) -> None:
    """The refresh token is used twice: somebody else has it."""
    await accounts.refresh(str(login["refresh_token"]))
    with pytest.raises(Exception, match="not valid"):
        await accounts.refresh(str(login["refresh_token"]))


ENDINGS: dict[str, Ending] = {
    "expiry": _expire, "log-out": _log_out, "disabling": _disable, "a new password": _new_password, "a refresh token used twice": _steal,
}  # fmt: skip


async def _to_the_end(reader: SseReader) -> None:
    while True:
        await reader.next(30)


@asynccontextmanager
async def reading(run_dir: Path, clock: ManualClock) -> AsyncIterator[tuple[Accounts, Settings, dict[str, object], SseReader, SseReader]]:
    """Two readers of one server, ann with her token and bob with his."""
    settings = Settings(home=run_dir.parent, conf=run_dir.parent / "arena.toml", auth=AuthSettings(read="token", access_min=60))
    async with open_accounts(settings, clock) as accounts:
        with open_users(settings, clock) as users:
            for name in ("ann", "bob"):
                users.add(f"{name}@desk", STRONG, "viewer", by="host")
        await accounts.reload()
        logins = [await accounts.login(f"{name}@desk", STRONG, address="127.0.0.1") for name in ("ann", "bob")]
        headers = [{"Authorization": f"Bearer {login['access_token']}"} for login in logins]
        async with (
            LiveOwner("oanda", run_dir),
            serving(run_dir, authorize=accounts.principal, clock=clock) as server,
            open_reader(server.url, headers=headers[0]) as ann,
            open_reader(server.url, headers=headers[1]) as bob,
        ):
            for reader in (ann, bob):
                while (await reader.next()).name != "ready":
                    pass
            yield accounts, settings, logins[0], ann, bob


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_stream_ends_within_a_minute_of_the_right_to_read_it(
    run_dir: Path, proxy: object, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """And nobody else's does, but at expiry, which both tokens reach."""
    monkeypatch.setattr(sse, "TURN_S", TURN_S)
    turns = 0
    real_sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        nonlocal turns
        turns += seconds == TURN_S
        await real_sleep(seconds)

    monkeypatch.setattr(sse.asyncio, "sleep", counted)
    clock = ManualClock(time.time_ns())
    async with reading(run_dir, clock) as (accounts, settings, login, ann, bob):
        await ENDINGS[ending](accounts, clock, settings, login)
        began = turns
        with pytest.raises(EOFError):
            await _to_the_end(ann)
        assert turns - began <= 60
        if ending != "expiry":
            assert not bob.response.content.at_eof()
            async with asyncio.timeout(30):
                await bob.response.content.readline()
