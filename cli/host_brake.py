"""The brakes from the host, past the gateway: each adapter's own socket, whose file permission says who may.

Used when no gateway answers or it refuses. What is wanted is written down first, for the gateway that comes later and for an adapter that is away.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from arena_gateway.wanted_state import FILE_NAME, Wanted, WantedStates
from brokers.credentials import NAMES
from bus.requests import RequestClient
from runtime.clock import SystemClock
from runtime.settings import Settings
from trading.errors import ArenaError

LOCAL_USER = "local"
CONNECT_S_MAX = 0.5
ANSWER_S_MAX = 1.7


def set_on_host(settings: Settings, body: Mapping[str, object]) -> dict[str, Any]:
    """What the gateway would have answered, as far as the adapters say it themselves.

    Raises:
        OSError: the wanted state cannot be written, or this user may not open the sockets.
    """
    wanted = Wanted(state=str(body["state"]), reason=str(body["reason"]), set_by=LOCAL_USER, set_ns=SystemClock().wall_ns())
    WantedStates(settings.data_dir / FILE_NAME).set(NAMES, wanted)
    return asyncio.run(_ask_all(settings, body))


async def _ask_all(settings: Settings, body: Mapping[str, object]) -> dict[str, Any]:
    answers = await asyncio.gather(*(_ask(settings, broker, body) for broker in NAMES))
    brokers = {name: answer for name, answer in zip(NAMES, answers, strict=True) if not isinstance(answer, ArenaError)}
    failed = {name: answer.code for name, answer in zip(NAMES, answers, strict=True) if isinstance(answer, ArenaError)}
    return {"ok": not failed, "brokers": brokers, "failed": failed}


async def _ask(settings: Settings, broker: str, body: Mapping[str, object]) -> dict[str, Any] | ArenaError:
    async with RequestClient(settings.orders_address(broker)) as client:
        await client.wait_connected(CONNECT_S_MAX)
        try:
            reply = await client.call("trading_state.set", body, ttl_ms=1500, timeout_s=ANSWER_S_MAX)
        except ArenaError as error:
            return error
        result: dict[str, Any] = reply.result
        return result
