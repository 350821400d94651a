"""runtime/clock.py and timestamps.py: two clocks, and times as text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.clock import ManualClock, SystemClock, boot_id
from runtime.timestamps import from_text, to_text


def test_boot_time_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.boot_ns() for _ in range(1000)]
    assert readings == sorted(readings)


def test_the_offset_file_steps_the_wall_clock_alone(tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("3600")
    plain, stepped = SystemClock(), SystemClock(offset)
    assert 3599 < (stepped.wall_ns() - plain.wall_ns()) / 1e9 < 3601
    assert abs(stepped.boot_ns() - plain.boot_ns()) < 1e9


@pytest.mark.parametrize("text", ["", "soon", None])
def test_an_unreadable_offset_is_none(tmp_path: Path, text: str | None) -> None:
    offset = tmp_path / "offset"
    if text is not None:
        offset.write_text(text)
    assert abs(SystemClock(offset).wall_ns() - SystemClock().wall_ns()) < 1e9


def test_a_manual_clock_stands_still_until_told() -> None:
    clock = ManualClock(wall_ns=0, boot_ns=0)
    clock.advance(1.5)
    clock.step_wall(-1)
    assert (clock.wall_ns(), clock.boot_ns()) == (500_000_000, 1_500_000_000)


def test_the_boot_id_is_the_kernels() -> None:
    assert len(boot_id()) == 36


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000_000))
def test_a_time_survives_its_text_to_the_microsecond(ns: int) -> None:
    assert from_text(to_text(ns)) == ns - ns % 1000


def test_the_text_is_the_seeds() -> None:
    assert to_text(1760615727021050000) == "2025-10-16T11:55:27.021050Z"


@pytest.mark.parametrize("text", ["2025-10-16T11:55:27", "yesterday", ""])
def test_a_time_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"zone|Invalid"):
        from_text(text)
