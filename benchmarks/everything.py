"""``make bench``: every benchmark, one after the other, and one table of them all in ``results/table.md``. ``growth`` runs only when it is named.

python -m benchmarks.everything [name ...]
"""

import json
import subprocess
import sys

from benchmarks.harness import RESULTS, ROOT, Figure, markdown

NAMES = ("order_path", "post_to_sse", "fan_out", "subscriber", "replay", "idle", "page")


def main(names: list[str]) -> int:
    failed = []
    for name in names:
        print(f"\n{name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
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
