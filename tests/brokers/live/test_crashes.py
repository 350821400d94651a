"""A process that dies anywhere between intent, send, settle and stream goes on from its store and ends where it would have ended.

Each story is lived once in peace, to count its commits, and then again for every commit there is with the process dying just before or just after it.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from brokers.live.venue import Exits
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import Desk, order
from tests.brokers.live.virtual import run_virtually
from trading.orders import Leg, OrderStatus

Act = Callable[[Desk], None]

FINAL_WAIT_S = 60.0


def place(desk: Desk) -> None:
    desk.service.ask(lambda broker, now_ns: broker.place(order(), placed_by="ann", now_ns=now_ns))


def fill(desk: Desk) -> None:
    for held in desk.exchange.held.values():
        if held.remaining:
            desk.exchange.fill(held.client_id)


def fill_half(desk: Desk) -> None:
    for held in desk.exchange.held.values():
        if held.remaining == held.order.units:
            desk.exchange.fill(held.client_id, "50")


def hit_stop(desk: Desk) -> None:
    for held in desk.exchange.held.values():
        if held.stop is not None:
            desk.exchange.hit(held.client_id, Leg.STOP_LOSS)


def cancel(desk: Desk) -> None:
    desk.service.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="user", now_ns=now_ns))


def close(desk: Desk) -> None:
    desk.service.ask(lambda broker, now_ns: broker.close_bracket("live-oanda-1", reason="MANUAL", now_ns=now_ns))


def move_stop(desk: Desk) -> None:
    change = {"stop_loss_price": Decimal("1.1605")}
    desk.service.ask(lambda broker, now_ns: broker.modify("live-oanda-1", change, now_ns=now_ns))


STORIES: dict[str, tuple[Act, ...]] = {
    "filled and stopped": (place, fill, hit_stop),
    "cancelled": (place, cancel),
    "half filled, cancelled, stopped": (place, fill_half, cancel, hit_stop),
    "filled and closed": (place, fill, close),
    "moved and stopped": (place, fill, move_stop, hit_stop),
    "cancel races fill": (place, cancel, fill),
    "close races stop": (place, fill, close, hit_stop),
}


async def live_through(desk: Desk, acts: tuple[Act, ...], *, crash_at: int | None, before_commit: bool, lost_answers: bool) -> int:
    """Play ``acts`` with one death at commit ``crash_at``; how many commits the first life made."""
    commits = 0
    first = True
    pending = list(acts)
    while pending or first:
        async with desk.life(reconciled=False) as service:
            if first:
                service.crash_in, service.crashes_before_commit = crash_at, before_commit
                first = False
            await desk.until(lambda: service.broker.is_reconciled or service.is_dead)
            while pending and not service.is_dead:
                if lost_answers:
                    for call in ("create", "cancel", "close", "amend", "protect"):
                        desk.venue.next(call, Script.SWALLOW)
                act = pending[0]
                if act is place and desk.exchange.creates:
                    pending.pop(0)
                    continue
                act(desk)
                if not service.is_dead or desk.store.brackets:
                    pending.pop(0)
                await asyncio.sleep(0.3)
            commits = max(commits, service.commits)
    async with desk.life():
        await desk.until(lambda: all(bracket.status not in {OrderStatus.UNKNOWN, OrderStatus.SUBMITTING} for bracket in desk.store.all()))
        await asyncio.sleep(FINAL_WAIT_S)
    return commits


def check(desk: Desk) -> None:
    for bracket in desk.store.all():
        assert bracket.origin == "arena", "ours was taken for somebody else's"
        assert bracket.status not in {OrderStatus.UNKNOWN, OrderStatus.SUBMITTING}
        if bracket.venue.client_id in desk.exchange.held:
            assert bracket.status not in {OrderStatus.REJECTED, OrderStatus.VOID}
            desk.agrees(bracket.order_id)
        else:
            assert bracket.is_final


@pytest.mark.parametrize("exits", [Exits.ATTACHED, Exits.AFTER_FILL])
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("lost_answers", [False, True])
def test_death_at_every_commit_ends_where_peace_does(name: str, exits: Exits, lost_answers: bool) -> None:
    def told(crash_at: int | None, *, before_commit: bool = False) -> tuple[Desk, int]:
        desk = Desk(exits=exits)
        commits = run_virtually(lambda: live_through(desk, STORIES[name], crash_at=crash_at, before_commit=before_commit, lost_answers=lost_answers))
        check(desk)
        return desk, commits

    peace, commits = told(None)
    assert commits > len(STORIES[name]), "there is something to die at"
    assert peace.store.all()
    for crash_at in range(commits):
        for before_commit in (True, False):
            told(crash_at, before_commit=before_commit)
