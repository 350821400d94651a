"""Chaos, the short form: seeded faults under load, and the accounting afterwards. `make chaos SECONDS=600 SEED=7` is the long one."""

import asyncio
import os
import random
import time

from tests.system.accounting.checker import findings, summary
from tests.system.accounting.collect import Run
from tests.system.faults import EVERY_FAULT
from tests.system.stack import Stack

SECONDS = float(os.environ.get("ARENA_CHAOS_SECONDS", "30"))
SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))


async def test_nothing_is_lost_and_nothing_happens_twice() -> None:
    """Faults one after another for SECONDS under 50 orders a second: 0 lost, 0 doubled, 0 late, 0 silent gaps, everything decided."""
    rng = random.Random(SEED)
    story: list[str] = []
    async with Stack() as stack:
        async with Run(stack, seed=SEED) as run:
            await stack.until(lambda: run.acknowledged >= 20, "the first orders")
            ends = time.monotonic() + SECONDS
            while time.monotonic() < ends:
                story.append(await rng.choice(EVERY_FAULT)(stack, rng))
                await stack.ready()
                count = run.acknowledged
                await stack.until(lambda count=count: run.acknowledged >= count + 10, "orders after the fault")
                await asyncio.sleep(rng.uniform(0, 0.5))
            evidence = await run.finish()
        found = findings(evidence)
        print(summary("chaos", SEED, evidence, found))
        assert not any(found.values()), {kind: listed[:5] for kind, listed in found.items() if listed} | {"faults": story}
        assert len(evidence.sent) > SECONDS * 10
