"""Yes, no and doubt: what each answer of the venue, and each silence, stands for."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from brokers.live.throttle import Priority, Throttle
from brokers.live.venue import NotSent, VenueRefused
from brokers.oanda.pace import ConnectionPace
from brokers.oanda.rest import Denied, NotThere, Rest, Unclear
from brokers.oanda.wire import Malformed, text
from runtime import outbound
from runtime.clock import NS_PER_S, ManualClock
from runtime.outbound import Answer, AnswerUnusable, InDoubt, Outbound
from runtime.secret_files import Secret

REJECT = {"type": "LIMIT_ORDER_REJECT", "id": "9", "rejectReason": "UNITS_INVALID"}


def answer(status: int, body: object = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers=headers, body=raw)


class Scripted(Outbound):
    """A way out that gives one answer or raises one error after another, and remembers what it was asked."""

    def __init__(self, *script: Answer | Exception) -> None:
        super().__init__("http://127.0.0.1:1")
        self.script = list(script)
        self.asked: list[tuple[str, str, Mapping[str, str], bytes, float]] = []

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout_s: float = 10.0
    ) -> Answer:
        self.asked.append((method, target, dict(headers or {}), body, timeout_s))
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def over(way: Scripted, clock: ManualClock | None = None) -> Rest:
    """The account's REST over ``way``, without pauses between looks."""
    clock = clock or ManualClock()
    throttle, pace = Throttle(1e6, 1000, clock), ConnectionPace(clock, float("inf"))
    return Rest(account_id="101-001-7-001", token=Secret("t0ken"), changes=way, reads=way, throttle=throttle, pace=pace, clock=clock)


async def change(*script: Answer | Exception) -> Any:
    return await over(Scripted(*script)).change("POST", "/orders", {"order": {}})


@pytest.mark.parametrize("status", [200, 201])
async def test_a_yes_is_the_answer(status: int) -> None:
    assert await change(answer(status, {"orderCreateTransaction": {}})) == {"orderCreateTransaction": {}}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"orderRejectTransaction": REJECT, "errorMessage": "no", "errorCode": "UNITS_INVALID"}, "UNITS_INVALID"),
        (400, {"orderRejectTransaction": REJECT}, "UNITS_INVALID"),
        (400, {"errorMessage": "no", "errorCode": "oanda::rest::core::InvalidParameterException"}, "InvalidParameterException"),
        (404, {"orderCancelRejectTransaction": {"rejectReason": "ORDER_DOESNT_EXIST"}, "errorCode": "ORDER_DOESNT_EXIST"}, "ORDER_DOESNT_EXIST"),
        (405, {"errorMessage": "no such method"}, "VENUE_REJECTED"),
        (401, {"errorMessage": "Insufficient authorization"}, "VENUE_DENIED"),
        (403, {"errorMessage": "forbidden"}, "VENUE_DENIED"),
    ],
)
async def test_a_no_that_says_why_is_definite(status: int, body: object, code: str) -> None:
    with pytest.raises(VenueRefused) as refusal:
        await change(answer(status, body))
    assert refusal.value.code == code


async def test_refusals_say_what_they_are_about() -> None:
    with pytest.raises(Denied):
        await change(answer(401, {"errorMessage": "who?"}))
    with pytest.raises(NotThere):
        await change(answer(404, {"errorMessage": "what?"}))


@pytest.mark.parametrize(
    "doubt",
    [
        answer(429, {"errorMessage": "too many"}),
        answer(500, {"errorMessage": "oops"}),
        answer(502, b"<html>bad gateway</html>"),
        answer(503, b""),
        answer(302, b""),
        answer(202, {"ok": True}),
        answer(200, b'{"orderCreate'),
        answer(201, []),
        answer(400, b"<html>bad request</html>"),
        answer(400, {}),
        answer(404, {"lastTransactionID": "9"}),
        answer(400, {"errorMessage": "no", "orderCreateTransaction": {"id": "9"}}),
        InDoubt("no answer"),
        AnswerUnusable("cut", 201),
        TimeoutError(),
    ],
)
async def test_everything_else_is_doubt(doubt: Answer | Exception) -> None:
    way = Scripted(doubt)
    with pytest.raises(Exception) as raised:
        await over(way).change("POST", "/orders", {"order": {}})
    assert not isinstance(raised.value, VenueRefused | NotSent)
    assert len(way.asked) == 1, "what may have happened is never sent again"


async def test_no_connection_is_not_sent() -> None:
    with pytest.raises(NotSent):
        await change(outbound.NotSent("no connection"))


async def test_a_change_carries_what_it_must_and_its_label() -> None:
    way = Scripted(answer(201, {}))
    await over(way).change("POST", "/orders", {"order": {"units": "1"}}, label="7f3a")
    method, target, headers, body, _ = way.asked[0]
    assert (method, target, body) == ("POST", "/v3/accounts/101-001-7-001/orders", b'{"order":{"units":"1"}}')
    assert headers == {
        "Authorization": "Bearer t0ken",
        "Accept-Datetime-Format": "RFC3339",
        "Content-Type": "application/json",
        "ClientRequestID": "7f3a",
    }


async def test_what_is_late_is_not_sent_and_what_is_nearly_late_waits_no_longer_for_a_connection() -> None:
    clock = ManualClock()
    way = Scripted(answer(201, {}))
    with pytest.raises(NotSent) as late:
        await over(way, clock).change("POST", "/orders", {}, deadline_boot_ns=clock.boot_ns())
    assert late.value.code == "EXPIRED"
    assert way.asked == []
    await over(way, clock).change("POST", "/orders", {}, deadline_boot_ns=clock.boot_ns() + NS_PER_S)
    assert way.asked[0][4] == 2.0, "half of it is for the connection"


async def test_a_look_is_tried_again_until_it_is_whole() -> None:
    way = Scripted(outbound.NotSent("no"), answer(503, b""), answer(200, {}), answer(200, {"a": "b"}))
    assert await over(way).read("/summary", parse=lambda found: text(found, "a")) == "b"
    assert [asked[1] for asked in way.asked] == ["/v3/accounts/101-001-7-001/summary"] * 4


async def test_a_look_that_never_comes_raises_the_last_reason() -> None:
    with pytest.raises(Malformed):
        await over(Scripted(*[answer(200, {})] * 4)).read("/summary", parse=lambda found: text(found, "a"))


async def test_a_no_to_a_look_is_not_asked_again() -> None:
    way = Scripted(answer(404, {"errorMessage": "no", "errorCode": "NO_SUCH_ORDER"}))
    with pytest.raises(NotThere) as missing:
        await over(way).read("/orders/9", {"x": "a b"}, parse=lambda found: found)
    assert missing.value.code == "NO_SUCH_ORDER"
    assert way.asked[0][1].endswith("/orders/9?x=a+b")


async def test_after_429_nothing_is_sent_for_as_long_as_the_venue_asks() -> None:
    clock = ManualClock()
    way = Scripted(answer(429, {"errorMessage": "slow down"}, **{"retry-after": "7"}), answer(200, {}))
    throttle = Throttle(10.0, 1, clock)
    rest = Rest(account_id="a", token=Secret("t"), changes=way, reads=way, throttle=throttle, pace=ConnectionPace(clock, float("inf")), clock=clock)
    with pytest.raises(Unclear):
        await rest.change("POST", "/orders", {})
    waiting = asyncio.create_task(rest.change("PUT", "/orders/1/cancel", None, priority=Priority.CANCEL))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(way.asked) == 1
    clock.advance(8)
    throttle._wake()  # what the loop's timer does in seven seconds
    await waiting
    assert len(way.asked) == 2


def test_nothing_shows_the_token() -> None:
    assert "t0ken" not in repr(over(Scripted())) + str(vars(over(Scripted())))


async def test_what_waits_in_vain_for_its_turn_has_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that wants half a minute of silence leaves a kill switch to try again, not in doubt about what it never sent."""
    monkeypatch.setattr("brokers.oanda.rest.TURN_S_MAX", 0.02)
    way, clock = Scripted(answer(200, {})), ManualClock()
    throttle = Throttle(1e6, 1000, clock)
    throttle.pause(30)
    paused = Rest(
        account_id="101-001-7-001", token=Secret("t0ken"), changes=way, reads=way, throttle=throttle, pace=ConnectionPace(clock, 2.0), clock=clock
    )
    async with asyncio.timeout(10):
        with pytest.raises(NotSent):
            await paused.change("PUT", "/trades/7/close", {"units": "ALL"})
    assert way.asked == []
