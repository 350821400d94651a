"""``python -m dashboard``: the browser's server."""

import asyncio

from dashboard.app import main
from runtime.program import run, step_back
from runtime.settings import Settings

NICE = 5  # a third of the processor where orders need all of it; bots do not come through here


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    step_back(NICE)
    await main(settings, stop)


if __name__ == "__main__":
    run("dashboard", serve)
