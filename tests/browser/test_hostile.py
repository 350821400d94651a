"""Content from elsewhere: whatever a venue, a user or a forger writes into any field reaches the page as text and as nothing else."""

import pytest
from playwright.async_api import Page, expect

from tests.browser import fake_answers
from tests.browser.browser_page import Watch
from tests.browser.fake_arena import FakeArena

SCRIPTS = [
    "<img src=x onerror=hacked()>",
    "<script>hacked()</script>",
    '"><svg onload=hacked()>',
    "javascript:hacked()",
    "{{constructor.constructor('hacked()')()}}",
    "</div><iframe srcdoc='<script>parent.hacked()</script>'>",
    "\u202e\u2066evil\u0000\n\r\tdata: x\n\n",
    "__proto__",
]
TYPES = [
    "oco_placed", "order_filled", "order_partially_filled", "order_cancelled", "order_rejected", "order_modified", "order_unknown",
    "order_resolved", "bracket_closed", "trading_state_changed", "protection_lost", "protection_restored", "feed_stale", "feed_recovered",
    "reconciled", "clock_stepped", "source_reset", "paper_reset", "narration", "heartbeat", "nobody_knows_this",
]  # fmt: skip
FIELDS = [
    "order_id", "client_order_id", "placed_by", "instrument", "product_id", "side", "units", "size", "mode", "status", "entry", "sl", "tp",
    "price", "leg", "reason", "code", "message", "changes", "close_reason", "realized_pnl", "r_multiple", "new", "changed_by", "instruments",
    "feed", "text", "tone", "about", "balance", "currency", "reset_by", "protection", "programs", "fill_units", "remaining_units",
]  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
async def test_no_field_of_no_event_becomes_markup(page: Page, arena: FakeArena, script: str) -> None:
    """Every type, every field, the envelope's own too: shown as text, no script run, no element made."""
    await page.goto(arena.url + "/?hide=none")
    await expect(page.locator(".connection")).to_have_text("Live")
    payload = {**dict.fromkeys(FIELDS, script), "about": {"order_id": script}, "changes": {script: {"to": script}}, "instruments": [script]}
    for event_type in TYPES:
        arena.emit("oanda", event_type, payload)
    arena.emit("oanda", script, payload, ts=script)
    arena.emit("rick", "narration", payload)
    arena.emit("rick", "narration", payload, source=script, epoch=script)
    for raw in (script, {"source": script}, [script], {"source": script, "type": script, "payload": script, "ts": script, "epoch": 5, "seq": "x"}):
        arena.named("message", raw)
        arena.named("gap", raw)
        arena.named("reset", {"source": script, "reason": script})
        arena.named("quote", {"instrument": script, "bid": script, "ask": script, "payload": script})
        arena.named("quote", {"instrument": script, "bid": 1, "ask": 2})
        arena.named("heartbeat", {"programs": {script: {"status": script, "mode": script}}})
    feed = page.locator("#narration-feed")
    await expect(feed.locator('.line[data-kind="rick"]').last).to_be_attached()
    await expect(feed).to_contain_text("Unreadable")
    assert await feed.locator("script, iframe, img, a, object, embed, style, link").count() == 0
    assert await page.locator("script[src*='hacked'], iframe, [onerror], [onload]").count() == 0
    shown = await feed.inner_text()
    assert not any(mark in shown for mark in "\u202e\u2066\u0000")
    await page.locator(".line[data-type='order_rejected']").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await page.get_by_role("dialog").locator("iframe, img, script").count() == 0


@pytest.mark.parametrize("script", SCRIPTS[:3])
async def test_no_answer_of_a_server_becomes_markup(page: Page, arena: FakeArena, script: str) -> None:
    """Orders, positions, accounts, names, log lines, refusals: the page shows them and does nothing else with them."""
    order = dict.fromkeys(fake_answers.order("paper-oanda-1"), script) | {"status": "PENDING", "legs": [script]}
    position = dict.fromkeys(fake_answers.position("oanda"), script) | {"order_ids": [script]}
    status = fake_answers.status()
    status["programs"][2].update(state=script, log=[script], description=script)
    session = arena.answers["GET", "/api/session"]
    session["user"]["email"] = session["user"]["role"] = script
    session["trading_states"] = {script: script}
    arena.answers["GET", "/api/arena/orders"] = {"ok": True, "orders": [order, script, None], "unavailable": [script]}
    arena.answers["GET", "/api/arena/brokers/oanda/positions"] = {"ok": True, "positions": [position, script]}
    arena.answers["GET", "/api/arena/brokers/oanda/account"] = fake_answers.account(
        "oanda", currency=script, broker=script, holdings={script: script}
    )
    arena.answers["GET", "/api/market/candles"] = {"ok": True, "candles": [script, {"time": script, "mid": script}]}
    arena.answers["GET", "/api/status"] = status
    arena.answers["POST", "/api/arena/brokers/oanda/orders/preview"] = {
        "ok": True,
        "preview": {"warnings": [script], "currency": script, "notional": script},
    }
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    await expect(page.get_by_role("table", name="Positions")).to_be_visible()
    await page.get_by_role("tab", name="Orders").click()
    await expect(page.get_by_role("table", name="Orders")).to_be_visible()
    for field, text in (("Units", "100"), ("Entry", "1.1655"), ("Stop loss", "1.16"), ("Take profit", "1.17")):
        await page.get_by_label(field, exact=True).fill(text)
    await expect(page.locator(".warnings li")).to_have_count(1)
    await page.get_by_role("button", name="Programs").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await page.locator("iframe, img, object, embed, body script, [onerror], [onload]").count() == 0


async def test_the_policy_lets_no_script_in(page: Page, arena: FakeArena, watch: Watch) -> None:
    """Even code that runs in the page cannot make markup or load a script: Trusted Types and the CSP refuse."""
    watch.expected += ["Trusted"]
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    refused = await page.evaluate(
        """() => {
            const tried = [];
            const sink = ['inner', 'HTML'].join('');
            try { document.createElement('div')[sink] = '<img src=x onerror=hacked()>'; tried.push('markup'); } catch {}
            try { trustedTypes.createPolicy('other', {}); tried.push('policy'); } catch {}
            try { trustedTypes.createPolicy('arena', {}); tried.push('second policy'); } catch {}
            try { new SharedWorker('/evil.js'); tried.push('worker'); } catch {}
            return tried;
        }"""
    )
    assert refused == []
    # Each attempt was reported as a violation, which here is what must be.
    await page.wait_for_function("() => window.violations.length >= 4")
    await page.evaluate("window.violations = []")
