"""A trader with thousands of orders gets at the oldest of them, by mouse and by keyboard, and sees every order that still works."""

from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from tests.browser import fake_answers
from tests.browser.fake_arena import FakeArena
from tests.browser.test_looks import ARTEFACTS, axe, overflow

COUNT = 430  # five pages
STILL_WORKING = 7  # an old one among hundreds that have ended


def list_orders(request: web.Request, _body: Any) -> dict[str, Any]:
    """``GET /orders`` of a gateway whose broker has COUNT orders."""
    before = int(request.query.get("after", f"oanda:{COUNT + 1}").removeprefix("oanda:"))
    wanted = set(request.query["status"].split(",")) if "status" in request.query else None
    found = [n for n in range(before - 1, 0, -1) if wanted is None or _status(n) in wanted]
    page = found[: int(request.query["limit"])]
    orders = [
        fake_answers.order(f"paper-oanda-{n}", status=_status(n), close_reason=None if _status(n) == "PENDING" else "TAKE_PROFIT") for n in page
    ]
    return {"ok": True, "orders": orders, "next": f"oanda:{page[-1]}" if page != found else None, "unavailable": []}


def _status(number: int) -> str:
    return "PENDING" if number == STILL_WORKING else "CLOSED"


@pytest.fixture
async def book(desk: Page, arena: FakeArena) -> Page:
    arena.answers["GET", "/api/arena/orders"] = list_orders
    await desk.get_by_role("tab", name="Orders").click()
    return desk


async def test_an_order_that_works_is_shown_however_many_came_after_it(book: Page) -> None:
    """The newest page alone would hide it, and count no working order."""
    rows = book.get_by_role("table", name="Orders").locator("tbody tr")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(f"paper-oanda-{STILL_WORKING}")
    await expect(book.get_by_role("tab", name="Orders")).to_have_text("Orders1")


async def test_older_orders_are_paged_through_by_keyboard_to_the_first_and_back(book: Page) -> None:
    await book.get_by_role("button", name="Also ended orders").click()
    rows = book.get_by_role("table", name="Orders").locator("tbody tr")
    await expect(rows).to_have_count(101)  # and the old one that still works
    steps = book.get_by_role("group", name="Pages of orders")
    older = steps.get_by_role("button", name="Older")
    await older.focus()
    for number, (first, count) in enumerate([(330, 100), (230, 100), (130, 100), (30, 30)], start=2):
        await book.keyboard.press("Enter")
        await expect(steps.get_by_role("status")).to_contain_text(f"Page {number}")
        await expect(rows).to_have_count(count)
        await expect(rows.first).to_contain_text(f"paper-oanda-{first}")
        await expect(older).to_be_focused()
        assert await book.locator("#book-body").evaluate("box => box.scrollTop") == 0
    await expect(steps.get_by_role("status")).to_have_text("Page 5, the last")
    await expect(older).to_have_attribute("aria-disabled", "true")
    await steps.get_by_role("button", name="Newer").click()
    await expect(steps.get_by_role("status")).to_have_text("Page 4")
    await steps.get_by_role("button", name="Newest").click()
    await expect(rows).to_have_count(101)
    await expect(rows.first).to_contain_text(f"paper-oanda-{COUNT}")


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_steps_between_pages_fit_their_screen_and_pass_axe(book: Page, width: int) -> None:
    await book.set_viewport_size({"width": width, "height": 800})
    await book.get_by_role("button", name="Also ended orders").click()
    steps = book.get_by_role("group", name="Pages of orders")
    for number in (2, 3):
        await steps.get_by_role("button", name="Older").click()
        await expect(steps.get_by_role("status")).to_have_text(f"Page {number}")
    await steps.scroll_into_view_if_needed()
    for name in ("Newer", "Older", "Newest"):
        await expect(steps.get_by_role("button", name=name)).to_be_in_viewport()
    assert await overflow(book) <= 0
    # Where the bar has its own place below the last row: a row that is half under it is one to scroll to, and axe would call it too small.
    await book.locator("#book-body tbody tr").last.evaluate("row => row.scrollIntoView({block: 'center'})")
    ARTEFACTS.mkdir(exist_ok=True)
    await book.screenshot(path=ARTEFACTS / f"page-older-{width}.png")
    assert await axe(book) == []
