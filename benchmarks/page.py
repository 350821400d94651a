"""How fast the page is: its first useful paint, and whether 500 events a second for a minute leave it responsive and its memory flat.

python -m benchmarks.page       needs a Chromium; limits hold on a machine that does nothing else: a task is timed by the wall clock
"""

import asyncio
import os
import time

from playwright.async_api import Browser, CDPSession, async_playwright

from benchmarks.harness import PAIRS, Figure, write_results
from tests.browser import story
from tests.browser.browser_page import FLAGS, MISSING, find_chromium
from tests.browser.fake_arena import FakeArena, running

EVENTS_PER_S = 500
FLOOD_S = int(os.environ.get("ARENA_BENCH_PAGE_S", "60"))
WATCH_TASKS = "window.tasks = []; new PerformanceObserver((l) => l.getEntries().forEach((e) => tasks.push(e.duration))).observe({type: 'longtask'})"


async def first_paint(browser: Browser) -> tuple[float, float]:
    """Milliseconds until the browser paints anything, and until the newest line of the morning stands there."""
    async with running(FakeArena()) as arena:
        story.tell_morning(arena)
        page = await browser.new_page()
        began = time.perf_counter()
        await page.goto(arena.url, wait_until="commit")
        await page.locator("#narration-feed .line").last.wait_for()
        took_ms = (time.perf_counter() - began) * 1000
        paint: float = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        await page.close()
    return paint, took_ms


async def heap_mb(session: CDPSession) -> float:
    await session.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in (await session.send("Performance.getMetrics"))["metrics"]}
    return float(metrics["JSHeapUsedSize"]) / 1e6


async def flood(browser: Browser) -> tuple[list[float], list[float]]:
    """The page's tasks of 50 ms and more, in ms, and its heap half way through and at the end, in MB."""
    async with running(FakeArena()) as arena:
        page = await browser.new_page()
        await page.goto(arena.url)
        await page.locator(".connection", has_text="Live").wait_for()
        await page.evaluate(WATCH_TASKS)
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")
        began, sizes = time.perf_counter(), []
        for n in range(1, EVENTS_PER_S * FLOOD_S + 1):
            fill = {**story.about(f"paper-oanda-{n}", "EUR_USD", "BUY", 100), "price": 1.1655, "leg": "entry"}
            arena.emit("oanda", "order_filled", fill, seq=n)
            if n % 25 == 0:
                arena.journal.clear()
                await asyncio.sleep(max(0.0, began + n / EVENTS_PER_S - time.perf_counter()))
            if n in {EVENTS_PER_S * FLOOD_S // 2, EVENTS_PER_S * FLOOD_S}:
                sizes.append(await heap_mb(session))
        tasks: list[float] = await page.evaluate("tasks")
        await page.close()
    return tasks, sizes


async def main() -> list[Figure]:
    found = find_chromium()
    if found is None:
        print(MISSING)
        return []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=FLAGS)
        paint, useful = Figure(name="page, first paint", unit="ms", reach="< 1,000"), Figure(name="page, the newest line stands there", unit="ms")
        for _ in range(PAIRS):
            painted, stood = await first_paint(browser)
            paint.product.append(painted)
            useful.product.append(stood)
        paint.reached = paint.median < 1_000
        tasks, sizes = await flood(browser)
        await browser.close()
    longest = Figure(
        name=f"page, longest task in {FLOOD_S} s of {EVENTS_PER_S} events/s", unit="ms", product=[max(tasks, default=0.0)], reach="< 100"
    )
    longest.reached = longest.median < 100
    heap = Figure(name="page, heap at the end of it", unit="MB", product=[sizes[1]], limit=[sizes[0]], limit_is="half way through", reach="≤ 1.3 ×")
    heap.reached = (heap.ratio or 9) <= 1.3
    return [paint, useful, longest, heap]


if __name__ == "__main__":
    if results := asyncio.run(main()):
        write_results("page", results)
