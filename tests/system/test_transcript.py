"""The owner's transcript, to the letter, against a fresh default install."""

import json
import time
from typing import Any

import pytest

from tests.system.stack import SEED_ORDER, Stack
from tests.system.wires import next_event

REGISTER = """curl -s -X POST $GATEWAY/auth/register \\
  -H 'Content-Type: application/json' \\
  -d '{"email":"seed@test","password":"pass","role":"trader"}'"""

LOGIN = """TOK=$(curl -s -X POST $GATEWAY/auth/login \\
  -H 'Content-Type: application/json' \\
  -d '{"email":"seed@test","password":"pass"}' | jq -r .access_token)
"""

ORDER_BODY = """'{
    "instrument":"EUR_USD",
    "side":"BUY",
    "units":100,
    "entry_price":1.1655,
    "stop_loss_price":1.1600,
    "take_profit_price":1.1700,
    "quality_score":75
  }'"""


async def run(stack: Stack, script: str) -> Any:
    code, out = await stack.shell(script)
    assert code == 0, out
    return json.loads(out)


async def test_register_login_order(stack: Stack) -> None:
    """Register, a second register is 409, log in, place the bracket with and without a JSON content type."""
    registered = await run(stack, REGISTER)
    assert registered["ok"] is True
    assert registered["user"]["email"] == "seed@test"
    again = await run(stack, REGISTER)
    assert again["ok"] is False

    before = time.time()
    placed = await run(
        stack,
        LOGIN
        + f"curl -s -X POST $GATEWAY/brokers/oanda/orders -H \"Authorization: Bearer $TOK\" -H 'Content-Type: application/json' -d {ORDER_BODY}",
    )
    assert placed["ok"] is True
    assert placed["order_id"].startswith("paper-oanda-")
    assert int(placed["order_id"].removeprefix("paper-oanda-")) >= 1
    assert placed["status"] == "PENDING"
    assert placed["mode"] == "paper"
    assert isinstance(placed["ttl_expires_at"], float)
    assert before + 360 * 60 - 5 < placed["ttl_expires_at"] < time.time() + 360 * 60 + 5

    bare = await run(stack, LOGIN + f'curl -s -X POST $GATEWAY/brokers/oanda/orders -H "Authorization: Bearer $TOK" -d {ORDER_BODY}')
    assert bare["ok"] is True
    assert bare["order_id"] != placed["order_id"]


async def test_the_coinbase_form(stack: Stack) -> None:
    """``product_id`` and ``size`` are the same order in crypto words."""
    _, answer, _ = await stack.call("GET", f"{stack.market_data}/quotes?instruments=BTC-USD")
    price = round(answer["quotes"][0]["ask"]) if isinstance(answer["quotes"], list) else round(answer["quotes"]["BTC-USD"]["ask"])
    order = {
        "product_id": "BTC-USD",
        "side": "BUY",
        "size": 0.001,
        "entry_price": price - 5000,
        "stop_loss_price": price - 6000,
        "take_profit_price": price + 5000,
    }
    status, placed = await stack.place("coinbase", order)
    assert status == 201, placed
    assert placed["order_id"].startswith("paper-coinbase-")
    assert placed["status"] == "PENDING"


@pytest.mark.parametrize("stream", ["$GATEWAY/events", "$DASHBOARD/arena/events"])
async def test_an_order_placed_before_the_stream_is_opened_is_found_in_it(stack: Stack, stream: str) -> None:
    """The last events come first: grep finds the order by its id, head shows an event."""
    _, placed = await stack.place()
    code, out = await stack.shell(f"timeout 3 curl -sN {stream} | grep -m1 '\"{placed['order_id']}\"'")
    assert code == 0, out
    event = json.loads(out.removeprefix("data: "))
    assert list(event)[:4] == ["source", "type", "payload", "ts"]
    assert event["source"] == "oanda"
    assert event["type"] == "oco_placed"
    wanted = {
        "order_id": placed["order_id"],
        "instrument": "EUR_USD",
        "side": "BUY",
        "units": 100,
        "entry": 1.1655,
        "sl": 1.16,
        "tp": 1.17,
        "quality": 75,
        "mode": "paper",
        "ttl_min": 360,
    }
    assert {key: event["payload"][key] for key in wanted} == wanted
    code, out = await stack.shell(f"timeout 5 curl -sN {stream} | head -5")
    assert "data: {" in out


async def test_both_streams_show_the_same(stack: Stack) -> None:
    """The same ids and the same bytes on 8787 and 8080."""
    await stack.place()
    seen: list[dict[str, str]] = []
    for url in (f"{stack.gateway}/events?replay=500", f"{stack.dashboard}/arena/events?replay=500"):
        shown: dict[str, str] = {}
        async with stack.events(url) as frames:
            async for frame in frames:
                if frame["event"] == "ready":
                    break
                if frame["event"] is None:
                    event = frame["data"]
                    shown[f"{event['source']}:{event['epoch']}:{event['seq']}"] = json.dumps(event)
        seen.append(shown)
    common = set(seen[0]) & set(seen[1])
    assert len(common) >= 1
    assert all(seen[0][key] == seen[1][key] for key in common)
    assert len(common) >= len(seen[0]) - 5  # what was journalled between the two


async def test_health_and_page(stack: Stack) -> None:
    status, health, _ = await stack.call("GET", f"{stack.gateway}/health")
    assert (status, health["ok"]) == (200, True)
    status, page, _ = await stack.call("GET", stack.dashboard)
    assert status == 200
    assert "RICK Trading Dashboard" in page


async def test_rick_comments_on_the_order(stack: Stack) -> None:
    """His words arrive in the stream and through POST /api/narration, without a content type."""
    async with stack.events(f"{stack.dashboard}/arena/events?replay=0") as frames:
        _, placed = await stack.place(order={**SEED_ORDER, "quality_score": 40})
        said = await next_event(frames, lambda event: event["type"] == "narration" and event["payload"]["about"]["order_id"] == placed["order_id"])
    assert said["data"]["source"] == "rick"
    assert said["data"]["payload"]["text"]
    told = await run(stack, "curl -s -X POST $DASHBOARD/api/narration -d '{}'")
    assert told["ok"] is True
    assert told["text"]
    assert any(entry["about"]["order_id"] == placed["order_id"] for entry in told["narration"])
