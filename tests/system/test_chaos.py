"""Chaos, the short form: seeded faults under load, and the accounting afterwards. `make chaos SECONDS=600 SEED=7` is the long one."""

import asyncio
import json
import os
import random
import time
from collections import Counter
from pathlib import Path

from tests.system.accounting.checker import findings, summary
from tests.system.accounting.collect import Run
from tests.system.accounting.evidence import Evidence
from tests.system.faults import EVERY_FAULT, NEEDS_COMPILER, sick_disk
from tests.system.stack import Stack

SECONDS = float(os.environ.get("ARENA_CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))
READY_P95_S_MAX = 5.0


async def test_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    """Faults one after another for SECONDS under 50 orders a second: 0 lost, 0 doubled, 0 late, 0 silent gaps, everything decided."""
    rng = random.Random(SEED)
    environ = sick_disk(tmp_path)
    faults = [*EVERY_FAULT, *(NEEDS_COMPILER if environ else ())]
    bag: list[int] = []
    story: list[str] = []
    async with Stack(environ) as stack:
        async with Run(stack, seed=SEED) as run:
            await stack.until(lambda: run.acknowledged >= 20, "the first orders")
            ends = time.monotonic() + SECONDS
            while time.monotonic() < ends:
                # Every fault once before any comes again, so that a long run leaves none out.
                bag = bag or rng.sample(range(len(faults)), len(faults))
                story.append(await faults[bag.pop()](stack, rng))
                await stack.ready()
                count = run.acknowledged
                await stack.until(lambda count=count: run.acknowledged >= count + 10, "orders after the fault")
                await asyncio.sleep(rng.uniform(0, 0.5))
            evidence = await run.finish()
        found = findings(evidence)
        print(summary("chaos", SEED, evidence, found))
        print(json.dumps({"check": "refusals", "seed": SEED, **refusals(evidence)}))
        print(json.dumps({"check": "ready again", "seed": SEED, **recovery(stack.recovered_s)}))
        assert not any(found.values()), {kind: listed[:5] for kind, listed in found.items() if listed} | {"faults": story}
        assert len(evidence.sent) > SECONDS * 10
        # Only where a run is long enough for a percentile, and the machine is ours: imports of a busy one take seconds.
        assert SECONDS < 120 or recovery(stack.recovered_s)["p95_s"] < READY_P95_S_MAX, stack.recovered_s


def refusals(evidence: Evidence) -> dict[str, int]:
    """How often each refusal was answered: what an order met while something was down."""
    return dict(Counter(str(body.get("code", status)) for sent in evidence.sent for status, body in sent.answers if status >= 400).most_common())


def recovery(recovered_s: list[tuple[str, float]]) -> dict[str, float]:
    """How long programs took to answer again."""
    every = sorted(seconds for _, seconds in recovered_s)
    if not every:
        return {"times": 0, "p95_s": 0.0, "max_s": 0.0}
    return {"times": len(every), "p95_s": round(every[min(len(every) - 1, int(len(every) * 0.95))], 2), "max_s": round(every[-1], 2)}
