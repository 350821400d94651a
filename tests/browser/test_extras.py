"""What goes out of the page: files, sounds, messages; and how the trading went."""

import csv
import io
from typing import Any

from aiohttp import web
from playwright.async_api import BrowserContext, Page, expect

from tests.browser import story
from tests.browser.browser_page import Watch, new_page
from tests.browser.fake_arena import FakeArena

# A browser without a screen has no sound: what would be played is written down instead.
NO_SPEAKERS = """
  window.tones = [];
  window.AudioContext = class {
    state = window.blocked ? 'suspended' : 'running'; currentTime = 0; destination = {};
    resume() { return Promise.resolve(); }
    createOscillator() {
      const tone = {frequency: {value: 0}, connect: (to) => to, start: () => window.tones.push(tone.frequency.value), stop() {}};
      return tone;
    }
    createGain() { const at = {setValueAtTime() {}, linearRampToValueAtTime() {}}; return {gain: at, connect: (to) => to}; }
  };
  window.shown = [];
  window.Notification = class { static permission = 'granted'; static requestPermission() { return Promise.resolve('granted'); }
    constructor(title, options) { window.shown.push(options.body); } close() {} };
"""


async def live(page: Page, arena: FakeArena) -> Page:
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    return page


async def test_the_transcript_of_the_filter_is_taken_home(page: Page, arena: FakeArena) -> None:
    """What is shown or everything, by the server; the file is read and is what it sent."""
    asked: list[dict[str, str]] = []

    def narration(request: web.Request, _body: Any) -> dict[str, str]:
        asked.append(dict(request.query))
        return {"a": "b"}

    story.tell_morning(arena)
    arena.answers["GET", "/api/export/narration.csv"] = narration
    await live(page, arena)
    await page.keyboard.press("/")
    await page.keyboard.type("paper-oanda-2")
    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as download:
        await page.get_by_role("dialog").get_by_role("button", name="Export").click()
    saved = await download.value
    assert saved.suggested_filename.startswith("arena-narration-")
    assert (await saved.path()).read_text() == '{"a": "b"}'
    assert asked == [{"text": "paper-oanda-2"}]
    await expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("saved")
    await page.get_by_label("Only what the filter shows").uncheck()
    await page.get_by_label("Mark it as UTF-8").check()
    async with page.expect_download():
        await page.get_by_role("dialog").get_by_role("button", name="Export").click()
    assert asked[1] == {"bom": "true"}


async def test_an_export_that_is_refused_saves_nothing_and_says_why(page: Page, arena: FakeArena, watch: Watch) -> None:
    """The server's sentence instead of a file with an error in it."""
    watch.expected += ["429"]
    arena.answers["GET", "/api/export/narration.csv"] = (
        429,
        {"ok": False, "code": "EXPORT_BUSY", "message": "two exports are running: wait for one"},
    )
    await live(page, arena)
    await page.get_by_role("button", name="Export").click()
    await page.get_by_role("dialog").get_by_role("button", name="Export").click()
    await expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("two exports are running: wait for one")


async def test_sounds_are_off_until_chosen_and_history_is_no_news(context: BrowserContext, arena: FakeArena, watch: Watch) -> None:
    """One sound for a burst; kept over a reload; the reload itself is silent."""
    await context.add_init_script(NO_SPEAKERS)
    page = await new_page(context, watch)
    euro = story.about("paper-oanda-1", "EUR_USD", "BUY", 100)
    await live(page, arena)
    story.filled(arena, "11:00:00", euro, 1.1655)
    await expect(page.locator(".line")).to_have_count(1)
    assert await page.evaluate("tones") == []
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Sound: Fill").check()
    await page.keyboard.press("Escape")
    assert await page.evaluate("tones.splice(0)") == [660, 880], "choosing it lets it be heard"
    for _ in range(5):
        story.filled(arena, "11:00:01", euro, 1.1655)
    await expect(page.locator(".line")).to_have_count(6)
    assert await page.evaluate("tones") == [660, 880]
    await page.reload()
    await expect(page.locator(".line")).to_have_count(6)
    assert await page.evaluate("tones") == []
    story.filled(arena, "11:00:02", euro, 1.1655)
    await page.wait_for_function("() => tones.length === 2")


async def test_of_two_tabs_one_speaks(context: BrowserContext, arena: FakeArena, watch: Watch) -> None:
    """The same fill is not heard twice."""
    await context.add_init_script(NO_SPEAKERS + "localStorage.setItem('arena.sounds', '[\"fill\"]');")
    pages = [await live(await new_page(context, watch), arena) for _ in range(2)]
    story.filled(arena, "11:00:00", story.about("paper-oanda-1", "EUR_USD", "BUY", 100), 1.1655)
    for page in pages:
        await expect(page.locator(".line")).to_have_count(1)
    assert sum([len(await page.evaluate("tones")) for page in pages]) == 2


async def test_blocked_sound_is_said(context: BrowserContext, arena: FakeArena, watch: Watch) -> None:
    """A browser lets a page speak only once it was touched."""
    await context.add_init_script("window.blocked = true;" + NO_SPEAKERS)
    page = await live(await new_page(context, watch), arena)
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Sound: Cancel").check()
    await expect(page.get_by_role("dialog")).to_contain_text("holds sound back")


async def test_messages_come_while_the_page_is_hidden(context: BrowserContext, arena: FakeArena, watch: Watch) -> None:
    """In the words of the line, for the kinds that were chosen; the tab counts unread fills."""
    await context.add_init_script(NO_SPEAKERS + "localStorage.setItem('arena.messages', '[\"fill\"]');")
    page = await live(await new_page(context, watch), arena)
    euro = story.about("paper-oanda-1", "EUR_USD", "BUY", 100)
    story.filled(arena, "11:00:00", euro, 1.1655)
    await expect(page.locator(".line")).to_have_count(1)
    assert await page.evaluate("shown") == []
    await page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    story.filled(arena, "11:00:01", euro, 1.1656)
    story.cancelled(arena, "11:00:02", euro, "user")
    await page.wait_for_function("() => shown.length > 0")
    assert await page.evaluate("shown") == ["Order Filled EUR_USD 100 @ 1.16560"]
    await expect(page).to_have_title("1 new fill · RICK Trading Dashboard")


async def test_performance_is_the_servers_and_each_table_can_be_taken_home(page: Page, arena: FakeArena) -> None:
    """Its figures as it reckons them; the CSV is read back."""
    figures = {
        "trades": 3, "wins": 2, "losses": 1, "net_pnl": 0.15, "fees": 0, "best": 0.2, "worst": -0.15, "win_rate": 0.6667, "expectancy": 0.05,
        "expectancy_r": 0.05, "profit_factor": 2, "drawdown_max": 0.15, "streak": -1,
    }  # fmt: skip
    groups = {f"by_{by}": [{**figures, "name": name}] for by, name in (("instrument", "EUR_USD"), ("quality", "75-100"), ("hour", "11"))}
    points = [{"at": f"2025-10-16T1{n}:00:00Z", "equity": 100000 + value} for n, value in enumerate((0, 0.1, 0.3, 0.15))]
    arena.answers["GET", "/api/arena/brokers/oanda/performance"] = {"ok": True, "performance": {**figures, **groups, "currency": "USD"}}
    arena.answers["GET", "/api/arena/brokers/coinbase/performance"] = {"ok": True, "performance": {**figures, "trades": 0}}
    arena.answers["GET", "/api/arena/brokers/oanda/equity"] = {"ok": True, "equity": points[::-1], "next": None}
    await live(page, arena)
    await page.get_by_role("button", name="Performance").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator(".performance-figures")).to_contain_text("+0.15")
    await expect(dialog.locator(".performance-figures")).to_contain_text("3, 2 won, 1 lost")
    await expect(dialog.locator(".performance-figures")).to_contain_text("67 %")
    await expect(dialog.locator(".equity-canvas canvas").first).to_be_attached()
    async with page.expect_download() as download:
        await dialog.get_by_label("By instrument").get_by_role("button", name="As CSV").first.click()
    rows = list(csv.reader(io.StringIO((await (await download.value).path()).read_text())))
    assert rows[0][:5] == ["name", "trades", "wins", "losses", "net_pnl"]
    assert rows[1][:5] == ["EUR_USD", "3", "2", "1", "0.15"]
    await dialog.get_by_label("coinbase", exact=True).check()
    await expect(dialog).to_contain_text("No closed trade yet at coinbase")
