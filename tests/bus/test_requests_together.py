"""Requests that travel together, and are handed over together: each is answered in its place."""

import asyncio
from collections.abc import Mapping, Sequence

import msgpack
import zmq
import zmq.asyncio

from bus.codec import pack
from bus.requests import Request, RequestClient, RequestServer
from tests.bus.requesting import Adapter, ask, request
from trading.errors import ArenaError, OrderDenied, OutcomeUnknown


async def test_commands_of_one_turn_travel_together_and_each_gets_its_own_answer(client: RequestClient, adapter: Adapter) -> None:
    calls = [client.call("order.place", {"n": n}, ttl_ms=30_000, timeout_s=30) for n in range(150)]
    replies = await asyncio.gather(*calls)
    assert [reply.result for reply in replies] == [{"echo": {"n": n}} for n in range(150)]
    arrivals = [seen.received_boot_ns for seen in adapter.requests]
    assert len(set(arrivals)) == 10  # nine times 16, so that the server need not wait for the last of them, and 6


async def test_commands_too_large_for_one_message_travel_in_several(client: RequestClient) -> None:
    replies = await asyncio.gather(*(client.call("order.place", {"n": n, "x": "y" * 4000}, ttl_ms=30_000, timeout_s=30) for n in range(64)))
    assert [reply.result["echo"]["n"] for reply in replies] == list(range(64))


async def test_an_array_is_answered_by_an_array_in_the_same_order(raw: zmq.asyncio.Socket, adapter: Adapter) -> None:
    adapter.release.set()
    batch = [request("test.wait"), request("test.echo"), {"v": 1}, request("test.deny"), request("order.place")]
    _, body = await ask(raw, b"", pack([{**item, "id": str(n)} if item != {"v": 1} else item for n, item in enumerate(batch)]))
    replies = msgpack.unpackb(body)
    assert [reply["id"] for reply in replies] == ["0", "1", None, "3", "4"]
    assert [reply["ok"] for reply in replies] == [True, True, False, False, False]
    assert [reply["error"]["code"] for reply in replies[2:]] == ["MALFORMED", "PRICE_OFF_TICK", "DEADLINE_REQUIRED"]


async def test_each_answer_of_an_array_has_its_share_of_the_message(raw: zmq.asyncio.Socket) -> None:
    _, body = await ask(raw, b"", pack([request("test.large"), request("test.large"), request("test.large")]))
    assert len(body) <= 2_097_152
    assert [reply["error"]["code"] for reply in msgpack.unpackb(body)] == ["REPLY_TOO_LARGE"] * 3


async def test_requests_that_may_come_together_are_handed_over_together_and_answered_each_in_its_place(address: str, adapter: Adapter) -> None:
    seen: list[list[str]] = []

    async def together(requests: Sequence[Request]) -> list[Mapping[str, object] | ArenaError]:
        seen.append([request.id for request in requests])
        return [OrderDenied("no", code="NO") if request.args.get("deny") else {"result": request.id} for request in requests]

    async with RequestServer(address, adapter, name="orders", together={"test.many": together}) as server:
        with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as raw:
            raw.linger = 0
            raw.connect(address)
            ops = ["test.many", "test.echo", "test.many", "test.many"]
            batch = [{**request(op, args={"deny": n == 2}), "id": str(n)} for n, op in enumerate(ops)]
            replies = msgpack.unpackb((await ask(raw, b"", pack([*batch, {"id": "bad"}])))[1])
            assert [reply["ok"] for reply in replies] == [True, True, False, True, False]
            assert [reply["id"] for reply in replies] == ["0", "1", "2", "3", "bad"]
            assert replies[2]["error"]["code"] == "NO"
            assert seen == [["0", "2", "3"]]
            assert server.metrics()["orders_in_flight"] == 0


async def test_a_bug_in_what_is_answered_together_leaves_nobody_without_an_answer(address: str, adapter: Adapter) -> None:
    async def together(requests: Sequence[Request]) -> list[Mapping[str, object] | ArenaError]:
        raise RuntimeError(len(requests))

    async with RequestServer(address, adapter, name="orders", together={"order.place": together}), RequestClient(address) as client:
        assert await client.wait_connected(30)
        answers = await asyncio.gather(*(client.call("order.place", {}, ttl_ms=30_000, timeout_s=30) for _ in range(3)), return_exceptions=True)
        assert [(type(answer), getattr(answer, "code", "")) for answer in answers] == [(OutcomeUnknown, "INTERNAL")] * 3


async def test_requests_that_are_handed_over_together_count_one_by_one_against_the_cap(address: str, adapter: Adapter) -> None:
    release = asyncio.Event()

    async def together(requests: Sequence[Request]) -> list[Mapping[str, object] | ArenaError]:
        await release.wait()
        return [{"result": None} for _ in requests]

    server = RequestServer(address, adapter, name="orders", together={"order.place": together}, in_flight_max=3)
    async with server, RequestClient(address) as client:
        assert await client.wait_connected(30)
        calls = [asyncio.create_task(client.call("order.place", {}, ttl_ms=30_000, timeout_s=30)) for _ in range(5)]
        while server.metrics()["orders_in_flight"] < 3:
            await asyncio.sleep(0.001)
        release.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [getattr(answer, "code", "") for answer in answers] == ["", "", "", "ADAPTER_BUSY", "ADAPTER_BUSY"]
