"""How fast the page is: its first useful paint, and whether 500 events a second for a minute leave it responsive and its memory flat.

python -m benchmarks.page       needs a Chromium; limits hold on a machine that does nothing else: a task is timed by the wall clock

The minute is five floods of one page, and each has its longest task: by the clock, and in processor time, which other programs leave alone.
"""

import asyncio
import json
import os
import time

from playwright.async_api import Browser, CDPSession, Page, async_playwright

from benchmarks.harness import PAIRS, Figure, write_results
from tests.browser import story
from tests.browser.browser_page import FLAGS, MISSING, find_chromium
from tests.browser.fake_arena import FakeArena, running

EVENTS_PER_S = 500
FLOOD_S = int(os.environ.get("ARENA_BENCH_PAGE_S", "60"))
TRACED = "disabled-by-default-devtools.timeline"  # where the browser's own tasks are named, with the processor time of each


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


async def flood(browser: Browser, page: Page, arena: FakeArena, numbers: range) -> tuple[float, float]:
    """Milliseconds of the page's longest task while ``numbers`` are told: by the clock, and of processor time."""
    await browser.start_tracing(page=page, categories=[TRACED])
    began = time.perf_counter()
    for told, n in enumerate(numbers, 1):
        fill = {**story.about(f"paper-oanda-{n}", "EUR_USD", "BUY", n), "price": 1.1655, "leg": "entry"}
        arena.emit("oanda", "order_filled", fill, seq=n)
        if told % 25 == 0:
            arena.journal.clear()
            await asyncio.sleep(max(0.0, began + told / EVENTS_PER_S - time.perf_counter()))
    await page.locator(".line", has_text=f"EUR_USD {numbers[-1]} @").wait_for()
    trace = json.loads(await browser.stop_tracing())["traceEvents"]
    threads: dict[tuple[int, int], list[dict[str, float]]] = {}
    for event in trace:
        if event["name"] == "RunTask" and "dur" in event:
            threads.setdefault((event["pid"], event["tid"]), []).append(event)
    mains = {(e["pid"], e["tid"]) for e in trace if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"}
    tasks = max((threads.get(main, []) for main in mains), key=len)  # the browser keeps a spare one, which does nothing
    return max(task["dur"] for task in tasks) / 1e3, max(task["tdur"] for task in tasks) / 1e3


async def floods(browser: Browser) -> tuple[list[tuple[float, float]], list[float]]:
    """The longest task of each of PAIRS floods, and the page's heap after each, in MB."""
    count = EVENTS_PER_S * FLOOD_S // PAIRS
    tasks, sizes = [], []
    async with running(FakeArena()) as arena:
        page = await browser.new_page()
        await page.goto(arena.url)
        await page.locator(".connection", has_text="Live").wait_for()
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")
        for number in range(PAIRS):
            tasks.append(await flood(browser, page, arena, range(number * count + 1, (number + 1) * count + 1)))
            sizes.append(await heap_mb(session))
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
        tasks, sizes = await floods(browser)
        await browser.close()
    by_clock, by_cpu = (list(times) for times in zip(*tasks, strict=True))
    name = f"page, longest task in {FLOOD_S // PAIRS} s of {EVENTS_PER_S} events/s"
    longest = Figure(name=name, unit="ms", product=by_clock, reach="< 100")
    longest.reached = longest.median < 100
    longest_cpu = Figure(name=f"{name}, processor time", unit="ms", product=by_cpu)
    heap = Figure(
        name="page, heap at the end of it",
        unit="MB",
        product=[sizes[-1]],
        limit=[sizes[len(sizes) // 2]],
        limit_is="half way through",
        reach="≤ 1.3 ×",
    )
    heap.reached = (heap.ratio or 9) <= 1.3
    return [paint, useful, longest, longest_cpu, heap]


if __name__ == "__main__":
    if results := asyncio.run(main()):
        write_results("page", results)
