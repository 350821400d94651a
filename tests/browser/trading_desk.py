"""What the tests of trading share: the paths and answers of a server that takes everything, the ticket filled in, and what was sent."""

from typing import Any

from playwright.async_api import Page

from tests.browser.fake_arena import FakeArena

ORDERS = "/api/arena/brokers/oanda/orders"
PLACED = {"ok": True, "order_id": "paper-oanda-3", "status": "PENDING", "mode": "paper", "ttl_expires_at": 1760637327.021, "client_order_id": "x"}
PREVIEW = {
    "ok": True,
    "preview": {
        "currency": "USD", "notional": 116.55, "cost": 3.88, "entry_fee": 0, "exit_fee": 0, "loss_at_stop": 0.55, "gain_at_target": 0.45,
        "reward_risk": 0.82, "warnings": ["the target is nearer than the stop"],
    },
}  # fmt: skip


def sent(arena: FakeArena, method: str, path: str) -> list[Any]:
    return [body for verb, where, body in arena.requests if verb == method and where.partition("?")[0] == path]


async def fill_ticket(page: Page) -> None:
    for field, text in (("Units", "100"), ("Entry", "1.1655"), ("Stop loss", "1.16"), ("Take profit", "1.17"), ("Quality", "75")):
        await page.get_by_label(field, exact=True).fill(text)
