"""The gateway as a process: opens what it needs, serves, and stops in order.

First the port: a gateway that cannot listen says so before it touches anything. At the end new orders are refused, streams end, open requests have
5 s, and then the tasks, the sockets and the store are let go.
"""

import asyncio

from arena_gateway.accounts import open_accounts
from arena_gateway.beats import Beats
from arena_gateway.gateway import Gateway
from bus.heartbeat import HeartbeatTask
from bus.publisher import Publisher
from bus.requests import RequestClient
from bus.sse import EventStream
from runtime.clock import Clock, SystemClock
from runtime.http import serve
from runtime.openapi import VERSION
from runtime.program import CannotStart
from runtime.settings import Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Be the gateway until ``stop`` is set.

    Raises:
        CannotStart: the port, the bind rule, the signing key or the users store is in the way.
    """
    try:
        await _run(settings, stop)
    except BaseExceptionGroup as group:
        # Task groups wrap whatever leaves them; a reason not to start must reach the log as one sentence.
        reason = _first_reason(group)
        if reason is None:
            raise
        raise reason from None


def _first_reason(group: BaseExceptionGroup[BaseException]) -> CannotStart | None:
    for error in group.exceptions:
        if isinstance(error, CannotStart):
            return error
        if isinstance(error, BaseExceptionGroup) and (inner := _first_reason(error)) is not None:
            return inner
    return None


async def _run(settings: Settings, stop: asyncio.Event) -> None:
    offset_file = settings.test.clock_offset_file
    clock: Clock = SystemClock(settings.home / offset_file if offset_file else None)
    async with (
        open_accounts(settings, clock) as accounts,  # outlives the clients: what they leave without an answer is audited
        RequestClient(settings.orders_address("oanda"), clock=clock) as oanda,
        RequestClient(settings.orders_address("coinbase"), clock=clock) as coinbase,
        EventStream(settings, VERSION, authorize=accounts.principal, clock=clock) as stream,
    ):
        gateway = Gateway(accounts, {"oanda": oanda, "coinbase": coinbase}, stream, Beats(stream.heartbeats, clock))
        gateway.app.on_shutdown.append(stream.end_streams)
        with Publisher(settings.bus_pub_address) as publisher:
            heartbeat = HeartbeatTask("gateway", publisher, lambda: gateway.snapshot(stream.metrics), clock)
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(work) for work in (accounts.watch(), gateway.resolver.run(), gateway.braking.run(), heartbeat.run())]
                await serve(gateway.app, settings.gateway.host, settings.gateway.port, stop)
                for task in running:
                    task.cancel()
