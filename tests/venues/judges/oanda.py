"""``fivetwenty`` and OANDA's own ``v20`` judge the simulated OANDA: once as it is, and once for each defect planted in it.

``python -m tests.venues.judges.oanda`` runs all of it; ``--no-defects`` leaves the planted defects out, ``--defect NAME`` plants only that one.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.venues.judges.environment import ROOT, environment
from tests.venues.judges.verdict import Verdict, hear, tell, tell_defects
from tests.venues.oanda.defects import DEFECTS

JUDGES = ("fivetwenty", "v20")
# Often enough that a check that waits for a heartbeat does not wait long.
HEARTBEAT_S = "0.3"


def judge(name: str, python: Path, defect: str | None = None) -> Verdict:
    """One run of a client's checks against a fresh simulator with ``defect`` planted."""
    with simulator(defect) as addresses:
        # Proxies of this machine have no business on loopback.
        env = os.environ | {"VENUE": addresses, "NO_PROXY": "*", "PYTHONWARNINGS": "ignore"}
        return hear([python, "-m", f"tests.venues.judges.oanda_sdk.{name}"], env)


@contextmanager
def simulator(defect: str | None) -> Iterator[str]:
    """The simulator as a program; gives the line of JSON that it prints when it listens."""
    command = [sys.executable, "-m", "tests.venues.oanda", "--port", "0", "--stream-port", "0", "--heartbeat", HEARTBEAT_S, "--requests-per-s", "0"]
    planted = ("--defect", defect) if defect else ()
    # A planted defect may upset the simulator's own books: what it then writes about itself is no news.
    process = subprocess.Popen([*command, *planted], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if defect else None, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline()  # ends with the process, should it not start
    finally:
        process.terminate()
        process.wait()


def run(defects: tuple[str, ...]) -> bool:
    """Both judges, then every defect; True if all was as it should be."""
    pythons = {name: environment(name) for name in JUDGES}
    greens = [tell(name, judge(name, python)) for name, python in pythons.items()]
    return tell_defects({name: partial(judge, name, python) for name, python in pythons.items()}, defects) and all(greens)


def main() -> None:
    """The whole session; status 1 when a check failed or a defect went by."""
    options = argparse.ArgumentParser(description="Foreign clients of v20 against the simulated OANDA.")
    options.add_argument("--no-defects", action="store_true", help="only the checks")
    options.add_argument("--defect", choices=sorted(DEFECTS), help="of the defects only this one")
    wanted = options.parse_args()
    defects = () if wanted.no_defects else (wanted.defect,) if wanted.defect else tuple(DEFECTS)
    sys.exit(0 if run(defects) else 1)


if __name__ == "__main__":
    main()
