"""bus/request_server.py and bus/request_client.py over real sockets: any asking socket is served, and nothing runs late, twice or unseen."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgpack
import pytest
import zmq
import zmq.asyncio

from bus.codec import pack
from bus.deadline import stamp
from bus.request_client import SEND_S_MAX
from bus.request_server import socket_path
from bus.requests import Request, RequestClient, RequestServer
from runtime.clock import ManualClock, SystemClock, boot_id
from runtime.program import CannotStart
from trading.errors import ArenaError, InvalidRequest, NotFound, OrderDenied, OutcomeUnknown, Unavailable

ACTOR = {"user": "ann@test", "role": "trader", "live": False}
ROOT = Path(__file__).parents[2]


class Adapter:
    """A handler that does what the operation says, and keeps what reached it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.release = asyncio.Event()
        self.arrived = asyncio.Event()

    async def __call__(self, request: Request) -> Mapping[str, object]:
        self.requests.append(request)
        self.arrived.set()
        match request.op:
            case "test.deny":
                raise OrderDenied("off tick", code="PRICE_OFF_TICK", details={"below": Decimal("1.16")})
            case "test.bug":
                raise RuntimeError("oops")
            case "test.nonsense":
                return {"result": object()}
            case "test.huge" | "position.close":
                return {"result": ["x" * 8000] * 300}
            case "test.large":
                return {"result": ["x" * 8000] * 100}
            case "test.block":
                time.sleep(0.05)
            case "test.wait" | "order.cancel":
                await self.release.wait()
        return {"result": {"echo": dict(request.args)}, "last_event": {"epoch": "0123456789abcdef", "seq": 3}}


@pytest.fixture
def address(run_dir: Path) -> str:
    return f"ipc://{run_dir}/orders.sock"


@pytest.fixture
async def adapter() -> Adapter:
    return Adapter()


@pytest.fixture
async def server(address: str, adapter: Adapter) -> AsyncIterator[RequestServer]:
    async with RequestServer(address, adapter, name="orders") as running:
        yield running
        adapter.release.set()


@pytest.fixture
async def client(server: RequestServer, address: str) -> AsyncIterator[RequestClient]:
    async with RequestClient(address) as connected:
        assert await connected.wait_connected(5)
        yield connected


@pytest.fixture
async def raw(server: RequestServer, address: str) -> AsyncIterator[zmq.asyncio.Socket]:
    """A plain DEALER of somebody else's, connected to the server."""
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(address)
        yield socket


async def ask(socket: zmq.asyncio.Socket, *frames: bytes) -> list[bytes]:
    await socket.send_multipart(frames)
    async with asyncio.timeout(10):
        return await socket.recv_multipart()


def request(op: str = "test.echo", **fields: object) -> dict[str, object]:
    return {"v": 1, "id": "1", "op": op, **fields}


async def test_a_call_is_answered(client: RequestClient, adapter: Adapter) -> None:
    reply = await client.call("test.echo", {"price": Decimal("1.16700"), "units": Decimal(100)}, actor=ACTOR, timeout_s=30)
    assert reply.result == {"echo": {"price": 1.167, "units": 100}}
    assert reply.last_event == {"epoch": "0123456789abcdef", "seq": 3}
    assert adapter.requests[0].actor == ACTOR
    assert adapter.requests[0].deadline is None


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
        await client.call("position.close", {}, ttl_ms=3000, timeout_s=30)
    assert unknown.value.code == "REPLY_TOO_LARGE"


async def test_commands_of_one_turn_travel_together_and_each_gets_its_own_answer(client: RequestClient, adapter: Adapter) -> None:
    calls = [client.call("order.place", {"n": n}, ttl_ms=3000, timeout_s=30) for n in range(150)]
    replies = await asyncio.gather(*calls)
    assert [reply.result for reply in replies] == [{"echo": {"n": n}} for n in range(150)]
    arrivals = [seen.received_boot_ns for seen in adapter.requests]
    assert len(set(arrivals)) == 10  # nine times 16, so that the server need not wait for the last of them, and 6


async def test_commands_too_large_for_one_message_travel_in_several(client: RequestClient) -> None:
    replies = await asyncio.gather(*(client.call("order.place", {"n": n, "x": "y" * 4000}, ttl_ms=3000, timeout_s=30) for n in range(64)))
    assert [reply.result["echo"]["n"] for reply in replies] == list(range(64))


async def test_more_reads_than_the_socket_queues_are_all_answered(client: RequestClient) -> None:
    replies = await asyncio.gather(*(client.call("test.echo", {"n": n}, timeout_s=30) for n in range(250)))
    assert [reply.result["echo"]["n"] for reply in replies] == list(range(250))


async def test_a_full_queue_is_waited_for_while_the_server_is_only_slow(address: str) -> None:
    """One that gets no processor for a moment is there all the same: what waits leaves as soon as it reads."""
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as slow:
        slow.linger, slow.rcvhwm = 0, 1
        slow.setsockopt(zmq.SNDHWM, 10_000)
        slow.bind(address)
        async with RequestClient(address) as client:
            assert await client.wait_connected(30)
            calls = [asyncio.create_task(client.call("test.echo", {"n": n, "pad": "x" * 4000}, timeout_s=30)) for n in range(1000)]
            await asyncio.sleep(3 * SEND_S_MAX)
            assert not client.is_connected, "its queue is full"
            for _ in calls:
                *envelope, body = await slow.recv_multipart()
                asked = msgpack.unpackb(body)
                await slow.send_multipart([*envelope, pack({"v": 1, "id": asked["id"], "ok": True, "result": asked["args"]["n"]})])
            assert [reply.result for reply in await asyncio.gather(*calls)] == list(range(1000))


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


async def test_nobody_there_is_unavailable_at_once_and_nothing_is_delivered_later(address: str, adapter: Adapter) -> None:
    """ZeroMQ's default would queue these and have them run when the adapter comes up (RULES F2)."""
    async with RequestClient(address) as client:
        async with asyncio.timeout(10):
            results = await asyncio.gather(*(client.call("order.place", {}, ttl_ms=30_000, timeout_s=30) for _ in range(5)), return_exceptions=True)
        for result in results:
            assert isinstance(result, Unavailable)
            assert result.code == "ADAPTER_DOWN"
        assert not await client.wait_connected(0)
        async with RequestServer(address, adapter, name="orders"):
            assert await client.wait_connected(5)
            await client.call("test.echo", {}, timeout_s=30)
            assert [seen.op for seen in adapter.requests] == ["test.echo"]


async def test_no_answer_in_time_is_unknown_and_the_late_one_is_dropped_and_counted(client: RequestClient, adapter: Adapter) -> None:
    with pytest.raises(OutcomeUnknown) as unknown:
        await client.call("test.wait", {}, timeout_s=0.05)
    assert unknown.value.code == "UNKNOWN"
    adapter.release.set()
    await client.call("test.echo", {}, timeout_s=30)
    assert client.late_replies == 1


async def test_a_caller_that_gives_up_before_its_turn_ends_sends_nothing(client: RequestClient, adapter: Adapter) -> None:
    gone = asyncio.create_task(client.call("order.place", {"gone": True}, ttl_ms=3000, timeout_s=30))
    kept = asyncio.create_task(client.call("order.place", {"kept": True}, ttl_ms=3000, timeout_s=30))
    asyncio.get_running_loop().call_soon(gone.cancel)
    await kept
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert {"gone": True} not in [dict(seen.args) for seen in adapter.requests] or client.late_replies == 1


async def test_a_client_that_closes_leaves_nobody_waiting(server: RequestServer, address: str, adapter: Adapter) -> None:
    async with RequestClient(address) as client:
        assert await client.wait_connected(5)
        waiting = asyncio.create_task(client.call("test.wait", {}, timeout_s=60))
        await adapter.arrived.wait()
    with pytest.raises(OutcomeUnknown):
        await waiting
    with pytest.raises(Unavailable):
        await client.call("test.echo", {}, timeout_s=30)


async def test_a_command_past_its_deadline_never_reaches_its_handler(address: str) -> None:
    """The receiver checks: a queue, a buffer or a frozen process may have held it since."""
    clock, adapter = ManualClock(), Adapter()
    async with RequestServer(address, adapter, name="orders", clock=clock, late_ops=frozenset({"order.modify"})):
        with zmq.asyncio.Context() as context, context.socket(zmq.REQ) as socket:
            socket.connect(address)
            fields = stamp(3000, clock, boot_id())
            clock.advance(3.001)
            for op, reached in (("order.place", False), ("order.modify", True)):
                (body,) = await ask(socket, pack(request(op, **fields)))
                reply = msgpack.unpackb(body)
                assert reply["ok"] is reached
                if not reached:
                    assert (reply["error"]["kind"], reply["error"]["code"]) == ("DeadlinePassed", "EXPIRED")
            assert [seen.op for seen in adapter.requests] == ["order.modify"]


async def test_more_in_flight_than_allowed_is_refused_at_once(address: str, adapter: Adapter) -> None:
    async with RequestServer(address, adapter, name="orders", in_flight_max=3), RequestClient(address) as client:
        assert await client.wait_connected(5)
        calls = [asyncio.create_task(client.call("test.wait", {}, timeout_s=10)) for _ in range(3)]
        while len(adapter.requests) < 3:
            adapter.arrived.clear()
            await adapter.arrived.wait()
        with pytest.raises(Unavailable) as busy:
            await client.call("test.echo", {}, timeout_s=30)
        assert busy.value.code == "ADAPTER_BUSY"
        adapter.release.set()
        await asyncio.gather(*calls)


def test_a_bare_req_socket_is_served(run_dir: Path) -> None:
    """What a reader of docs/protocol.md writes in another language: one synchronous REQ, no library of ours."""
    outcome: dict[str, object] = {}

    def somebody_else(address: str) -> None:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.rcvtimeo = 10_000
            socket.connect(address)
            for number in range(3):
                socket.send(msgpack.packb({"v": 1, "id": str(number), "op": "order.get", "args": {"n": number}}))
                outcome[str(number)] = msgpack.unpackb(socket.recv())

    async def serve() -> None:
        async with RequestServer(f"ipc://{run_dir}/o.sock", Adapter(), name="orders"):
            await asyncio.to_thread(somebody_else, f"ipc://{run_dir}/o.sock")

    with asyncio.Runner() as runner:
        runner.run(serve())
    last_event = {"epoch": "0123456789abcdef", "seq": 3}
    assert outcome == {str(n): {"v": 1, "id": str(n), "ok": True, "result": {"echo": {"n": n}}, "last_event": last_event} for n in range(3)}


async def test_a_relaxed_correlating_req_gets_the_answer_to_its_latest_question(server: RequestServer, address: str, adapter: Adapter) -> None:
    """The late answer to its first question comes too, and is not taken for the second."""
    loop = asyncio.get_running_loop()

    def somebody_else() -> bytes:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.rcvtimeo = 10_000
            socket.req_relaxed, socket.req_correlate = 1, 1
            socket.connect(address)
            socket.send(pack(request("test.wait")))
            asyncio.run_coroutine_threadsafe(adapter.arrived.wait(), loop).result(10)
            loop.call_soon_threadsafe(adapter.release.set)
            socket.send(pack({**request("test.echo"), "id": "2"}))
            return socket.recv()

    assert msgpack.unpackb(await asyncio.to_thread(somebody_else))["id"] == "2"


async def test_the_envelope_comes_back_unchanged(raw: zmq.asyncio.Socket) -> None:
    for envelope in ([b""], [b"hop", b""], [b"a", b"b", b"c", b"d", b"e", b""]):
        frames = await ask(raw, *envelope, pack(request()))
        assert frames[:-1] == envelope
        assert msgpack.unpackb(frames[-1])["ok"] is True


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


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"POST / HTTP/1.1\r\n",
        pack([request()] * 65),
        pack([]),
        pack(7),
        msgpack.packb({**request(), "args": {"n": float("nan")}}),
        msgpack.packb({**request(), "args": {"b": b"x"}}),
        b"\x82\xa1v\x01\xa1v\x01",
        b"\x81\xa1a" * 100 + b"\x01",
    ],
    ids=lambda body: repr(body)[:30],
)
async def test_a_body_that_cannot_be_read_is_answered_and_counted(raw: zmq.asyncio.Socket, server: RequestServer, body: bytes) -> None:
    frames = await ask(raw, b"", body)
    reply = msgpack.unpackb(frames[-1])
    assert (reply["id"], reply["ok"], reply["error"]["code"]) == (None, False, "MALFORMED")
    assert server.metrics()["orders_malformed"] == 1


@pytest.mark.parametrize("frames", [[b"body"], [b"", b"body", b"more"], [b"a"] * 7 + [b"", b"body"], [b""], [b"", b"", b"body"]], ids=str)
async def test_frames_without_a_form_are_dropped_and_the_next_request_is_served(
    raw: zmq.asyncio.Socket, server: RequestServer, frames: list[bytes]
) -> None:
    await raw.send_multipart(frames)
    assert msgpack.unpackb((await ask(raw, b"", pack(request())))[-1])["ok"] is True
    assert server.metrics()["orders_malformed"] == 1


async def test_a_frame_over_64_kib_costs_its_sender_the_connection_and_nobody_else(
    raw: zmq.asyncio.Socket, client: RequestClient, adapter: Adapter
) -> None:
    await raw.send_multipart([b"", b"\x00" * 65_537])
    await client.call("test.echo", {}, timeout_s=30)
    assert [seen.op for seen in adapter.requests] == ["test.echo"]


async def test_a_reply_to_a_peer_that_has_gone_is_counted(server: RequestServer, address: str, adapter: Adapter, client: RequestClient) -> None:
    """ROUTER's default would drop it without a word. The server learns of the broken connection when its I/O thread does, so it is tried again."""
    async with asyncio.timeout(10):
        while server.metrics()["orders_replies_unsent"] == 0:
            adapter.release.clear()
            adapter.arrived.clear()
            with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
                socket.linger = 0
                socket.connect(address)
                await socket.send_multipart([b"", pack(request("test.wait"))])
                await adapter.arrived.wait()
            await client.call("test.echo", {}, timeout_s=30)
            adapter.release.set()
            await client.call("test.echo", {}, timeout_s=30)


async def test_the_socket_file_is_for_its_owner_alone_whatever_the_umask(run_dir: Path, adapter: Adapter) -> None:
    path = run_dir / "orders.sock"
    old = os.umask(0o022)
    try:
        async with RequestServer(f"ipc://{path}", adapter, name="orders"):
            assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(old)


async def test_a_server_that_stops_answers_what_is_in_flight(address: str, adapter: Adapter) -> None:
    async with RequestClient(address) as client:
        async with RequestServer(address, adapter, name="orders"):
            assert await client.wait_connected(5)
            call = asyncio.create_task(client.call("test.wait", {}, timeout_s=10))
            await adapter.arrived.wait()
            asyncio.get_running_loop().call_soon(adapter.release.set)
        assert (await call).result == {"echo": {}}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tcp://127.0.0.1:5999", "no ipc"),
        ("ipc://relative.sock", "no ipc"),
        ("ipc:///absent-directory/o.sock", "does not exist"),
        ("ipc:///tmp/o.sock", "open to other users"),
    ],
)
async def test_an_address_that_is_not_private_is_refused(address: str, reason: str) -> None:
    with pytest.raises(CannotStart, match=reason):
        async with RequestServer(address, Adapter(), name="orders"):
            pass


def test_a_path_too_long_for_a_socket_is_refused_with_its_length(run_dir: Path) -> None:
    with pytest.raises(CannotStart, match="has 130 bytes and a Unix socket path may have 107"):
        socket_path("ipc:///" + "x" * 129)


async def test_replies_that_make_no_sense_are_dropped_and_counted(run_dir: Path) -> None:
    """A server that is not ours, or broken: the caller gets UNKNOWN, never a made-up answer."""
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(f"ipc://{run_dir}/o.sock")
        async with RequestClient(f"ipc://{run_dir}/o.sock") as client:
            assert await client.wait_connected(5)
            call = asyncio.create_task(client.call("test.echo", {}, timeout_s=0.3))
            peer, _, body = await router.recv_multipart()
            sent = msgpack.unpackb(body)
            for frames in ([b"", b"\xc1"], [b"", pack([5])], [b"", pack({**sent, "id": "other"})], [b"no", b"", b""], [b"", pack({"id": ["x"]})]):
                await router.send_multipart([peer, *frames])
            with pytest.raises(OutcomeUnknown):
                await call
            assert client.late_replies == 5


FROZEN = """
import asyncio, sys
from bus.requests import RequestServer
ran = []
async def handle(request):
    if request.op != "test.ran":
        ran.append(request.op)
    return {"result": ran}
async def main():
    async with RequestServer(sys.argv[1], handle, name="orders"):
        print("ready", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_an_adapter_that_was_frozen_runs_nothing_of_what_was_sent_meanwhile(address: str) -> None:
    """SIGSTOP, five commands, SIGCONT: the kernel delivers them all, and none of them runs."""
    with subprocess.Popen([sys.executable, "-c", FROZEN, address], cwd=ROOT, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert await asyncio.to_thread(child.stdout.readline) == b"ready\n"
            async with RequestClient(address) as client:
                assert await client.wait_connected(5)
                await client.call("order.place", {}, ttl_ms=3000, timeout_s=30)
                child.send_signal(signal.SIGSTOP)
                calls = [client.call("order.place", {"n": n}, ttl_ms=100, timeout_s=0.2) for n in range(5)]
                for result in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(result, OutcomeUnknown)
                child.send_signal(signal.SIGCONT)
                assert (await client.call("test.ran", {}, timeout_s=10)).result == ["order.place"]
                assert client.late_replies == 5  # each was refused as EXPIRED, to nobody
        finally:
            child.kill()


def test_many_threads_of_bare_req_sockets_are_served_side_by_side(run_dir: Path) -> None:
    answers: list[int] = []

    def somebody(number: int) -> None:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.rcvtimeo = 10_000
            socket.connect(f"ipc://{run_dir}/o.sock")
            for _ in range(20):
                socket.send(pack(request(args={"n": number})))
                answers.append(msgpack.unpackb(socket.recv())["result"]["echo"]["n"])

    async def serve() -> None:
        async with RequestServer(f"ipc://{run_dir}/o.sock", Adapter(), name="orders"):
            threads = [threading.Thread(target=somebody, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)

    with asyncio.Runner() as runner:
        runner.run(serve())
    assert sorted(answers) == sorted(list(range(8)) * 20)


async def test_a_request_that_arrives_while_the_loop_is_blocked_is_read_after_the_reply(server: RequestServer, address: str) -> None:
    """The descriptor tells of it once, and the reply's own send takes that signal away."""

    def somebody_else() -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as blocking, context.socket(zmq.DEALER) as second:
            blocking.rcvtimeo = second.rcvtimeo = 3000
            blocking.linger = second.linger = 0
            blocking.connect(address)
            second.connect(address)
            for socket in (blocking, second):  # both are connected before it counts
                socket.send_multipart([b"", pack(request())])
                socket.recv_multipart()
            for _ in range(20):
                blocking.send_multipart([b"", pack(request("test.block"))])
                time.sleep(0.02)
                second.send_multipart([b"", pack(request())])
                blocking.recv_multipart()
                second.recv_multipart()

    await asyncio.to_thread(somebody_else)


async def test_a_reply_that_arrives_while_the_loop_is_blocked_is_read_after_the_next_call_is_sent(run_dir: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.rcvtimeo = 5000
        router.bind(f"ipc://{run_dir}/o.sock")

        def answer_the_first() -> None:
            peer, empty, body = router.recv_multipart()
            router.send_multipart([peer, empty, pack({"v": 1, "id": msgpack.unpackb(body)["id"], "ok": True, "result": 1})])

        async with RequestClient(f"ipc://{run_dir}/o.sock") as client:
            assert await client.wait_connected(5)
            for _ in range(5):
                answering = threading.Thread(target=answer_the_first)
                answering.start()
                first = asyncio.create_task(client.call("test.echo", {}, timeout_s=30))
                await asyncio.sleep(0)
                answering.join()
                time.sleep(0.02)  # the reply and its signal are there; this turn's next send takes the signal away
                with pytest.raises(OutcomeUnknown):
                    await client.call("test.echo", {}, timeout_s=0.1)
                assert first.done()
                await asyncio.to_thread(router.recv_multipart)


async def test_time_is_taken_from_the_callers_clock(server: RequestServer, address: str, adapter: Adapter) -> None:
    clock = SystemClock()
    async with RequestClient(address, clock=clock) as client:
        assert await client.wait_connected(5)
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
        assert await client.wait_connected(5)
        with pytest.raises(NotFound) as refused:
            await client.call("order.levitate", {}, timeout_s=30)
        assert refused.value.code == "UNKNOWN_OP"


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
        answers = await asyncio.gather(*(client.call("order.place", {}, ttl_ms=3000, timeout_s=30) for _ in range(3)), return_exceptions=True)
        assert [(type(answer), getattr(answer, "code", "")) for answer in answers] == [(OutcomeUnknown, "INTERNAL")] * 3


async def test_requests_that_are_handed_over_together_count_one_by_one_against_the_cap(address: str, adapter: Adapter) -> None:
    release = asyncio.Event()

    async def together(requests: Sequence[Request]) -> list[Mapping[str, object] | ArenaError]:
        await release.wait()
        return [{"result": None} for _ in requests]

    server = RequestServer(address, adapter, name="orders", together={"order.place": together}, in_flight_max=3)
    async with server, RequestClient(address) as client:
        assert await client.wait_connected(30)
        calls = [asyncio.create_task(client.call("order.place", {}, ttl_ms=3000, timeout_s=30)) for _ in range(5)]
        while server.metrics()["orders_in_flight"] < 3:
            await asyncio.sleep(0.001)
        release.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [getattr(answer, "code", "") for answer in answers] == ["", "", "", "ADAPTER_BUSY", "ADAPTER_BUSY"]
