"""Every operation of an adapter, by every actor, on own and other people's orders, in paper and live, against the table of docs/security.md."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any

import pytest

from brokers.actors import Actor, actor_of
from brokers.host import Adapter
from brokers.live.broker import LiveBroker
from runtime.clock import ManualClock, SystemClock
from runtime.settings import Settings
from tests.brokers.conftest import running
from tests.brokers.desk_kit import Bus, Caller, events_of, ticket, until
from tests.brokers.live.exchange import Exchange
from tests.brokers.live.scripted_venue import ScriptedVenue
from tests.security.rights import operations
from trading.errors import ArenaError
from trading.instruments import Instruments

OWNER: Mapping[str, object] = {"user": "owner@test", "role": "trader", "live": True}
ADMIN: Mapping[str, object] = {"user": "admin@test", "role": "admin", "live": True}
ACTORS: dict[str, Mapping[str, object] | None] = {
    f"{role}{' with a grant' if live else ''}": {"user": f"{role}-{live}@test".lower(), "role": role, "live": live}
    for role in ("viewer", "trader", "admin")
    for live in (False, True)
} | {"somebody on the host": None}
# What is refused because of who asks, and nothing else.
REFUSALS = frozenset({"ROLE_NOT_ALLOWED", "NOT_YOUR_ORDER", "LIVE_NOT_GRANTED", "NOT_PAPER"})
LOOKING = frozenset(
    {
        "order.preview", "order.get", "order.list", "position.list", "trade.list", "fill.list", "equity.list", "account.get", "instrument.list",
        "capabilities.get", "trading_state.get",
    }
)  # fmt: skip


def expected(row: tuple[str, str, str], actor: Actor, *, own: bool, live: bool) -> str | None:
    """The refusal that the table's row stands for, None where it lets through."""
    who, others, real = row
    on_host = actor.is_admin or actor.is_local
    if (who == "trader" and actor.role == "viewer") or (who == "host" and not on_host):
        return "ROLE_NOT_ALLOWED"
    if live and real == "grant" and not actor.live:
        return "LIVE_NOT_GRANTED"
    if live and real == "host" and not on_host:
        return "ROLE_NOT_ALLOWED"
    if live and real == "refused":
        return "NOT_PAPER"
    return "NOT_YOUR_ORDER" if others == "admin" and not own and not actor.is_admin else None


@asynccontextmanager
async def live_desk(settings: Settings, instruments: Instruments) -> AsyncIterator[tuple[Adapter, Caller]]:
    clock = SystemClock()
    broker = LiveBroker(ScriptedVenue(Exchange(), instruments), instruments=instruments, clock=clock)
    async with running(settings, broker, instruments, clock) as opened:
        await until(lambda: broker.is_reconciled)
        yield opened


async def test_the_table_names_every_operation(paper: Callable[[], AbstractAsyncContextManager[tuple[Adapter, Caller]]]) -> None:
    async with paper() as (_, ask):
        with pytest.raises(ArenaError) as unknown:
            await ask("no.such")
    known = unknown.value.details["known"]
    assert isinstance(known, list)
    assert {name.partition(" ")[0] for name in operations()} == {*known, "events.since"}


@pytest.mark.timeout(110)
@pytest.mark.parametrize("live", [False, True], ids=["paper", "live"])
async def test_each_actor_may_what_the_table_says_and_a_refusal_changes_nothing(
    live: bool,
    settings: Settings,
    instruments: Instruments,
    clock: ManualClock,
    bus: Bus,
    paper: Callable[[], AbstractAsyncContextManager[tuple[Adapter, Caller]]],
) -> None:
    """7 actors x 22 rows x own and another's order."""
    cases = 0
    deviations: list[tuple[object, ...]] = []
    ids = count()
    async with live_desk(settings, instruments) if live else paper() as (_, ask):
        for name, actor in ACTORS.items():
            for operation, row in operations().items():
                if operation == "events.since":
                    continue  # on the replay socket, where nobody is asked who he is
                for own in (True, False):
                    cases += 1
                    # The actor's own order is written in with a grant, whatever he may do now: rights are looked at when something is asked.
                    placer = {**(actor or {}), "role": "trader", "live": True} if own and actor else OWNER
                    if own and actor is None:
                        placer = {"user": "local", "role": "trader", "live": True}
                    placed = await ask("order.place", ticket(f"given-{next(ids)}"), placer)
                    before = len(await events_of(settings)) if operation not in LOOKING else 0
                    code = await _ask(ask, operation, placed, actor, settings, next(ids))
                    # There is no position here to be somebody's; the test below has one.
                    wanted = expected(row, actor_of(actor), own=own or operation == "position.close", live=live)
                    if (code in REFUSALS or wanted is not None) and code != wanted:
                        deviations.append((operation, name, "own" if own else "another's", code, wanted))
                    if wanted is not None and operation not in LOOKING and len(await events_of(settings)) != before:
                        deviations.append((operation, name, own, "refused, and something happened", wanted))
                    if operation == "order.cancel_all" and not own and code is None and not actor_of(actor).is_admin:
                        kept = await ask("order.get", {"order_id": placed["order_id"]}, ADMIN)
                        if kept["order"]["status"] != "PENDING":
                            deviations.append((operation, name, "another's", "was cancelled", "kept"))
                    await ask("trading_state.set", {"state": "ACTIVE"}, ADMIN)
                    await ask("order.cancel_all", {}, ADMIN)
    assert deviations == []
    assert cases == len(ACTORS) * (len(operations()) - 1) * 2


async def _ask(
    ask: Caller, operation: str, placed: Mapping[str, Any], actor: Mapping[str, object] | None, settings: Settings, number: int
) -> str | None:
    """The code of the refusal, None where it was done."""
    op, _, word = operation.partition(" ")
    order = {"order_id": placed["order_id"]}
    args: Mapping[str, Mapping[str, object]] = {
        "order.place": ticket(f"asked-{number}"),
        "order.preview": ticket(),
        "order.get": order,
        "order.modify": {**order, "take_profit_price": 1.18},
        "order.cancel": order,
        "order.resolve": {"client_order_id": f"never-{number}"},
        "position.close": {"instrument": "EUR_USD"},
        "trading_state.set": {"state": word or "HALTED"},
        "store.backup": {"path": str(settings.home / f"backup-{number}.db")},
    }
    try:
        await ask(op, args.get(op, {}), actor)
    except ArenaError as error:
        return error.code
    return None


async def test_a_position_is_closed_by_who_opened_it_or_an_admin(
    paper: Callable[[], AbstractAsyncContextManager[tuple[Adapter, Caller]]], bus: Bus, clock: ManualClock
) -> None:
    """Paper, with a position that stands: each actor on his own and on another's."""
    deviations = []
    async with paper() as (_, ask):
        await bus.subscribed()
        for number, (name, actor) in enumerate(ACTORS.items()):
            for own in (True, False):
                user = actor_of(actor).user
                placer = {"user": user if own else "owner@test", "role": "trader", "live": False}
                bus.quote("1.16600", "1.16610", sent_boot_ns=clock.boot_ns(), n=2 * number + own)
                await ask("order.place", ticket(f"p-{number}-{own}", entry_type="market", entry_price=None, units=100), placer)
                while not (await ask("position.list"))["positions"]:
                    await until(lambda: True)
                try:
                    await ask("position.close", {"instrument": "EUR_USD"}, actor)
                    code = None
                except ArenaError as error:
                    code = error.code
                wanted = expected(operations()["position.close"], actor_of(actor), own=own, live=False)
                if code != wanted:
                    deviations.append((name, own, code, wanted))
                if wanted is not None:
                    assert (await ask("position.list"))["positions"], "a refusal closes nothing"
                    await ask("position.close", {"instrument": "EUR_USD"}, ADMIN)
    assert deviations == []
