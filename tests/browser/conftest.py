"""Fixtures of the page's tests: one browser, a context and a fake arena for each test, and the conditions that hold in every one of them.

Not pytest-playwright: its synchronous interface breaks the asyncio tests that run after it.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser import story
from tests.browser.browser_page import FLAGS, MISSING, WATCH_SCRIPT, Watch, find_chromium, new_page
from tests.browser.fake_arena import STATIC, FakeArena, running
from tests.browser.trading_desk import ORDERS, PLACED, PREVIEW

ARTEFACTS = Path(__file__).parents[2] / "test-artefacts"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    is_missing = find_chromium() is None and os.environ.get("CI") != "true"
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            if is_missing:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    found = find_chromium()
    if found is None:
        pytest.fail(MISSING)
    if not (STATIC / "index.html").exists():
        pytest.fail("the page is not built: python hatch_build.py")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def arena() -> AsyncIterator[FakeArena]:
    async with running(FakeArena()) as arena:
        yield arena


@pytest.fixture
async def watch() -> Watch:
    return Watch()


@pytest.fixture
async def context(browser: Browser, arena: FakeArena, watch: Watch) -> AsyncIterator[BrowserContext]:
    """A browser profile of its own; it asks for the arena so that it ends first."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, timezone_id="UTC", locale="en-US", color_scheme="dark", reduced_motion="reduce"
    )
    context.set_default_timeout(8_000)
    await context.add_init_script(WATCH_SCRIPT)
    yield context
    violations = [line for page in context.pages for line in await page.evaluate("window.violations ?? []")]
    was_hacked = [page.url for page in context.pages if await page.evaluate("window.wasHacked === true")]
    await context.close()
    assert violations == []
    assert was_hacked == []
    assert watch.unexpected() == []


@pytest.fixture
async def page(context: BrowserContext, watch: Watch) -> Page:
    return await new_page(context, watch)


@pytest.fixture
async def desk(page: Page, arena: FakeArena) -> Page:
    """A page with the morning's orders, fresh prices, and a server that takes everything."""
    story.tell_morning(arena)
    arena.answers["POST", ORDERS] = (201, PLACED)
    arena.answers["POST", f"{ORDERS}/preview"] = PREVIEW
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    story.quote_all(arena)
    await expect(page.locator(".price-row").first).to_have_attribute("data-stale", "false")
    return page
