"""What a judge said of a simulator, and how it is told: check by check, then planted defect by planted defect."""

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.venues.judges.environment import ROOT

RUN_S_MAX = 600
CHECKS_MIN = 25
# Sessions wait more than they work (for heartbeats, for streams that come back): a few at once cost nothing.
SESSIONS_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The checks that held, and those that did not with their reasons."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def is_green(self) -> bool:
        return len(self.passed) >= CHECKS_MIN and not self.failed

    def caught_by(self) -> tuple[str, ...]:
        """The names of the checks that failed."""
        return tuple(reason.partition(": ")[0] for reason in self.failed)


def hear(command: Iterable[str | Path], env: Mapping[str, str]) -> Verdict:
    """Run a judge, which prints ``ok    NAME`` or ``FAIL  NAME: REASON`` for each check and ends with 0 or 1."""
    done = subprocess.run([*command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=RUN_S_MAX, check=False)
    lines = done.stdout.splitlines()
    passed = tuple(line.removeprefix("ok").strip() for line in lines if line.startswith("ok"))
    failed = tuple(line.removeprefix("FAIL").strip() for line in lines if line.startswith("FAIL"))
    if done.returncode not in {0, 1} or not passed + failed:
        failed += (f"the judge itself: {done.stderr.strip()[-1000:]}",)
    return Verdict(passed=passed, failed=failed)


def tell(judge: str, verdict: Verdict) -> bool:
    """Print what ``judge`` found; True if all was as it should be."""
    for name in verdict.passed:
        print(f"ok    {judge}: {name}")
    for reason in verdict.failed:
        print(f"FAIL  {judge}: {reason}")
    print(f"{judge}: {len(verdict.passed)} checks passed, {len(verdict.failed)} failed", flush=True)
    return verdict.is_green


def tell_defects(judges: Mapping[str, Callable[[str], Verdict]], defects: Sequence[str]) -> bool:
    """Plant each defect and print which checks of which judge caught it; True if each was caught by one at least."""

    def caught_by(defect: str) -> dict[str, tuple[str, ...]]:
        return {judge: ask(defect).caught_by() for judge, ask in judges.items()}

    all_well = True
    with ThreadPoolExecutor(SESSIONS_AT_ONCE) as pool:
        for defect, found in zip(defects, pool.map(caught_by, defects), strict=True):
            caught = "; ".join(f"{judge}, {len(names)} checks, first \u201c{names[0]}\u201d" for judge, names in found.items() if names)
            print(f"{'ok  ' if caught else 'FAIL'}  planted {defect}: caught by {caught or 'NOTHING'}", flush=True)
            all_well = all_well and bool(caught)
    return all_well
