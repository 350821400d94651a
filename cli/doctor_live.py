"""``arena doctor --live``: may this arena trade real money? First what this machine knows, then what each venue says; one line each, with what to
do."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence

from arena_gateway.users import BROKERS, open_users
from brokers.live_doctor import FAIL, OK, WARN, Finding, examine
from cli import exit_codes
from cli.output import fail
from cli.weaknesses import weaknesses
from runtime.clock import SystemClock
from runtime.settings import Settings
from trading.instruments import InstrumentError, Instruments
from trading.risk_limits import RiskLimits, RiskSettingsError

# Of the checks of plain ``arena doctor``, those that decide who gets at the money.
_DOORS = frozenset({"files", "owner", "settings file", "gateway bind", "dashboard bind", "market_data bind", "auth.read", "TLS key"})


def findings(settings: Settings, environ: Mapping[str, str], brokers: tuple[str, ...] = BROKERS) -> list[Finding]:
    """All of them, the arena's own first."""
    try:
        instruments = Instruments.from_config(settings.instruments)
    except InstrumentError as error:
        fail(f"{settings.conf.parent / 'instruments.toml'}: {error}", exit_codes.USAGE)

    async def ask() -> list[list[Finding]]:
        clock = SystemClock()
        return list(await asyncio.gather(*(examine(name, instruments=instruments, clock=clock, environ=environ) for name in brokers)))

    found = asyncio.run(ask())
    live = [each[0].source for each in found if len(each) > 1 or each[0].level == FAIL]
    return [*arena_findings(settings, live, is_root=os.geteuid() == 0), *(finding for each in found for finding in each)]


def arena_findings(settings: Settings, live: Sequence[str], *, is_root: bool) -> Iterator[Finding]:
    """What needs no venue; ``live`` are the brokers that have credentials."""
    if not live:
        yield _finding("credentials", FAIL, "no broker has any: docs/live.md says which to make and where to put them")
    yield _finding(
        "switch", OK, "EXECUTION_ENABLED=true" if settings.execution_enabled else "EXECUTION_ENABLED is not true: all is paper until it is"
    )
    yield _finding("user", FAIL if is_root else OK, "root: live refuses to start; make a user for the arena" if is_root else "an ordinary user")
    if settings.test.clock_offset_file:
        yield _finding("test clock", FAIL, "ARENA_TEST__CLOCK_OFFSET_FILE is for tests: unset it")
    yield from _feed(settings, live)
    for check, good, say in weaknesses(settings, {}):
        if check in _DOORS and not good:
            yield _finding(check, FAIL, say)
    is_open = settings.auth.registration == "open"
    yield _finding(
        "registration", FAIL if is_open else OK, "open to whoever reaches the gateway: set ARENA_AUTH__REGISTRATION=auto" if is_open else "closed"
    )
    yield from _grants(settings, live)
    yield from _limits(settings)


def _feed(settings: Settings, live: Sequence[str]) -> Iterator[Finding]:
    feeds: tuple[str, ...] = settings.market_data.feed
    missing = [broker for broker in live if broker not in feeds]
    say = f"prices come from {', '.join(feeds)}"
    if missing:
        say += f": nothing is priced or watched at {', '.join(missing)} with that; set ARENA_MARKET_DATA__FEED={','.join(live)}"
    yield _finding("feed", FAIL if missing else OK, say)


def _grants(settings: Settings, live: Sequence[str]) -> Iterator[Finding]:
    users = []
    if (settings.data_dir / "users.db").exists():
        with open_users(settings) as store:
            users = [user for user in store.all() if not user.disabled]
    for broker in live:
        granted = [(user.email, limit) for user in users for name, limit in user.live if name == broker]
        unlimited = [email for email, limit in granted if limit is None]
        if not granted:
            yield _finding(
                "grants", WARN, f"nobody may trade at {broker} yet: arena user grant-live EMAIL {broker} --max-notional-per-day N", source=broker
            )
        elif unlimited:
            yield _finding("grants", FAIL, f"without an amount a day: {', '.join(unlimited)}; give one with arena user grant-live", source=broker)
        else:
            yield _finding("grants", OK, ", ".join(f"{email} up to {limit} a day" for email, limit in granted), source=broker)
    if not any(user.role == "admin" for user in users):
        yield _finding("admin", WARN, "nobody can release the brake over HTTP: arena user add EMAIL --role admin")


def _limits(settings: Settings) -> Iterator[Finding]:
    try:
        limits = RiskLimits.from_settings(settings.risk)
    except RiskSettingsError as error:
        yield _finding("risk limits", FAIL, str(error))
        return
    unset = [
        names[0]
        for names in (("daily_loss_max", "daily_loss_pct_max"), ("order_notional_max",), ("price_collar_pct",))
        if all(getattr(limits, name) is None for name in names)
    ]
    yield _finding(
        "risk limits",
        WARN if unset else OK,
        f"not set: {', '.join(unset)}; [risk] in conf/arena.toml, docs/risk.md"
        if unset
        else "a day's loss, an order's size and its price are bounded",
    )


def _finding(check: str, level: str, say: str, *, source: str = "") -> Finding:
    return Finding(source=source, check=check, level=level, say=say)
