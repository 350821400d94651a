"""The defaults of the doors: who may come in on a fresh install, and what bad input gets."""

import io
import json
import socket
import stat

import pytest

from tests.system.stack import SEED_ORDER, Stack
from tests.system.wires import next_event


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", 400),
        (b'{"instrument":"EUR_USD","side":"BUY","units":NaN,"entry_price":1.1655,"stop_loss_price":1.16,"take_profit_price":1.17}', 400),
        (b'{"instrument":"EUR_USD","side":"BUY","units":1e999,"entry_price":1.1655,"stop_loss_price":1.16,"take_profit_price":1.17}', 400),
        (b'{"instrument":"EUR_USD","side":"BUY","units":true,"entry_price":1.1655,"stop_loss_price":1.16,"take_profit_price":1.17}', 400),
        (
            b'{"instrument":"EUR_USD","instrument":"GBP_USD","side":"BUY","units":1,"entry_price":1.1655,"stop_loss_price":1.16,"take_profit_price":1.17}',
            400,
        ),
        (b"[" * 4000, 400),
        (b"\xff\xfe", 400),
    ],
)
async def test_malformed_bodies_are_400_with_the_one_error_shape(stack: Stack, body: bytes, code: int) -> None:
    url = f"{stack.gateway}/brokers/oanda/orders"
    status, answer, headers = await stack.call("POST", url, token=await stack.token(), data=body)
    assert status == code
    assert {"ok", "code", "message", "details", "request_id"} <= set(answer)
    assert answer["ok"] is False
    assert headers["X-Request-ID"] == answer["request_id"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"entry_price": 1.165512}, 422, "PRICE_OFF_TICK"),
        ({"stop_loss_price": 1.1690}, 422, None),
        ({"instrument": "EUR_XXX"}, 422, None),
        ({"units": 0}, 422, None),
        ({"units": -1}, 422, None),
        ({"lots": 1}, 400, None),
        ({"side": "buy"}, 400, None),
    ],
)
async def test_orders_that_make_no_sense_say_why(stack: Stack, change: dict[str, object], status: int, code: str | None) -> None:
    got, answer = await stack.place(order={**SEED_ORDER, **change})
    assert got in {status, 400, 422}, answer
    assert answer["ok"] is False
    if code:
        assert answer["code"] == code
        assert "1.16551" in json.dumps(answer["details"])
        assert "1.16552" in json.dumps(answer["details"])


async def test_ten_megabytes_are_refused(stack: Stack) -> None:
    status, _, _ = await stack.call("POST", f"{stack.gateway}/brokers/oanda/orders", token=await stack.token(), data=io.BytesIO(b"x" * 10_000_000))
    assert status == 413


async def test_a_post_to_the_bus_port_delivers_nothing(stack: Stack) -> None:
    """An HTTP client's bytes are no ZeroMQ message: the port closes the door, and the bus goes on."""
    async with stack.events(f"{stack.gateway}/events?replay=0") as frames:
        for length in range(1, 60):
            with socket.create_connection(("127.0.0.1", stack.bus_port), timeout=5) as attacker:
                attacker.sendall(b"POST /" + b"a" * length + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n\x01\x00\x01\x00\x05hello")
        _, placed = await stack.place()
        await next_event(frames, lambda event: event["payload"].get("order_id") == placed["order_id"])


def test_every_socket_is_for_its_owner_alone(stack: Stack) -> None:
    run = stack.home / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    sockets = [path for path in run.iterdir() if stat.S_ISSOCK(path.stat().st_mode)]
    assert {"bus-pub.sock", "bus-sub.sock", "oanda-orders.sock", "oanda-replay.sock", "rick-replay.sock"} <= {path.name for path in sockets}
    assert all(path.stat().st_mode & 0o077 == 0 for path in sockets)


async def test_a_forged_future_cursor_resets_that_reader_and_nothing_else(stack: Stack) -> None:
    await stack.place()
    async with stack.events() as frames:
        async for frame in frames:
            if frame["event"] == "ready":
                cursor = frame["data"]["cursor"]
                break
    epoch = cursor.partition("oanda@")[2].partition(":")[0]
    for forged in (f"oanda@{epoch}:999999999", "oanda@0000000000000000:1", "garbage", "x" * 5000):
        async with stack.events(headers={"Last-Event-ID": forged}) as frames:
            async for frame in frames:
                if frame["event"] == "reset":
                    break
                assert frame["event"] != "ready", f"no reset for {forged[:40]}"
    _, placed = await stack.place()
    async with stack.events(headers={"Last-Event-ID": cursor}) as frames:
        await next_event(frames, lambda event: event["payload"].get("order_id") == placed["order_id"])


async def test_a_foreign_host_and_a_foreign_page_are_turned_away(stack: Stack) -> None:
    for base in (stack.gateway, stack.dashboard, stack.market_data):
        status, _, _ = await stack.call("GET", f"{base}/health" if base != stack.dashboard else f"{base}/", headers={"Host": "evil.example"})
        assert status == 421, base
    order = f"{stack.gateway}/brokers/oanda/orders"
    status, _, _ = await stack.call("POST", order, token=await stack.token(), json=SEED_ORDER, headers={"Origin": "http://evil.example"})
    assert status == 403
    for base in (f"{stack.gateway}/events", f"{stack.dashboard}/arena/events"):
        status, _, _ = await stack.call("GET", base, headers={"Sec-Fetch-Site": "cross-site"})
        assert status == 403


async def test_rights(stack: Stack) -> None:
    """No token, a forged one and a viewer's place nothing."""
    order = f"{stack.gateway}/brokers/oanda/orders"
    for token in (None, "x", "eyJhbGciOiJub25lIn0.e30."):
        status, _, _ = await stack.call("POST", order, token=token, json=SEED_ORDER)
        assert status == 401
    status, _, _ = await stack.call("POST", order, token=await stack.token("viewer@test", "viewer"), json=SEED_ORDER)
    assert status == 403
    status, _, _ = await stack.call("POST", f"{stack.gateway}/auth/register", json={"email": "a@b", "password": "pass", "role": "admin"})
    assert status == 400


async def test_one_id_is_one_order(stack: Stack) -> None:
    """The same id and body again: 200 and the first answer byte for byte; another body: 422."""
    url, token = f"{stack.gateway}/brokers/oanda/orders", await stack.token()
    body = {**SEED_ORDER, "client_order_id": "one-id-is-one-order"}
    async with stack.http.post(url, json=body, headers={"Authorization": f"Bearer {token}"}) as first:
        assert first.status == 201
        assert first.headers["Location"].startswith("/brokers/oanda/orders/paper-oanda-")
        bytes_of_first = await first.read()
    async with stack.http.post(url, json=body, headers={"Authorization": f"Bearer {token}"}) as again:
        assert again.status == 200
        assert again.headers["Idempotent-Replayed"] == "true"
        assert await again.read() == bytes_of_first
    status, answer, _ = await stack.call("POST", url, token=token, json={**body, "units": 200})
    assert (status, answer["code"]) == (422, "IDEMPOTENCY_MISMATCH")


async def test_an_adapter_that_is_down_is_503_at_once_and_the_other_goes_on(stack: Stack) -> None:
    stack.supervisor("stopProcess", "coinbase")
    try:
        order = {"product_id": "BTC-USD", "side": "BUY", "size": 0.001, "entry_price": 20000, "stop_loss_price": 19000, "take_profit_price": 200000}
        status, answer = await stack.place("coinbase", order)
        assert status == 503, answer
        status, _ = await stack.place()
        assert status == 201
        status, answer, _ = await stack.call("GET", f"{stack.gateway}/orders", token=await stack.token())
        assert status == 200
        assert "coinbase" in json.dumps(answer["unavailable"])
    finally:
        stack.supervisor("startProcess", "coinbase")
        await stack.ready()
