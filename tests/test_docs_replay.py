"""The commands of docs/replay.md, typed as they stand there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "replay.md").read_text()


def test_the_worked_example_works(tmp_path: Path) -> None:
    """Each shell block runs, in a directory that has the repository's data, and the line that is quoted is said."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (tmp_path / "bin").mkdir()
    arena = tmp_path / "bin" / "arena"
    arena.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m cli.app "$@"\n')
    arena.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARENA_")}
    environment["PATH"] = f"{arena.parent}:{environment['PATH']}"
    said = []
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        done = subprocess.run(["bash", "-euc", block], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (block, done.stderr)
        said.append(done.stdout)
    assert len(said) == 4
    quoted = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert quoted
    assert all(line in said[1] for line in quoted)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert int(said[2]) == sum(event["type"] == "order_filled" for event in events)
    assert json.loads(said[3])["events"] == len(events)
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "report.pdf").exists()
