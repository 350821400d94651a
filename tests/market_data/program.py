"""The program of market data in a test's own loop, and what it answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import aiohttp

from market_data.__main__ import main
from runtime.http import Listener
from runtime.settings import Settings


def feeding(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, market_data=replace(settings.market_data, **changes))


@asynccontextmanager
async def running(settings: Settings, environ: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """The program between its start and a clean stop; gives its URL."""
    stop, listener = asyncio.Event(), asyncio.get_running_loop().create_future()
    program = asyncio.create_task(main(settings, stop, environ=environ or {}, listener=listener))
    await asyncio.wait({program, listener}, return_when=asyncio.FIRST_COMPLETED)
    if program.done():
        program.result()
    there: Listener = await listener
    try:
        yield there.url
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await program


async def get(url: str, *, as_json: bool = True) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        text = await answer.text()
        return json.loads(text, parse_float=Decimal) if as_json else text


async def quoted(url: str, count: int) -> Mapping[str, Any]:
    """The latest quotes, once ``count`` instruments have one."""
    while len((answer := await get(url + "/quotes"))["quotes"]) < count:
        await asyncio.sleep(0.02)
    return {one["instrument"]: one for one in answer["quotes"]}
