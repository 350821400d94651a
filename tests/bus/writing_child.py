"""A program with a journal, for the tests that kill it: places orders as fast as it can and prints each id once it was told "ok".

python -m tests.bus.writing_child DIRECTORY [orders [short]]

With ``short`` two callers place orders that the loop's own thread may run, and the disk counts as quick whatever it is; the last line says how many
groups the loop ran.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from bus import turns
from bus.journal import Journal
from runtime.clock import SystemClock
from runtime.settings import StoreSettings
from tests.bus.journals import TABLES, place
from trading.errors import OutcomeUnknown

CALLERS = 8
SHORT_CALLERS = 2


async def main(directory: Path, orders_max: int, *, short: bool) -> None:
    numbers = iter(range(orders_max))
    journal = await Journal.open(directory / "oanda.db", "oanda", migrations=TABLES, clock=SystemClock(), settings=StoreSettings(free_mb_min=1))
    async with journal:
        names = itertools.repeat(f"{journal.epoch}-{journal.last_seq}")

        async def caller() -> None:
            for number, name in zip(numbers, names, strict=False):
                order_id = f"{name}-{number}"
                try:
                    await (journal.submit_each([place(order_id)], short=True) if short else journal.run(place(order_id)))
                except OutcomeUnknown:
                    print("unknown", order_id, flush=True)
                    return
                print("ok", order_id, flush=True)

        print("ready", journal.epoch, flush=True)
        await asyncio.gather(*(caller() for _ in range(SHORT_CALLERS if short else CALLERS)))
        print("here", journal.metrics()["journal_groups_here"], flush=True)


if __name__ == "__main__":
    is_short = sys.argv[3:] == ["short"]
    if is_short:
        turns.QUICK_S_MAX, turns.QUICK_COMMITS_MIN = 60.0, 1
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10**9, short=is_short))
