"""runtime/short_turns.py: the kernel is asked for short turns, for this thread and those it starts, and for nothing else."""

import ctypes
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import short_turns

ROOT = Path(__file__).parent.parent.parent
KERNEL = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])

# In a process of its own, as the turns are for good. Says of a thread that was started afterwards: its policy, its nice, its turn.
ASKS = """
import ctypes, json, os, platform, struct, threading
from runtime.short_turns import take_short_turns

def told():
    room = ctypes.create_string_buffer(48)
    number = {"x86_64": 315, "aarch64": 275}[platform.machine()]
    assert ctypes.CDLL(None).syscall(number, 0, room, 48, 0) == 0
    _, policy, _, nice, _, turn_ns, _, _ = struct.unpack("=IIQiIQQQ", room.raw)
    print(json.dumps({"taken": taken, "policy": policy, "nice": nice, "turn_ns": turn_ns}))

os.nice(3)
%s
taken = take_short_turns()
thread = threading.Thread(target=told)
thread.start()
thread.join()
"""


def asked(before: str = "") -> dict[str, int]:
    told = subprocess.run(
        [sys.executable, "-c", ASKS % before], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    answer: dict[str, int] = json.loads(told.stdout)
    return answer


@pytest.mark.skipif(KERNEL < (6, 12) or platform.machine() not in {"x86_64", "aarch64"}, reason="this kernel gives turns as it likes")
def test_threads_that_are_started_afterwards_have_short_turns_and_the_nice_they_had() -> None:
    assert asked() == {"taken": True, "policy": os.SCHED_OTHER, "nice": min(os.nice(0) + 3, 19), "turn_ns": short_turns.TURN_NS}


@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="nothing is asked for there")
def test_a_program_that_was_given_another_policy_keeps_it() -> None:
    told = asked("os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))")
    assert (told["taken"], told["policy"]) == (False, os.SCHED_BATCH)
    assert told["turn_ns"] != short_turns.TURN_NS


def test_on_a_machine_whose_call_is_not_known_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_: pytest.fail("asked all the same"))
    assert not short_turns.take_short_turns()
