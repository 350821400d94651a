"""Requests that meet nobody, a full queue, a deadline, a frozen or a stopping server: refused, waited for, or unknown, and never run late."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgpack
import pytest
import zmq
import zmq.asyncio

from bus.codec import pack
from bus.deadline import stamp
from bus.request_client import SEND_S_MAX
from bus.requests import RequestClient, RequestServer
from runtime.clock import ManualClock, boot_id
from tests.bus.requesting import ROOT, Adapter, ask, request
from trading.errors import OutcomeUnknown, Unavailable


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


async def test_nobody_there_is_unavailable_at_once_and_nothing_is_delivered_later(address: str, adapter: Adapter) -> None:
    """ZeroMQ's default would queue these and have them run when the adapter comes up (RULES F2)."""
    async with RequestClient(address) as client:
        async with asyncio.timeout(30):
            results = await asyncio.gather(*(client.call("order.place", {}, ttl_ms=30_000, timeout_s=30) for _ in range(5)), return_exceptions=True)
        for result in results:
            assert isinstance(result, Unavailable)
            assert result.code == "ADAPTER_DOWN"
        assert not await client.wait_connected(0)
        async with RequestServer(address, adapter, name="orders"):
            assert await client.wait_connected(30)
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
    gone = asyncio.create_task(client.call("order.place", {"gone": True}, ttl_ms=30_000, timeout_s=30))
    kept = asyncio.create_task(client.call("order.place", {"kept": True}, ttl_ms=30_000, timeout_s=30))
    asyncio.get_running_loop().call_soon(gone.cancel)
    await kept
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert {"gone": True} not in [dict(seen.args) for seen in adapter.requests] or client.late_replies == 1


async def test_a_client_that_closes_leaves_nobody_waiting(server: RequestServer, address: str, adapter: Adapter) -> None:
    async with RequestClient(address) as client:
        assert await client.wait_connected(30)
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
        assert await client.wait_connected(30)
        calls = [asyncio.create_task(client.call("test.wait", {}, timeout_s=30)) for _ in range(3)]
        while len(adapter.requests) < 3:
            adapter.arrived.clear()
            await adapter.arrived.wait()
        with pytest.raises(Unavailable) as busy:
            await client.call("test.echo", {}, timeout_s=30)
        assert busy.value.code == "ADAPTER_BUSY"
        adapter.release.set()
        await asyncio.gather(*calls)


async def test_a_reply_to_a_peer_that_has_gone_is_counted(server: RequestServer, address: str, adapter: Adapter, client: RequestClient) -> None:
    """ROUTER's default would drop it without a word. The server learns of the broken connection when its I/O thread does, so it is tried again."""
    async with asyncio.timeout(30):
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


async def test_a_server_that_stops_answers_what_is_in_flight(address: str, adapter: Adapter) -> None:
    async with RequestClient(address) as client:
        async with RequestServer(address, adapter, name="orders"):
            assert await client.wait_connected(30)
            call = asyncio.create_task(client.call("test.wait", {}, timeout_s=30))
            await adapter.arrived.wait()
            asyncio.get_running_loop().call_soon(adapter.release.set)
        assert (await call).result == {"echo": {}}


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
                assert await client.wait_connected(30)
                await client.call("order.place", {}, ttl_ms=30_000, timeout_s=30)
                child.send_signal(signal.SIGSTOP)
                calls = [client.call("order.place", {"n": n}, ttl_ms=100, timeout_s=0.2) for n in range(5)]
                for result in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(result, OutcomeUnknown)
                child.send_signal(signal.SIGCONT)
                assert (await client.call("test.ran", {}, timeout_s=30)).result == ["order.place"]
                assert client.late_replies == 5  # each was refused as EXPIRED, to nobody
        finally:
            child.kill()


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
            assert await client.wait_connected(30)
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
