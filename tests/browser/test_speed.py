"""What must hold of the page at any speed: a flood leaves it complete, at its end, and no larger. How fast it is: benchmarks/page.py."""

import asyncio

from playwright.async_api import Page, expect

from tests.browser import story
from tests.browser.fake_arena import FakeArena

EVENTS = 3_000
COMPANY = 50  # events at a time; then the page and the test get their turn
LINES_KEPT = 500


async def test_a_flood_leaves_the_last_five_hundred_lines_and_the_end_in_view(page: Page, arena: FakeArena) -> None:
    """However fast they come: the newest five hundred events stand there in order and without a hole, and the feed sticks to its bottom."""
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    for n in range(1, EVENTS + 1):
        fill = {**story.about(f"paper-oanda-{n}", "EUR_USD", "BUY", n), "price": 1.1655, "leg": "entry"}
        arena.emit("oanda", "order_filled", fill, seq=n)
        if n % COMPANY == 0:
            arena.journal.clear()
            await asyncio.sleep(0)
    lines = page.locator("#narration-feed .line")
    await expect(lines.last).to_contain_text(f"EUR_USD {EVENTS} @ 1.16550", timeout=30_000)
    await expect(lines).to_have_count(LINES_KEPT)
    texts = await lines.all_text_contents()
    assert all(f"EUR_USD {n} @" in text for n, text in enumerate(texts, EVENTS - LINES_KEPT + 1))
    bottom = await page.locator("#narration-feed").evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight")
    assert bottom < 1
