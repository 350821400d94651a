"""Back through the narration, beyond the lines that the page keeps: by mouse, by keyboard, with a filter, on a phone, and with nobody answering."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.browser_page import Watch
from tests.browser.fake_arena import FakeArena
from tests.browser.test_looks import ARTEFACTS, axe, overflow
from tests.browser.test_narration import FEED, LINE, open_page

COUNT = 1200


@pytest.fixture
async def feed(page: Page, arena: FakeArena) -> Page:
    """A page whose arena has told more than twice what it keeps."""
    for n in range(1, COUNT + 1):
        instrument = "EUR_USD" if n % 10 else "GBP_USD"
        arena.emit("oanda", "order_cancelled", {"order_id": f"paper-oanda-{n}", "instrument": instrument}, ts="2025-10-16T11:55:27.000000Z")
    await open_page(page, arena)
    await expect(page.locator(LINE)).to_have_count(500)
    return page


def bar(page: Page) -> Locator:
    return page.get_by_role("group", name="Earlier lines")


async def test_earlier_lines_are_read_to_the_first_and_the_way_leads_back(feed: Page, arena: FakeArena) -> None:
    await feed.locator(FEED).evaluate("box => { box.scrollTop = 0 }")
    await feed.get_by_role("button", name="Earlier lines").click()
    await expect(feed.locator(LINE)).to_have_count(250)
    await expect(feed.locator(LINE).last).to_contain_text("paper-oanda-700")
    await expect(feed.locator(LINE).last).to_be_in_viewport()
    arena.emit("oanda", "order_cancelled", {"order_id": "paper-oanda-new", "instrument": "EUR_USD"})
    await expect(feed.locator(".new-pill")).to_have_text("1 new")
    earlier = bar(feed).get_by_role("button", name="Earlier")
    await earlier.focus()
    for last in (450, 200):
        await feed.keyboard.press("Enter")
        await expect(feed.locator(LINE).last).to_contain_text(f"paper-oanda-{last}")
        await expect(earlier).to_be_focused()
    await expect(bar(feed).get_by_role("status")).to_contain_text("from the beginning")
    await expect(earlier).to_have_attribute("aria-disabled", "true")
    await expect(feed.locator(LINE).first).to_contain_text("paper-oanda-1")
    await bar(feed).get_by_role("button", name="Later").click()
    await expect(feed.locator(LINE).first).to_contain_text("paper-oanda-201")
    await expect(feed.locator(LINE).first).to_be_in_viewport()
    await bar(feed).get_by_role("button", name="Back to live").click()
    await expect(bar(feed)).to_have_count(0)
    await expect(feed.locator(LINE).last).to_contain_text("paper-oanda-new")
    await expect(feed.locator(LINE).last).to_be_in_viewport()


async def test_a_filter_looks_back_for_what_it_shows(feed: Page) -> None:
    await feed.keyboard.press("/")
    await feed.keyboard.type("paper-oanda-12")
    await feed.locator(FEED).evaluate("box => { box.scrollTop = 0 }")
    await feed.get_by_role("button", name="Earlier lines").click()
    await expect(feed.locator(LINE)).to_have_count(11)  # 12 and 120 to 129
    await expect(bar(feed).get_by_role("status")).to_contain_text("11 lines match")
    await feed.get_by_role("button", name="Clear").click()
    await expect(feed.locator(LINE)).to_have_count(250)


async def test_a_line_found_by_a_filter_is_viewed_among_its_neighbours(feed: Page) -> None:
    await feed.keyboard.press("/")
    await feed.keyboard.type("paper-oanda-333")
    await feed.get_by_role("button", name="Earlier lines").click()
    await expect(feed.locator(LINE)).to_have_count(1)
    await feed.locator(LINE).click()
    await feed.get_by_role("button", name="View in context").click()
    await expect(feed.locator(LINE)).to_have_count(250)
    await expect(feed.locator(LINE).last).to_contain_text("paper-oanda-333")
    await expect(feed.locator(LINE).last).to_be_in_viewport()


async def test_a_server_that_does_not_answer_leaves_what_stands(feed: Page, arena: FakeArena, watch: Watch) -> None:
    watch.expected.append("503")
    arena.answers["GET", "/api/arena/events/history"] = (503, {"ok": False, "code": "GATEWAY_DOWN", "message": "down"})
    await feed.locator(FEED).evaluate("box => { box.scrollTop = 0 }")
    await feed.get_by_role("button", name="Earlier lines").click()
    await expect(feed.locator(".feed-earlier")).to_contain_text("cannot be asked for now")
    await expect(feed.locator(LINE)).to_have_count(500)
    await expect(feed.get_by_role("button", name=re.compile("Pause"))).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
async def test_earlier_lines_fit_their_screen_and_pass_axe(feed: Page, width: int) -> None:
    await feed.set_viewport_size({"width": width, "height": 800})
    await feed.locator(FEED).evaluate("box => { box.scrollTop = 0 }")
    await feed.get_by_role("button", name="Earlier lines").scroll_into_view_if_needed()
    ARTEFACTS.mkdir(exist_ok=True)
    await feed.screenshot(path=ARTEFACTS / f"feed-start-{width}.png")
    await feed.get_by_role("button", name="Earlier lines").click()
    await expect(bar(feed).get_by_role("status")).to_contain_text("2025-10-16 11:55:27 to 11:55:27")
    await bar(feed).scroll_into_view_if_needed()
    assert await overflow(feed) <= 0
    await feed.screenshot(path=ARTEFACTS / f"feed-earlier-{width}.png")
    assert await axe(feed) == []


async def test_where_everything_is_shown_there_is_nothing_earlier(page: Page, arena: FakeArena) -> None:
    for n in range(1, 30):
        arena.emit("oanda", "order_cancelled", {"order_id": f"paper-oanda-{n}", "instrument": "EUR_USD"})
    await open_page(page, arena)
    await expect(page.locator(LINE)).to_have_count(29)
    await expect(page.get_by_role("button", name="Earlier lines")).to_have_count(0)
