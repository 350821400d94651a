"""``make bench``: every benchmark, one after the other, and one table of them all in ``results/table.md``. ``growth`` runs only when it is named.

    python -m benchmarks.everything [name ...]

All of it has 25 minutes (``ARENA_BENCH_MINUTES``); a quiet machine needs sixteen. What is not through by then is ended and keeps its old figures.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

from benchmarks import plots
from benchmarks.harness import RESULTS, ROOT, Figure, markdown

MINUTES = float(os.environ.get("ARENA_BENCH_MINUTES", "25"))
END_S = 60  # for a benchmark to stop its arena
NAMES = ("order_path", "post_to_sse", "fan_out", "subscriber", "replay", "idle", "page")


def run(name: str, seconds_max: float | None) -> int:
    """The exit code of one benchmark; one that takes too long is interrupted, so that it stops what it has started."""
    process = subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT)
    try:
        return process.wait(seconds_max)
    except subprocess.TimeoutExpired:
        print(f"{name} takes too long for the {MINUTES:.0f} minutes of all, and is ended", flush=True)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(END_S) or 1
        process.kill()
        return process.wait()


def main(names: list[str]) -> int:
    failed = []
    began = time.monotonic()
    for name in names:
        left_s = MINUTES * 60 - END_S - (time.monotonic() - began)
        print(f"\n{name}", flush=True)
        if left_s <= 0 or run(name, None if name == "growth" else left_s) != 0:
            failed.append(name)
    plots.main()
    parts = []
    for name in NAMES:
        file = RESULTS / f"{name}.json"
        if file.exists():
            result = json.loads(file.read_text())
            if "figures" in result:
                figures = [Figure(**{key: value for key, value in figure.items() if key != "ratio"}) for figure in result["figures"]]
                when = f"{result['at']}, {result['cpus']} cores, Python {result['python']}, {result['pairs']} pairs"
                parts.append(f"## {name}\n\n{when}\n\n{markdown(figures)}\n")
    (RESULTS / "table.md").write_text("\n".join(parts))
    print(f"\nthe tables: {(RESULTS / 'table.md').relative_to(ROOT)}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(NAMES)))
