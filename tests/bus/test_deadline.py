"""bus/deadline.py: no command runs after its deadline, whichever clock stepped."""

import pytest

from bus.deadline import DEADLINE_REQUIRED, Deadline, is_late, read_deadline, refuse_if_late, stamp
from runtime.clock import ManualClock
from trading.errors import DeadlinePassed, InvalidRequest

BOOT = "11111111-2222-3333-4444-555555555555"


def deadline_of(fields: dict[str, object]) -> Deadline:
    deadline = read_deadline(fields)
    assert deadline is not None
    return deadline


def test_a_command_is_good_until_its_last_millisecond_and_late_after_it() -> None:
    clock = ManualClock()
    deadline = deadline_of(stamp(3000, clock, BOOT))
    clock.advance(3.0)
    refuse_if_late(deadline, clock, BOOT)
    clock.advance(0.001)
    assert is_late(deadline, clock, BOOT)
    with pytest.raises(DeadlinePassed, match="nothing was sent"):
        refuse_if_late(deadline, clock, BOOT)


def test_within_one_boot_the_wall_clock_does_not_matter() -> None:
    clock = ManualClock()
    deadline = deadline_of(stamp(3000, clock, BOOT))
    clock.step_wall(86_400)
    assert not is_late(deadline, clock, BOOT)
    clock.step_wall(-10 * 86_400)
    clock.advance(3.001)
    assert is_late(deadline, clock, BOOT)


@pytest.mark.parametrize("sender_boot", [None, "another-boot"])
def test_across_boots_the_wall_clock_decides_with_two_seconds_of_slack(sender_boot: str | None) -> None:
    clock = ManualClock()
    deadline = deadline_of(stamp(1000, clock, sender_boot))
    clock.advance(3.0)
    assert not is_late(deadline, clock, BOOT)
    clock.advance(0.001)
    assert is_late(deadline, clock, BOOT)


def test_a_command_from_the_future_is_late_because_its_age_is_unknown() -> None:
    clock = ManualClock()
    ahead = ManualClock()
    ahead.advance(2.001)
    assert is_late(deadline_of(stamp(1000, ahead)), clock, BOOT)
    assert is_late(deadline_of(stamp(1000, ahead, BOOT)), clock, BOOT)


def test_a_message_without_any_deadline_field_has_none() -> None:
    assert read_deadline({"op": "order.get"}) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"ttl_ms": 3000},
        {"sent_wall_ns": 1},
        {"boot_id": BOOT, "sent_boottime_ns": 1},
        {"ttl_ms": 0, "sent_wall_ns": 1},
        {"ttl_ms": 30_001, "sent_wall_ns": 1},
        {"ttl_ms": True, "sent_wall_ns": 1},
        {"ttl_ms": "3000", "sent_wall_ns": 1},
        {"ttl_ms": 3000.0, "sent_wall_ns": 1},
        {"ttl_ms": 3000, "sent_wall_ns": -1},
        {"ttl_ms": 3000, "sent_wall_ns": 1.5},
        {"ttl_ms": 3000, "sent_wall_ns": 1, "boot_id": BOOT},
        {"ttl_ms": 3000, "sent_wall_ns": 1, "sent_boottime_ns": 1},
        {"ttl_ms": 3000, "sent_wall_ns": 1, "boot_id": "", "sent_boottime_ns": 1},
        {"ttl_ms": 3000, "sent_wall_ns": 1, "boot_id": 5, "sent_boottime_ns": 1},
        {"ttl_ms": 3000, "sent_wall_ns": 1, "boot_id": BOOT, "sent_boottime_ns": -1},
        {"ttl_ms": 3000, "sent_wall_ns": 1, "boot_id": BOOT, "sent_boottime_ns": 2**64},
    ],
    ids=str,
)
def test_half_a_deadline_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_deadline(fields)
    assert refused.value.code == DEADLINE_REQUIRED


@pytest.mark.parametrize("ttl_ms", [0, -1, 30_001])
def test_a_sender_cannot_stamp_more_than_thirty_seconds(ttl_ms: int) -> None:
    with pytest.raises(ValueError):
        stamp(ttl_ms, ManualClock(), BOOT)
