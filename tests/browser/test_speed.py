"""How fast the page is, and that a flood leaves it responsive and no larger."""

import asyncio
import os
import time

from playwright.async_api import Page, expect

from tests.browser import story
from tests.browser.fake_arena import FakeArena

# Generous beside what is measured on two idle cores (about a third), so that a busy machine does not fail the page.
FIRST_PAINT_MS_MAX = 1_000
LONG_TASK_MS_MAX = 100
LONG_SHARE_MAX = 0.1
EVENTS_PER_S = 500
FLOOD_S = 10


async def test_the_first_useful_paint_comes_within_a_second(page: Page, arena: FakeArena) -> None:
    """Words and prices stand before the chart's library is there."""
    story.tell_morning(arena)
    started = time.perf_counter()
    await page.goto(arena.url, wait_until="commit")
    await expect(page.locator("#narration-feed .line").last).to_be_visible()
    took_ms = (time.perf_counter() - started) * 1000
    paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < FIRST_PAINT_MS_MAX
    assert took_ms < 2 * FIRST_PAINT_MS_MAX


async def test_five_hundred_events_a_second_leave_the_page_responsive_and_its_memory_flat(page: Page, arena: FakeArena) -> None:
    """Long tasks stay under 100 ms, the feed keeps its five hundred lines and its end in view, and the heap does not grow with what passed."""
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    await page.evaluate(
        "window.tasks = []; new PerformanceObserver((l) => l.getEntries().forEach((e) => tasks.push(e.duration))).observe({type: 'longtask'})"
    )
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    sizes = []
    n = 0
    for second in range(FLOOD_S):
        for _ in range(20):
            for _ in range(EVENTS_PER_S // 20):
                n += 1
                arena.emit(
                    "oanda", "order_filled", {**story.about(f"paper-oanda-{n}", "EUR_USD", "BUY", 100), "price": 1.1655, "leg": "entry"}, seq=n
                )
            await asyncio.sleep(0.05)
        arena.journal.clear()
        if second in {FLOOD_S // 2, FLOOD_S - 1}:
            await session.send("HeapProfiler.collectGarbage")
            metrics = {one["name"]: one["value"] for one in (await session.send("Performance.getMetrics"))["metrics"]}
            sizes.append(metrics["JSHeapUsedSize"])
    await expect(page.locator("#narration-feed .line").last).to_contain_text("EUR_USD 100 @ 1.16550")
    await expect(page.locator("#narration-feed .line")).to_have_count(500)
    bottom = await page.locator("#narration-feed").evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight")
    assert bottom < 1
    tasks = await page.evaluate("tasks")
    # A task is timed by the wall clock: on a machine with more work than cores it also waits for others, which is not the page's doing.
    is_idle = os.getloadavg()[0] < (os.cpu_count() or 1)
    assert not is_idle or max(tasks, default=0) < LONG_TASK_MS_MAX, tasks
    assert sum(task for task in tasks if task >= LONG_TASK_MS_MAX) < LONG_SHARE_MAX * FLOOD_S * 1000, tasks
    assert sizes[1] < 1.3 * sizes[0] + 2_000_000, sizes
