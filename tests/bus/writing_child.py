"""A program with a journal, for the tests that kill it: places orders as fast as it can and prints each id once it was told "ok".

python -m tests.bus.writing_child DIRECTORY [orders]
"""

import asyncio
import itertools
import sys
from pathlib import Path

from bus.journal import Journal
from runtime.clock import SystemClock
from runtime.settings import StoreSettings
from tests.bus.journals import TABLES, place
from trading.errors import OutcomeUnknown

CALLERS = 8


async def main(directory: Path, orders_max: int) -> None:
    numbers = iter(range(orders_max))
    journal = await Journal.open(directory / "oanda.db", "oanda", migrations=TABLES, clock=SystemClock(), settings=StoreSettings(free_mb_min=1))
    async with journal:
        names = itertools.repeat(f"{journal.epoch}-{journal.last_seq}")

        async def caller() -> None:
            for number, name in zip(numbers, names, strict=False):
                order_id = f"{name}-{number}"
                try:
                    await journal.run(place(order_id))
                except OutcomeUnknown:
                    print("unknown", order_id, flush=True)
                    return
                print("ok", order_id, flush=True)

        print("ready", journal.epoch, flush=True)
        await asyncio.gather(*(caller() for _ in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10**9))
