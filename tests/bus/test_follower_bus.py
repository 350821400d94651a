"""Whatever the bus does (loses, repeats, mixes up, goes silent), what comes out of a consumer is the owner's journal."""

from bus.asking import AHEAD_NS_MAX, JITTER_NS_MAX, POLL_NS, SILENCE_NS_MAX
from bus.notices import Fresh, Stale
from tests.bus.following import S, follow, seqs


def test_events_in_order_pass_without_asking_the_owner() -> None:
    desk = follow(3)
    pages = desk.follower.pages
    assert seqs(desk.hear(*[desk.owner.append() for _ in range(100)])) == list(range(4, 104))
    assert desk.follower.pages == pages


def test_repeats_are_dropped() -> None:
    desk = follow(3)
    event = desk.owner.append()
    assert seqs(desk.hear(event, event, event)) == [4]
    assert desk.heal() == []


def test_a_hole_is_filled_from_the_owner_and_what_came_after_it_follows() -> None:
    desk = follow(3)
    lost = [desk.owner.append() for _ in range(5)]
    assert desk.hear(*[desk.owner.append() for _ in range(3)]) == []
    assert seqs(desk.heal()) == [*(event.seq for event in lost), 9, 10, 11]
    assert desk.follower.healed == 1


def test_the_owner_is_asked_after_a_random_delay_and_not_at_once() -> None:
    desk = follow(3)
    desk.wait(S)
    desk.owner.append()
    desk.hear(desk.owner.append())
    assert desk.asks() is None
    desk.wait(JITTER_NS_MAX // 2)
    assert desk.asks() is not None


def test_only_one_page_is_asked_for_at_a_time() -> None:
    desk = follow(3)
    desk.owner.append()
    desk.hear(desk.owner.append())
    desk.wait(JITTER_NS_MAX)
    assert desk.asks() is not None
    desk.hear(desk.owner.append())
    desk.wait(JITTER_NS_MAX)
    assert desk.asks() is None
    assert desk.follower.wake_ns is not None
    assert desk.follower.wake_ns > desk.now_ns


def test_events_in_the_wrong_order_come_out_in_the_right_one() -> None:
    desk = follow(3)
    four, five, six = (desk.owner.append() for _ in range(3))
    assert desk.hear(six, five) == []
    assert seqs(desk.hear(four)) == [4, 5, 6]


def test_a_lost_last_event_is_noticed_by_the_heartbeat() -> None:
    desk = follow(3)
    desk.owner.append()
    desk.beat()
    desk.wait(AHEAD_NS_MAX - 1)
    assert desk.asks() is None
    desk.wait(1)
    assert desk.asks() is None  # the random delay begins only now
    assert seqs(desk.heal()) == [4]


def test_a_heartbeat_that_overtook_its_event_asks_nothing() -> None:
    desk = follow(3)
    desk.beat()
    event = desk.owner.append()
    desk.beat()
    desk.hear(event)
    desk.wait(AHEAD_NS_MAX + JITTER_NS_MAX)
    assert desk.asks() is None


def test_three_silent_seconds_are_stale_and_the_owner_is_polled_until_a_heartbeat_comes() -> None:
    desk = follow(3)
    desk.beat()
    desk.wait(SILENCE_NS_MAX)
    desk.owner.append()
    assert desk.settle()[0] == Stale(source="oanda")
    desk.owner.append()
    desk.wait(POLL_NS)
    assert seqs(desk.settle()) == [5]
    assert desk.follower.is_stale
    assert desk.beat() == [Fresh(source="oanda")]
    assert not desk.follower.is_stale


def test_while_the_owner_is_away_it_is_asked_ever_more_slowly_up_to_two_seconds() -> None:
    desk = follow(3)
    desk.wait(SILENCE_NS_MAX)
    waits = []
    for _ in range(8):
        fetch = desk.asks()
        assert fetch is not None
        desk.follower.failed(fetch, desk.now_ns)
        assert desk.follower.wake_ns is not None
        waits.append(desk.follower.wake_ns - desk.now_ns)
        desk.now_ns = desk.follower.wake_ns
    assert waits == sorted(waits)
    assert waits[0] == 225_000_000
    assert waits[-1] == 2 * S


def test_a_heartbeat_after_failures_asks_soon_instead_of_waiting() -> None:
    desk = follow(3)
    desk.wait(SILENCE_NS_MAX)
    for _ in range(6):
        fetch = desk.asks()
        assert fetch is not None
        desk.follower.failed(fetch, desk.now_ns)
        assert desk.follower.wake_ns is not None
        desk.now_ns = desk.follower.wake_ns
    fetch = desk.asks()
    assert fetch is not None
    desk.follower.failed(fetch, desk.now_ns)
    desk.beat()
    assert desk.follower.wake_ns is not None
    assert desk.follower.wake_ns - desk.now_ns <= JITTER_NS_MAX
