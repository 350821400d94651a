"""Requests and their answers: each call gets its own, whatever the handler does."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgpack
import pytest
import zmq
import zmq.asyncio

from bus.codec import pack
from bus.requests import Request, RequestClient, RequestServer
from runtime.clock import SystemClock, boot_id
from tests.bus.requesting import ACTOR, Adapter
from trading.errors import InvalidRequest, NotFound, OrderDenied, OutcomeUnknown


async def test_a_call_is_answered(client: RequestClient, adapter: Adapter) -> None:
    reply = await client.call("test.echo", {"price": Decimal("1.16700"), "units": Decimal(100)}, actor=ACTOR, timeout_s=30)
    assert reply.result == {"echo": {"price": 1.167, "units": 100}}
    assert reply.last_event == {"epoch": "0123456789abcdef", "seq": 3}
    assert adapter.requests[0].actor == ACTOR
    assert adapter.requests[0].deadline is None


async def test_what_is_sent_at_once_arrives_as_what_is_called_does(client: RequestClient, adapter: Adapter) -> None:
    """Also the one Decimal that travels with an order: the amount a day of its user. As text it would be refused, and no order of theirs placed."""
    actor = {**ACTOR, "live": True, "live_notional_max": Decimal("2500.5")}
    args = {"units": 100, "entry_price": 1.167}
    await client.call("test.echo", args, actor=actor, ttl_ms=30_000, timeout_s=30)
    reply = await client.begin("test.echo", args, actor=actor, ttl_ms=30_000, timeout_s=30)
    assert reply.result == {"echo": args}
    called, begun = adapter.requests
    assert begun.actor == called.actor == {**actor, "live_notional_max": 2500.5}
    assert type((begun.actor or {})["live_notional_max"]) is float
    assert begun.deadline is not None


async def test_a_refusal_arrives_with_its_kind_code_and_details(client: RequestClient) -> None:
    with pytest.raises(OrderDenied) as denied:
        await client.call("test.deny", {}, timeout_s=30)
    assert (denied.value.code, denied.value.message, denied.value.details) == ("PRICE_OFF_TICK", "off tick", {"below": 1.16})


@pytest.mark.parametrize("op", ["test.bug", "test.nonsense"])
async def test_a_bug_in_a_handler_is_unknown_to_its_caller_and_hurts_nobody_else(client: RequestClient, op: str) -> None:
    with pytest.raises(OutcomeUnknown) as unknown:
        await client.call(op, {}, timeout_s=30)
    assert unknown.value.code == "INTERNAL"
    assert (await client.call("test.echo", {}, timeout_s=30)).result == {"echo": {}}


async def test_an_answer_that_does_not_fit_says_so(client: RequestClient) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await client.call("test.huge", {}, timeout_s=30)
    assert refused.value.code == "REPLY_TOO_LARGE"


async def test_what_was_changed_is_never_refused_for_the_size_of_its_answer(client: RequestClient) -> None:
    """A refusal would say that nothing was done, and the next thing that its caller does is to ask for it again."""
    with pytest.raises(OutcomeUnknown) as unknown:
        await client.call("position.close", {}, ttl_ms=30_000, timeout_s=30)
    assert unknown.value.code == "REPLY_TOO_LARGE"


async def test_a_slow_answer_does_not_hold_up_the_next_call(client: RequestClient, adapter: Adapter) -> None:
    slow = asyncio.create_task(client.call("test.wait", {}, timeout_s=30))
    await adapter.arrived.wait()
    await client.call("test.echo", {}, timeout_s=30)
    assert not slow.done()
    adapter.release.set()
    await slow


async def test_a_request_that_cannot_be_sent_is_refused_by_its_sender(client: RequestClient, adapter: Adapter) -> None:
    for args in ({"n": Decimal("0.12345678901234567")}, {"o": object()}, {"x": "y" * 70_000}):
        with pytest.raises(InvalidRequest):
            await client.call("test.echo", args, timeout_s=30)
    assert not adapter.requests


async def test_time_is_taken_from_the_callers_clock(server: RequestServer, address: str, adapter: Adapter) -> None:
    clock = SystemClock()
    async with RequestClient(address, clock=clock) as client:
        assert await client.wait_connected(30)
        before = clock.boot_ns()
        await client.call("order.place", {}, ttl_ms=1234, timeout_s=30)
    deadline = adapter.requests[0].deadline
    assert deadline is not None
    assert (deadline.ttl_ms, deadline.boot_id) == (1234, boot_id())
    assert before <= (deadline.sent_boottime_ns or 0) <= adapter.requests[0].received_boot_ns


async def test_an_operation_that_nobody_knows_is_the_handlers_to_refuse(address: str) -> None:
    async def handle(seen: Request) -> Mapping[str, object]:
        raise NotFound(f"there is no operation {seen.op}", code="UNKNOWN_OP")

    async with RequestServer(address, handle, name="orders"), RequestClient(address) as client:
        assert await client.wait_connected(30)
        with pytest.raises(NotFound) as refused:
            await client.call("order.levitate", {}, timeout_s=30)
        assert refused.value.code == "UNKNOWN_OP"


async def test_replies_that_make_no_sense_are_dropped_and_counted(run_dir: Path) -> None:
    """A server that is not ours, or broken: the caller gets UNKNOWN, never a made-up answer."""
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(f"ipc://{run_dir}/o.sock")
        async with RequestClient(f"ipc://{run_dir}/o.sock") as client:
            assert await client.wait_connected(30)
            call = asyncio.create_task(client.call("test.echo", {}, timeout_s=0.3))
            peer, _, body = await router.recv_multipart()
            sent = msgpack.unpackb(body)
            for frames in ([b"", b"\xc1"], [b"", pack([5])], [b"", pack({**sent, "id": "other"})], [b"no", b"", b""], [b"", pack({"id": ["x"]})]):
                await router.send_multipart([peer, *frames])
            with pytest.raises(OutcomeUnknown):
                await call
            assert client.late_replies == 5
