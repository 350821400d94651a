"""RICK LIVE NARRATION as a reader sees it: the words to the letter, where the newest line is, what a reload and a filter leave."""

import re

from playwright.async_api import Page, expect

from tests.browser import story
from tests.browser.fake_arena import FakeArena

FEED = "#narration-feed"
LINE = f"{FEED} .line"


async def open_page(page: Page, arena: FakeArena, query: str = "") -> None:
    await page.goto(arena.url + query)
    await expect(page.locator(".connection")).to_have_text("Live")


async def scroll_of(page: Page) -> tuple[float, float]:
    """How far the feed is scrolled, and how far from its end."""
    top, left = await page.locator(FEED).evaluate("box => [box.scrollTop, box.scrollHeight - box.scrollTop - box.clientHeight]")
    return top, left


async def test_the_three_lines_of_the_first_version_stand_to_the_letter(page: Page, arena: FakeArena) -> None:
    """Text, icons and server time, as anybody would select and copy them."""
    await open_page(page, arena)
    euro, coin = story.about("paper-oanda-1", "EUR_USD", "BUY", 100), story.about("paper-coinbase-1", "BTC-USD", "BUY", 0.001)
    story.placed(arena, "11:55:27", euro, 1.1655, 1.16, 1.17)
    story.filled(arena, "11:42:13", coin, 42500.5)
    arena.emit("oanda", "order_cancelled", {"order_id": "paper-oanda-1", "instrument": "EUR_USD"}, ts="2025-10-16T11:55:27.500000Z")
    await expect(page.locator(LINE)).to_have_count(3)
    lines = [re.sub(r"\s+", " ", text) for text in await page.locator(LINE).all_inner_texts()]
    assert lines == [
        "11:55:27 📊 OCO Placed EUR_USD BUY 100 units | SL: 1.16, TP: 1.17 | Mode: paper | Status: PENDING",
        "11:42:13 ✓ Order Filled BTC-USD 0.001 @ 42500.50",
        "11:55:27 ✕ Order Cancelled EUR_USD Order ID: paper-oanda-1",
    ]
    assert [text.count("\n") for text in await page.locator(LINE).all_inner_texts()] == [0, 0, 0], "one line each, whatever the layout"


async def test_icons_have_names_and_drawings_and_symbols_their_colours(page: Page, arena: FakeArena) -> None:
    """The character is in the text, the drawing before the eye, the name for the ear; crypto is green, forex blue."""
    await open_page(page, arena)
    story.placed(arena, "11:55:27", story.about("paper-oanda-1", "EUR_USD", "BUY", 100), 1.1655, 1.16, 1.17)
    story.placed(arena, "11:55:28", story.about("paper-coinbase-1", "BTC-USD", "BUY", 1), 42500, 42000, 43000)
    await expect(page.get_by_role("img", name="Order placed")).to_have_count(2)
    await expect(page.locator(f"{LINE} svg").first).to_be_visible()
    assert await page.locator(".line-icon-glyph").first.evaluate("e => getComputedStyle(e).color") == "rgba(0, 0, 0, 0)"
    colours = await page.locator(f"{LINE} .part-symbol").evaluate_all("all => all.map(e => getComputedStyle(e).color)")
    blue, green = ([int(part) for part in re.findall(r"\d+", colour)] for colour in colours)
    assert blue[2] == max(blue)
    assert green[1] == max(green)


async def test_the_newest_line_stays_in_view_until_the_reader_scrolls_up(page: Page, arena: FakeArena) -> None:
    """At the end it follows; scrolled up nothing moves and a pill counts; the pill leads back."""
    story.tell_morning(arena)
    await open_page(page, arena)
    await expect(page.locator(LINE).last).to_be_in_viewport()
    assert (await scroll_of(page))[1] < 1
    await page.locator(FEED).evaluate("box => { box.scrollTop = 40 }")
    first = page.locator(LINE).nth(3)
    before = await first.bounding_box()
    euro = story.about("paper-oanda-9", "EUR_USD", "BUY", 100)
    for _ in range(3):
        story.placed(arena, "12:00:00", euro, 1.1655, 1.16, 1.17)
    await expect(page.locator(".new-pill")).to_have_text("3 new")
    assert await first.bounding_box() == before, "a reader's line does not move"
    await page.locator(".new-pill").click()
    await expect(page.locator(".new-pill")).to_have_count(0)
    assert (await scroll_of(page))[1] < 1
    story.placed(arena, "12:00:01", euro, 1.1655, 1.16, 1.17)
    await expect(page.locator(LINE).last).to_be_in_viewport()
    assert (await scroll_of(page))[1] < 1


async def test_five_hundred_lines_stay(page: Page, arena: FakeArena) -> None:
    """The newest ones, whatever came before the page and after it."""
    for n in range(700):
        arena.emit("oanda", "order_cancelled", {"order_id": f"paper-oanda-{n}", "instrument": "EUR_USD"})
    await open_page(page, arena)
    await expect(page.locator(LINE)).to_have_count(500)
    assert arena.queries[0]["replay"] == "500"
    for n in range(700, 720):
        arena.emit("oanda", "order_cancelled", {"order_id": f"paper-oanda-{n}", "instrument": "EUR_USD"})
    await expect(page.locator(LINE).last).to_contain_text("paper-oanda-719")
    await expect(page.locator(LINE).first).to_contain_text("paper-oanda-220")
    await expect(page.locator(LINE)).to_have_count(500)


async def test_a_reload_brings_the_history_back(page: Page, arena: FakeArena) -> None:
    """What was told stands there again, in the same words and order."""
    story.tell_morning(arena)
    await open_page(page, arena)
    await expect(page.locator(LINE).last).to_contain_text("11:55:27")
    before = await page.locator(LINE).all_inner_texts()
    await page.reload()
    await expect(page.locator(".connection")).to_have_text("Live")
    await expect(page.locator(LINE)).to_have_count(len(before))
    assert await page.locator(LINE).all_inner_texts() == before


async def test_a_pause_holds_the_feed_and_counts_what_waits(page: Page, arena: FakeArena) -> None:
    """By button and by key; resuming shows all of it."""
    story.tell_morning(arena)
    await open_page(page, arena)
    count = await page.locator(LINE).count()
    await page.keyboard.press("p")
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    story.placed(arena, "12:00:00", story.about("paper-oanda-9", "EUR_USD", "BUY", 100), 1.1655, 1.16, 1.17)
    await expect(page.locator(".new-pill")).to_have_text("1 new")
    await expect(page.locator(LINE)).to_have_count(count)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator(LINE)).to_have_count(count + 1)
    await expect(page.locator(LINE).last).to_be_in_viewport()


async def test_rick_is_set_apart_and_his_tone_is_kept(page: Page, arena: FakeArena) -> None:
    """His comments are not the record, and look it."""
    event = story.placed(arena, "11:55:27", story.about("paper-oanda-1", "EUR_USD", "BUY", 100), 1.1655, 1.16, 1.17)
    story.rick(arena, "11:55:28", "Risking 0.55 USD to make 0.45.", event, "warning")
    await open_page(page, arena)
    rick = page.locator(f'{LINE}[data-kind="rick"]')
    await expect(rick).to_contain_text("Rick Risking 0.55 USD to make 0.45.")
    await expect(rick).to_have_attribute("data-tone", "warning")
    backs = [await page.locator(LINE).nth(n).evaluate("e => getComputedStyle(e).backgroundColor") for n in (0, 1)]
    assert backs[0] != backs[1]


async def test_a_filter_hides_and_never_drops_and_lives_in_the_address(page: Page, arena: FakeArena) -> None:
    """Kinds, words and instrument; cleared, everything is back; the address opens the same view elsewhere."""
    story.tell_morning(arena)
    await open_page(page, arena)
    count = await page.locator(LINE).count()
    await page.keyboard.press("/")
    await expect(page.get_by_label("Words or order id")).to_be_focused()
    await page.keyboard.type("paper-oanda-2")
    await expect(page.locator(LINE).first).to_contain_text("USD_JPY")
    filtered = await page.locator(LINE).count()
    assert 0 < filtered < count
    assert "q=paper-oanda-2" in page.url
    address = page.url
    await page.get_by_role("button", name="Clear").click()
    await expect(page.locator(LINE)).to_have_count(count)
    await page.get_by_role("button", name="Rick", exact=True).click()
    await expect(page.locator(f'{LINE}[data-kind="rick"]')).to_have_count(0)
    await page.get_by_label("Source").select_option("coinbase")
    await expect(page.locator(LINE)).to_have_count(2)
    await page.goto(address)
    await expect(page.locator(LINE)).to_have_count(filtered)


async def test_heartbeats_are_hidden_until_asked_for(page: Page, arena: FakeArena) -> None:
    """They come every five seconds; with them on they stand among the lines, 💓 and all."""
    await open_page(page, arena, "/?hide=none")
    arena.heartbeat()
    await expect(page.locator(f'{LINE}[data-kind="heartbeat"]').last).to_contain_text("💓 Heartbeat market_data ok")
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    await expect(page.locator(f'{LINE}[data-kind="heartbeat"]')).to_have_count(0)


async def test_a_new_day_has_its_date_between_the_lines(page: Page, arena: FakeArena) -> None:
    """Times alone would lie about a feed that spans midnight; the zone decides when that is."""
    for ts in ("2025-10-15T23:30:00.000000Z", "2025-10-15T23:59:59.000000Z", "2025-10-16T00:00:01.000000Z"):
        arena.emit("oanda", "order_cancelled", {"order_id": "paper-oanda-1", "instrument": "EUR_USD"}, ts=ts)
    await open_page(page, arena)
    await expect(page.locator(".day")).to_have_text(["Wed, 15 Oct 2025", "Thu, 16 Oct 2025"])
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Times in").select_option("Asia/Tokyo")
    await expect(page.locator(".day")).to_have_text(["Thu, 16 Oct 2025"])
    await expect(page.locator(LINE).last).to_contain_text("09:00:01")
    await expect(page.locator(".clock")).to_contain_text("GMT+9")


async def test_a_line_opens_in_full_by_mouse_and_by_keyboard(page: Page, arena: FakeArena) -> None:
    """The order, its timeline, the raw event; Escape closes and gives the place back."""
    story.tell_morning(arena)
    await open_page(page, arena)
    await page.locator(LINE).last.click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("11:55:27 📊 OCO Placed EUR_USD BUY 100 units")
    await expect(dialog.locator(".facts")).to_contain_text("trader@test")
    await expect(dialog.locator(".step")).to_have_count(1)
    await dialog.get_by_text("The event as it was journalled").click()
    await expect(dialog.locator("pre").first).to_contain_text('"order_id": "paper-oanda-6"')
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await page.locator(FEED).focus()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("k")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("paper-oanda-6")


async def test_view_in_context_leaves_the_filter_and_finds_the_line(page: Page, arena: FakeArena) -> None:
    """From a filtered line to its neighbours of that moment."""
    story.tell_morning(arena)
    await open_page(page, arena, "/?q=GBP_USD&hide=rick,heartbeats")
    line = page.locator(LINE, has_text="Order Rejected")
    order = await line.get_attribute("data-order")
    await line.click()
    await page.get_by_role("button", name="View in context").click()
    await expect(page.locator(f'{LINE}[data-kind="rick"]').first).to_be_attached()
    await expect(page.locator(f'.line[data-order="{order}"]')).to_be_in_viewport()
    assert "q=" not in page.url
