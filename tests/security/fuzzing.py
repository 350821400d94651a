"""How much the hostile tests throw: a short form in ``make test``, the full counts in ``make fuzz``."""

import os
import random

IS_FULL = os.environ.get("ARENA_FUZZ") == "full"
SEED = int(os.environ.get("ARENA_FUZZ_SEED", "1"))


def amount(short: int, full: int) -> int:
    """``full`` in ``make fuzz``, else ``short``; ARENA_FUZZ_SHARE=0.1 takes a tenth of either."""
    return max(1, int((full if IS_FULL else short) * float(os.environ.get("ARENA_FUZZ_SHARE", "1"))))


def dice(name: str) -> random.Random:
    """Random numbers that are the same in each run with the same ARENA_FUZZ_SEED."""
    return random.Random(f"{SEED}-{name}")
