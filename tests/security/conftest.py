"""What the doors' tests share. Those that start real processes are marked ``system``."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.arena_gateway.conftest import _cheap_passwords, desk, full_cost
from tests.brokers.conftest import bus, clock, home, instruments, paper, settings
from tests.bus.conftest import proxy, run_dir

__all__ = ["_cheap_passwords", "bus", "clock", "desk", "full_cost", "home", "instruments", "paper", "proxy", "run_dir", "settings"]


@pytest.fixture
def as_another_user() -> Callable[[str], int]:
    """Run a line of Python as ``nobody``; the exit code. Takes root, else the test is skipped."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")

    def run(line: str) -> int:
        interpreter = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
        # -I -S: nothing of this user's is read, which the other could not open anyway.
        return subprocess.run(
            [interpreter, "-I", "-S", "-c", line], check=False, user=65534, group=65534, extra_groups=[], cwd="/", capture_output=True
        ).returncode

    return run
