"""The page on the real arena: all seven programs, a real login, real orders; each server killed once under the reader's eyes."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.browser_page import Watch, new_page
from tests.system.stack import Stack

# Each of these loads the machine with a whole arena.
pytestmark = [pytest.mark.timeout(180)]

LINE = "#narration-feed .line"
REFUSED = ["Failed to load resource", "net::ERR"]
SLOW_MS = 40_000


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as stack:
        await stack.token()
        yield stack


@pytest.fixture
async def desk(context: BrowserContext, stack: Stack, watch: Watch) -> Page:
    """The page, live, with nobody logged in."""
    page = await new_page(context, watch)
    await page.goto(stack.dashboard)
    await live(page)
    return page


async def live(page: Page) -> None:
    await expect(page.locator(".connection")).to_have_text("Live", timeout=SLOW_MS)


async def log_in(page: Page) -> None:
    await page.get_by_role("button", name="Log in to trade").click()
    await page.get_by_label("Email").fill("trader@test")
    await page.get_by_label("Password").fill("pass")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Units")).to_be_visible()


async def test_an_order_by_curl_becomes_a_line_and_rick_comments_it(desk: Page, stack: Stack) -> None:
    """The seed's order, the seed's line, on a page where nobody is logged in; a reload has it still."""
    status, answer = await stack.place()
    assert status == 201
    told = desk.locator(f"{LINE}[data-type='oco_placed']", has_text="EUR_USD").last
    await expect(told).to_have_text(
        re.compile(r"^\d\d:\d\d:\d\d 📊 OCO Placed EUR_USD BUY 100 units \| SL: 1\.16, TP: 1\.17 \| Mode: paper \| Status: PENDING$")
    )
    await expect(desk.locator(f"{LINE}[data-kind='rick']").last).to_contain_text("0.55 USD")
    await desk.get_by_role("tab", name="Orders").click()
    await expect(desk.get_by_role("table", name="Orders")).to_contain_text(answer["order_id"])
    await desk.reload()
    await expect(told).to_be_attached()


async def test_prices_are_fresh_with_their_age_and_the_chart_has_candles(desk: Page) -> None:
    """Five instruments, labelled synthetic, and a first chart that is not empty."""
    await expect(desk.locator(".price-row[data-stale='false']")).to_have_count(5)
    await expect(desk.locator(".prices")).to_contain_text("synthetic")
    await expect(desk.locator("#chart-canvas")).not_to_have_attribute("data-candles", "0")
    assert int(await desk.locator("#chart-canvas").get_attribute("data-candles") or 0) > 100


async def test_a_trader_logs_in_places_at_market_and_closes(desk: Page) -> None:
    """From the ticket to a position, its line, its story, and out again."""
    await log_in(desk)
    await desk.get_by_label("market", exact=True).check()
    await desk.get_by_label("pips", exact=True).check()
    for field, text in (("Units", "2000"), ("Stop loss", "20"), ("Take profit", "30")):
        await desk.get_by_label(field, exact=True).fill(text)
    await expect(desk.locator(".reckoning")).to_contain_text(re.compile(r"−\d\.\d\d USD"))
    await desk.get_by_role("button", name="BUY 2000 EUR_USD at market — PAPER").click()
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-")
    await expect(desk.locator(f"{LINE}[data-type='order_filled']").last).to_contain_text("Order Filled EUR_USD 2000 @ 1.16")
    await desk.get_by_role("tab", name="Positions").click()
    row = desk.get_by_role("table", name="Positions").get_by_role("row", name="EUR_USD")
    await expect(row).to_contain_text("Long 2000")
    await row.get_by_role("button", name="Close EUR_USD").click()
    await desk.get_by_role("button", name="Close all EUR_USD").click()
    await expect(desk.locator(f"{LINE}[data-type='bracket_closed']").last).to_contain_text("Manual")
    await expect(desk.get_by_text("Flat: no open position.")).to_be_visible()
    await desk.locator(f"{LINE}[data-type='bracket_closed']").last.click()
    await expect(desk.locator(".timeline .step")).not_to_have_count(0)
    await desk.keyboard.press("Escape")
    await desk.get_by_role("tab", name="Trades").click()
    await expect(desk.get_by_role("table", name="Closed trades")).to_contain_text("EUR_USD")


async def test_an_order_is_changed_and_cancelled(desk: Page, stack: Stack) -> None:
    """Both by the table's buttons; the feed tells both."""
    await log_in(desk)
    _, answer = await stack.place()
    order_id = answer["order_id"]
    await desk.get_by_role("tab", name="Orders").click()
    await desk.get_by_role("button", name=f"Change {order_id}").click()
    await desk.get_by_role("dialog").get_by_label("Stop loss").fill("1.161")
    await desk.keyboard.press("Enter")
    await expect(desk.locator(f"{LINE}[data-type='order_modified']").last).to_contain_text(f"Order ID: {order_id} | SL: 1.16100")
    await desk.get_by_role("button", name=f"Cancel {order_id}").click()
    await expect(desk.locator(f"{LINE}[data-type='order_cancelled']").last).to_contain_text(f"Order Cancelled EUR_USD Order ID: {order_id}")
    await expect(desk.get_by_role("button", name=f"Cancel {order_id}")).to_have_count(0)


async def test_the_servers_refusal_stands_at_its_field(desk: Page, watch: Watch) -> None:
    """What only the server can know is told in its words."""
    watch.expected += REFUSED
    await log_in(desk)
    await desk.get_by_label("limit", exact=True).check()
    for field, text in (("Units", "90000000"), ("Entry", "1.1655"), ("Stop loss", "1.16"), ("Take profit", "1.17")):
        await desk.get_by_label(field, exact=True).fill(text)
    await desk.locator(".submit").click()
    await expect(desk.locator(".outcome")).to_contain_text("RISK_PER_TRADE_PCT_MAX")


@pytest.mark.parametrize("program", ["dashboard", "gateway", "oanda", "market_data", "bus", "narrator"])
async def test_each_program_killed_is_seen_and_the_page_goes_on(desk: Page, stack: Stack, watch: Watch, program: str) -> None:
    """Nothing told twice, nothing lost: an order placed after it stands once, below what stood before."""
    watch.expected += REFUSED
    await stack.ready()
    old = stack.kill(program)
    await stack.restarted(program, old)
    await stack.ready()
    async with asyncio.timeout(60):
        while True:
            status, answer = await stack.place()
            if status == 201:
                break
            await asyncio.sleep(0.2)
    await live(desk)
    await expect(desk.locator(f"{LINE}[data-type='oco_placed'][data-order-id='{answer['order_id']}']")).to_have_count(1, timeout=SLOW_MS)
    await expect(desk.locator(f"{LINE}[data-kind='rick'][data-order-id='{answer['order_id']}']").first).to_be_attached(timeout=SLOW_MS)
    told = await desk.locator(f"{LINE}[data-type='oco_placed']").evaluate_all("rows => rows.map(row => row.dataset.orderId)")
    assert len(told) == len(set(told)), "nothing is told twice"
    await expect(desk.locator(f"{LINE}[data-type='gap']")).to_have_count(0)
