"""``arena positions, account, trades, close, modify, order``: what they show of a gateway's answers, and what they do where one does not come."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from cli.app import app
from cli.exit_codes import FAILED, PARTLY, UNKNOWN, UNREACHABLE, USAGE

POSITION = {
    "broker": "oanda", "instrument": "EUR_USD", "side": "BUY", "units": 1000, "average_price": 1.16701, "mark_price": 1.16842, "open_pnl": 1.41,
    "protection": "adapter", "stale": False,
}  # fmt: skip
CLOSED = {"order_id": "paper-oanda-3", "status": "OPEN", "average_exit_price": 1.168, "position_units": 500, "realized_pnl": 0.5, "fees": 0}
CUT = (b"200 OK", b"503 Service Unavailable")


class Gateway:
    """Answers by method and path; None is a line that breaks before the answer, a status of CUT one that breaks in it. Keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[tuple[str, str], list[Any]] = {}
        self.asked: list[tuple[str, str, str | None, Any]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path_qs, request.headers.get("Idempotency-Key"), body))
        queue = self.answers[request.method, request.path]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if answer is None or answer in CUT:
            assert request.transport is not None
            if answer is not None:
                request.transport.write(b'HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"ok": ' % answer)
                request.transport.close()
            else:
                request.transport.abort()
            return web.Response()
        if isinstance(answer, web.Response):
            return answer
        return web.json_response(answer)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    server = web.Application()
    server.router.add_route("*", "/{path:.*}", gateway.answer)
    runner = web.AppRunner(server, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield gateway
    await runner.cleanup()


async def arena(gateway: Gateway, home: Path, *arguments: str) -> Result:
    environ = {"ARENA_URL": gateway.url, "ARENA_TOKEN": "t", "ARENA_HOME": str(home)}
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=environ)


async def test_positions_of_both_brokers_show_their_profit(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["GET", "/positions"] = [{"ok": True, "positions": [POSITION], "unavailable": []}]
    done = await arena(gateway, tmp_path, "positions")
    assert done.exit_code == 0
    assert "1.41" in done.stdout


async def test_a_broker_that_is_down_is_named_beside_the_others_positions(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["GET", "/positions"] = [{"ok": True, "positions": [POSITION], "unavailable": [{"broker": "coinbase", "code": "ADAPTER_DOWN"}]}]
    done = await arena(gateway, tmp_path, "positions")
    assert done.exit_code == PARTLY
    assert "EUR_USD" in done.stdout
    assert "coinbase" in done.stderr


async def test_an_account_and_the_trades_that_closed(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["GET", "/brokers/oanda/account"] = [{"ok": True, "account": {"broker": "oanda", "equity": 99_937.9, "open_pnl": 6.6}}]
    trade = {
        "order_id": "paper-oanda-3",
        "closed_at": "2026-11-23T12:19:32.070430Z",
        "close_reason": "STOP_LOSS",
        "net_pnl": -69.15,
        "r_multiple": -1.01,
    }
    gateway.answers["GET", "/trades"] = [{"ok": True, "trades": [trade], "unavailable": []}]
    assert "99937.9" in (await arena(gateway, tmp_path, "account", "oanda")).stdout
    told = (await arena(gateway, tmp_path, "trades", "--limit", "5")).stdout
    for part in ("2026-11-23 12:19:32", "STOP_LOSS", "-69.15", "-1.01"):
        assert part in told
    assert gateway.asked[-1][1] == "/trades?limit=5"


async def test_trades_of_both_brokers_stand_in_the_order_of_their_times(gateway: Gateway, tmp_path: Path) -> None:
    trades = [
        {"order_id": name, "closed_at": f"2026-11-23T12:{minute}:32.070430Z"} for name, minute in (("first", 10), ("third", 30), ("second", 20))
    ]
    gateway.answers["GET", "/trades"] = [{"ok": True, "trades": trades, "unavailable": []}]
    told = (await arena(gateway, tmp_path, "trades")).stdout
    assert told.index("third") < told.index("second") < told.index("first")


async def test_a_close_whose_answer_is_lost_is_sent_again_under_the_same_id(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["DELETE", "/brokers/oanda/positions/EUR_USD"] = [None, {"ok": True, "orders": [CLOSED]}]
    done = await arena(gateway, tmp_path, "close", "oanda", "EUR_USD", "--percent", "50")
    assert done.exit_code == 0
    (_, first_path, first, _), (_, _, second, _) = gateway.asked
    assert first_path.endswith("?percent=50")
    assert first == second is not None
    assert "500" in done.stdout


async def test_an_answer_that_breaks_off_in_the_middle_is_lost_too(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["DELETE", "/brokers/oanda/positions/EUR_USD"] = [CUT[0], {"ok": True, "orders": [CLOSED]}]
    assert (await arena(gateway, tmp_path, "close", "oanda", "EUR_USD")).exit_code == 0
    gateway.answers["PATCH", "/brokers/oanda/orders/paper-oanda-3"] = [CUT[1]]
    assert (await arena(gateway, tmp_path, "modify", "oanda", "paper-oanda-3", "--stop", "1.1")).exit_code == UNKNOWN


@pytest.mark.parametrize(("status", "code"), [(503, "ADAPTER_DOWN"), (429, "RATE_LIMITED"), (401, "TOKEN_EXPIRED"), (504, "EXPIRED")])
async def test_a_second_try_that_is_not_taken_says_nothing_of_the_first(gateway: Gateway, tmp_path: Path, status: int, code: str) -> None:
    refusal = {"ok": False, "code": code, "message": "not now"}
    path = "/brokers/oanda/positions/EUR_USD"
    gateway.answers["DELETE", path] = [None, web.json_response(refusal, status=status)]
    done = await arena(gateway, tmp_path, "close", "oanda", "EUR_USD")
    assert (done.exit_code, len(gateway.asked)) == (UNKNOWN, 2)
    assert code in done.stderr
    assert f"--id {gateway.asked[0][2]}" in done.stderr
    gateway.answers["DELETE", path] = [web.json_response(refusal, status=status)]
    assert (await arena(gateway, tmp_path, "close", "oanda", "EUR_USD")).exit_code == FAILED


async def test_a_second_try_that_is_refused_for_good_was_the_first_to_arrive(gateway: Gateway, tmp_path: Path) -> None:
    """Whoever decides remembers the id: a close that had been done would be answered as it was."""
    refusal = {"ok": False, "code": "NO_POSITION", "message": "flat"}
    gateway.answers["DELETE", "/brokers/oanda/positions/EUR_USD"] = [None, web.json_response(refusal, status=404)]
    assert (await arena(gateway, tmp_path, "close", "oanda", "EUR_USD")).exit_code == FAILED


async def test_a_close_that_nobody_answers_is_unknown_and_names_its_id(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["DELETE", "/brokers/oanda/positions/EUR_USD"] = [None]
    done = await arena(gateway, tmp_path, "close", "oanda", "EUR_USD")
    assert done.exit_code == UNKNOWN
    assert f"--id {gateway.asked[0][2]}" in done.stderr


async def test_where_nobody_listens_nothing_can_have_been_done(gateway: Gateway, tmp_path: Path, unused_tcp_port: int) -> None:
    gateway.url = f"http://127.0.0.1:{unused_tcp_port}"
    for arguments in (("close", "oanda", "EUR_USD"), ("order", "oanda", "BUY", "1", "EUR_USD", "--stop", "1.1", "--target", "1.2")):
        done = await arena(gateway, tmp_path, *arguments)
        assert done.exit_code == UNREACHABLE
        assert "may" not in done.stderr


async def test_a_cancel_whose_answer_is_lost_is_not_said_to_have_failed(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["DELETE", "/brokers/oanda/orders/paper-oanda-3"] = [None]
    assert (await arena(gateway, tmp_path, "cancel", "oanda", "paper-oanda-3")).exit_code == UNKNOWN


async def test_orders_show_a_trailing_stop_where_it_stands_the_newest_first(gateway: Gateway, tmp_path: Path) -> None:
    """Its first price is where it began: a reader would think the loss larger than it can be."""
    trailed = {
        "order_id": "paper-oanda-3", "placed_at": "2026-11-23T12:00:00Z", "stop_loss_price": 1.16, "trailing_stop_distance": 0.001,
        "legs": [{"leg": "entry", "price": None}, {"leg": "stop_loss", "price": 1.1681}],
    }  # fmt: skip
    newer = {"order_id": "paper-coinbase-9", "placed_at": "2026-11-23T12:30:00Z", "stop_loss_price": 41000}
    gateway.answers["GET", "/orders"] = [{"ok": True, "orders": [trailed, newer], "unavailable": []}]
    told = (await arena(gateway, tmp_path, "orders")).stdout
    assert "1.1681" in told
    assert "1.16 " not in told
    assert told.index("paper-coinbase-9") < told.index("paper-oanda-3")


async def test_an_order_with_a_trailing_stop_and_its_change(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["POST", "/brokers/oanda/orders"] = [{"ok": True, "order_id": "paper-oanda-3", "status": "PENDING", "mode": "paper"}]
    gateway.answers["PATCH", "/brokers/oanda/orders/paper-oanda-3"] = [{"ok": True, "order": {"order_id": "paper-oanda-3", "stop_loss_price": 1.161}}]
    done = await arena(gateway, tmp_path, "order", "oanda", "BUY", "1", "EUR_USD", "--stop", "1.1", "--target", "1.2", "--trail", "0.001")
    assert "trailing 0.001" in done.stdout
    done = await arena(gateway, tmp_path, "modify", "oanda", "paper-oanda-3", "--stop", "1.161", "--ttl", "2.5")
    assert "1.161" in done.stdout
    (*_, placed), (*_, changed) = gateway.asked
    assert placed["trailing_stop_distance"] == "0.001"
    assert changed == {"stop_loss_price": "1.161", "ttl_min": "2.5"}
    assert (await arena(gateway, tmp_path, "modify", "oanda", "paper-oanda-3")).exit_code == USAGE
