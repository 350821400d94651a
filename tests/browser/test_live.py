"""Real money on the page: an amber frame that nothing covers, LIVE in the bar, the title and on the button, and no way past the grant."""

import io

from PIL import Image
from playwright.async_api import Page, expect

from tests.browser import fake_answers, story
from tests.browser.fake_arena import FakeArena
from tests.browser.trading_desk import ORDERS, PREVIEW, fill_ticket

MODES = {"mode": "live", "modes": {"oanda": "live", "coinbase": "paper"}}
VIEWPORTS = ({"width": 1280, "height": 800}, {"width": 390, "height": 800})


async def open_live(page: Page, arena: FakeArena, **session: object) -> None:
    """The page of somebody at an arena where OANDA is live."""
    story.tell_morning(arena)
    arena.answers["GET", "/api/session"] = {**fake_answers.SESSION, **MODES, **session}
    arena.answers["POST", f"{ORDERS}/preview"] = PREVIEW
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    story.quote_all(arena)
    await expect(page.locator(".price-row").first).to_have_attribute("data-stale", "false")


async def test_the_frame_is_amber_all_round_and_the_bar_says_live(page: Page, arena: FakeArena) -> None:
    """Seen, not only styled: the outermost pixels of all four sides, on a desk and on a phone."""
    await open_live(page, arena, live=["oanda"])
    badge = page.locator(".mode-badge")
    await expect(badge).to_have_text("LIVE")
    await expect(badge).to_have_attribute("title", "Real money at oanda")
    for viewport in VIEWPORTS:
        await page.set_viewport_size(viewport)
        shot = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
        right, bottom = shot.width - 2, shot.height - 2
        points = [(x, y) for x in (1, right) for y in range(5, bottom, 60)] + [(x, y) for y in (1, bottom) for x in range(5, right, 60)]
        pale = [point for point in points if not is_amber(shot.getpixel(point))]
        assert not pale, f"at {viewport['width']} px the frame is covered at {pale[:5]} and {max(0, len(pale) - 5)} more places"


async def test_the_button_says_live_and_waits_for_a_grant(page: Page, arena: FakeArena) -> None:
    await open_live(page, arena, live=[])
    await fill_ticket(page)
    button = page.get_by_role("button", name="BUY 100 EUR_USD @ 1.16550 — LIVE")
    await expect(button).to_be_disabled()
    await expect(page.get_by_text("oanda is live and you hold no grant for it")).to_be_visible()


async def test_paper_has_no_frame(desk: Page) -> None:
    shot = Image.open(io.BytesIO(await desk.screenshot())).convert("RGB")
    assert not is_amber(shot.getpixel((1, 400)))


def is_amber(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    red, green, blue = pixel
    return bool(red > 180 and 90 < green < 210 and blue < 110)
