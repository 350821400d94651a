"""The quick way of a plain order: the same answers as the long way, for the same users, within the same rate."""

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from arena_gateway import placing
from tests.arena_gateway.fakes import SEED_ORDER, AuthSettings, Desk, open_desk
from tests.arena_gateway.quick import ORDER, order
from tests.runtime.raw_http import Parsed, exchange
from trading.errors import NotAllowed, OrderDenied, OutcomeUnknown, Unavailable


def comparable(answer: Parsed) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer but its date, the request's id, and what counts orders."""
    status, headers, body = answer
    same = [
        (name, re.sub("oanda-[0-9]", "oanda-N", value)) for name, value in headers.items() if name not in {"x-request-id", "date", "content-length"}
    ]
    return status, same, re.sub(rb'"request_id":"[^"]+"|oanda-[0-9]|oanda@[^"]*', b"N", body)


REFUSALS = [
    OrderDenied("off tick", code="PRICE_OFF_TICK", details={"below": 1.16}),
    NotAllowed("no grant", code="LIVE_NOT_GRANTED"),
    Unavailable("busy", code="ADAPTER_BUSY", details={"retry_after_s": 7}),
    OutcomeUnknown("no answer came in time"),
    OutcomeUnknown("a bug", code="INTERNAL"),
]


@pytest.mark.parametrize("answer", [None, *REFUSALS], ids=str)
async def test_both_ways_answer_the_same_bytes(desk: Desk, answer: Exception | None) -> None:
    if answer is not None:
        desk.oanda.answers["order.place"] = answer
    body = json.dumps({**SEED_ORDER, "client_order_id": "mine"}).encode()
    # Two users, so that neither repeats the other.
    quick = comparable(await exchange(desk.port, await order(desk, body)))
    long = comparable(await exchange(desk.port, await order(desk, body, "X-Request-ID: mine", role="admin")))
    assert quick == long
    assert desk.oanda.begun == 1
    placed = [call for call in desk.oanda.calls if call.op == "order.place"]
    assert list(placed[0].args.items()) == list(placed[1].args.items())


async def test_a_repeat_is_the_first_answer_whichever_way_it_comes(desk: Desk) -> None:
    body = json.dumps({**SEED_ORDER, "client_order_id": "mine"}).encode()
    answers = [await exchange(desk.port, await order(desk, body, *more)) for more in ((), (), ("X-Request-ID: mine",))]
    assert [status for status, _, _ in answers] == [201, 200, 200]
    assert len({body for _, _, body in answers}) == 1
    assert answers[1][1]["idempotent-replayed"] == "true"
    assert desk.oanda.begun == 2


async def test_a_brake_and_a_stop_send_orders_the_long_way(desk: Desk) -> None:
    desk.gateway.braking.want(("oanda",), "HALTED", "", "somebody")
    await exchange(desk.port, await order(desk))
    assert [call.op for call in desk.oanda.calls] == ["trading_state.set", "order.place"]
    desk.gateway.dispatcher.draining = True
    assert (await exchange(desk.port, await order(desk)))[0] == 503
    assert desk.oanda.begun == 0


async def test_the_rate_counts_both_ways_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standing = SimpleNamespace(monotonic=lambda: 0.0, perf_counter=time.perf_counter, time_ns=time.time_ns)
    monkeypatch.setattr(placing, "time", standing)
    async with open_desk(tmp_path, auth=AuthSettings(orders_per_s_max=1, orders_burst_max=2)) as desk:
        statuses = [(await exchange(desk.port, await order(desk, ORDER, *more)))[0] for more in ((), ("X-Request-ID: x",), (), ())]
        assert (statuses, desk.oanda.begun) == ([201, 201, 429, 429], 1)
        assert [entry.outcome for entry in desk.accounts.collected.take() if entry.action == "order.place"] == ["ok", "RATE_LIMITED"]


async def test_a_token_is_verified_the_long_way_and_known_after_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = await order(desk)
    directory = desk.accounts.directory
    directory._remembered.clear()
    verified: list[str] = []
    verify = directory._verify
    monkeypatch.setattr(directory, "_verify", lambda token, digest: verified.append(token) or verify(token, digest))
    assert [(await exchange(desk.port, raw))[0] for _ in range(3)] == [201] * 3
    assert (len(verified), desk.oanda.begun) == (1, 2)
    assert (await exchange(desk.port, raw.replace(b"Bearer ", b"Bearer x")))[0] == 401
    assert (len(verified), desk.oanda.begun) == (2, 2)


async def test_an_api_key_goes_the_quick_way_with_its_own_rights(desk: Desk) -> None:
    await desk.token()
    user = desk.accounts.user_called("trader@test")
    for scopes, status, begun in ((["paper"], 201, 1), (["read"], 403, 1)):
        _, secret = await desk.accounts.create_key(user, name="bot", scopes=scopes, days=None, address="")
        raw = re.sub(rb"Bearer [^\r]+", b"Bearer " + secret.encode(), await order(desk))
        assert (await exchange(desk.port, raw))[0] == status
        assert desk.oanda.begun == begun
    assert desk.oanda.calls[-1].actor == {"user": "trader@test", "role": "trader", "live": False}
