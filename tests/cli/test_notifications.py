"""Messages about events: in plain words, so many a minute, and never in anybody's way."""

import threading

import pytest

from cli.notifications import ALARMS, QUEUE_MAX, TYPES, Outbox, text_of
from trading.events import EventType


class Service:
    """A service that takes what it is given, once it may."""

    def __init__(self, *, answers: bool = True, raises: bool = False) -> None:
        self.free = threading.Event()
        self.free.set()
        self.busy = threading.Event()
        self.got: list[tuple[str, str]] = []
        self._answers, self._raises = answers, raises

    def notify(self, body: str, title: str = "") -> bool:
        self.busy.set()
        assert self.free.wait(10)
        if self._raises:
            raise ConnectionError("no route")
        self.got.append((title, body))
        return self._answers


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_every_type_is_one_of_the_arenas() -> None:
    assert set(TYPES) | ALARMS <= {str(kind) for kind in EventType} | {"gap", "reset"}


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_has_words_even_for_an_empty_payload(kind: str) -> None:
    title, body = text_of("oanda", kind, {})
    assert title.removeprefix("ALARM: ").startswith("oanda ")
    assert body is not None


def test_a_halt_says_who_and_why_and_is_an_alarm() -> None:
    assert text_of("oanda", "order_filled", {"mode": "live"})[0] == "LIVE oanda order filled", "real money is named first"
    said = text_of("oanda", "trading_state_changed", {"old": "ACTIVE", "new": "REDUCING", "changed_by": "risk", "reason": "loss"})
    assert said == ("ALARM: oanda trading state changed", "ACTIVE -> REDUCING by risk: loss")


def test_so_many_a_minute_and_the_rest_is_counted_and_told() -> None:
    service, clock = Service(), Clock()
    outbox = Outbox(service, per_minute=2, clock=clock, complain=print)
    assert [outbox.put("t", str(n)) for n in range(4)] == [True, True, False, False]
    assert outbox.put("t", "alarm", alarm=True)
    clock.now = 60
    assert outbox.put("t", "later")
    outbox.close(10)
    assert [body for _, body in service.got] == ["0", "1", "alarm\n(2 more were held back)", "later"]


def test_a_service_that_hangs_holds_up_nobody() -> None:
    """A full queue refuses at once; whoever hands in messages never waits."""
    service = Service()
    service.free.clear()
    outbox = Outbox(service, per_minute=10_000, clock=Clock(), complain=print)
    outbox.put("t", "in hand")
    assert service.busy.wait(10)
    assert [outbox.put("t", str(n)) for n in range(QUEUE_MAX + 3)].count(False) == 3
    service.free.set()
    outbox.close(10)
    assert len(service.got) == QUEUE_MAX + 1


@pytest.mark.parametrize("service", [Service(answers=False), Service(raises=True)])
def test_a_service_that_fails_is_complained_about_and_tried_again(service: Service) -> None:
    complaints: list[str] = []
    outbox = Outbox(service, per_minute=10, clock=Clock(), complain=complaints.append)
    outbox.put("one", "1")
    outbox.put("two", "2")
    outbox.close(10)
    assert [text.split(":")[1].strip() for text in complaints] == ["one", "two"]
