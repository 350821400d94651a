"""How the page stands: no sideways scroll, nothing over anything, WCAG 2.2 AA by axe, by keyboard; pictures are kept for a person to judge."""

import json
import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser import story
from tests.browser.browser_page import WATCH_SCRIPT, Watch
from tests.browser.conftest import ARTEFACTS
from tests.browser.fake_arena import FakeArena

AXE = Path(__file__).parents[2] / "dashboard" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "laptop": (1280, 800), "desk": (1920, 1080)}


async def open_page(context: BrowserContext, arena: FakeArena) -> Page:
    page = await context.new_page()
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    await expect(page.locator("#chart-canvas canvas").first).to_be_attached()
    story.quote_all(arena)
    story.quote_all(arena, 1)
    await expect(page.locator(".price-row").last).to_have_attribute("data-stale", "false")
    return page


async def axe(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA and good practice; its script is a development tool of dashboard/ui."""
    if not AXE.exists():
        missing = "axe-core is not installed: python hatch_build.py --test"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    await page.evaluate(AXE.read_text())
    # Only what is wrong comes out of the page: all that is right with it is a message that takes seconds.
    found = await page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations']})"
        ".then((found) => found.violations)"
    )
    return [f"{one['id']}: {json.dumps(one['nodes'][0]['target'])} {one['nodes'][0]['failureSummary']}" for one in found]


async def overflow(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


async def overlapping(page: Page) -> list[str]:
    """Pairs of panels and of parts of a bar whose boxes cover each other, and parts that are wider than their box."""
    return list(
        await page.evaluate(
            """() => ['.panel', '.topbar > *', '.chart .panel-head > *', '.narration .panel-head > *'].flatMap((group) => {
                const boxes = [...document.querySelectorAll(group)]
                    .map((e) => [e.className, e.getBoundingClientRect()]).filter(([, b]) => b.width > 1);
                return boxes.flatMap(([a, x], i) => boxes.slice(i + 1)
                    .filter(([, y]) => x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 && y.top < x.bottom - 1)
                    .map(([b]) => `${a} over ${b}`));
            }).concat([...document.querySelectorAll('.topbar > *, .panel-head, .field, .figure')]
                .filter((e) => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1).map((e) => `${e.className} does not fit`))"""
        )
    )


# Each state on the two sizes that differ most; the sizes between when they have most to hold.
VIEWS = [(kind, size) for size in ("phone", "laptop") for kind in ("empty", "busy", "broken")] + [("busy", "tablet"), ("busy", "desk")]


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize(("kind", "size"), VIEWS)
async def test_every_view_fits_its_screen_and_passes_axe(browser: Browser, arena: FakeArena, scheme: str, size: str, kind: str) -> None:
    """No sideways scroll, no overlap, no fault of contrast, name or structure; the picture is kept."""
    if kind != "empty":
        story.tell_morning(arena)
    width, height = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
        timezone_id="UTC",
        locale="en-US",
        has_touch=width < 900,
    )  # type: ignore[arg-type]
    await context.add_init_script(WATCH_SCRIPT)
    watch = Watch(expected=["Failed to load resource"] if kind == "broken" else [])
    context.on("page", watch.follow)
    page = await open_page(context, arena)
    if kind == "broken":
        arena.stream_broken = 503
        for path in ("/api/arena/orders", "/api/arena/brokers/coinbase/positions"):
            arena.answers["GET", path] = (503, {"ok": False, "code": "GATEWAY_DOWN", "message": "the gateway does not answer"})
        arena.cut()
        await expect(page.get_by_role("alert")).to_be_visible(timeout=12_000)
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / f"page-{kind}-{size}-{scheme}.png", full_page=size == "phone")
    assert await overflow(page) <= 0
    assert await overlapping(page) == []
    assert await axe(page) == []
    assert await page.evaluate("window.violations") == []
    assert watch.unexpected() == []
    await context.close()


DIALOGS = {
    "programs": ".tiles",
    "settings": "[aria-label='Settings']",
    "help": "[aria-label='Keys and help']",
    "account": "[title^='trader@test']",
    "halt": ".halt",
    "export": ".narration [title='Export']",
    "performance": ".book .panel-tools button",
    "close": "[aria-label='Close GBP_USD']",
    "detail": ".line[data-type='order_filled'] >> nth=-1",
}


@pytest.mark.parametrize("name", DIALOGS)
async def test_every_dialog_passes_axe_keeps_the_focus_and_gives_it_back(page: Page, arena: FakeArena, name: str) -> None:
    """Tab goes round inside; Escape closes it; focus returns to what opened it."""
    story.tell_morning(arena)
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    opener = page.locator(DIALOGS[name])
    await opener.click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await axe(page) == []
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / f"dialog-{name}.png")
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(opener).to_be_focused() if name != "detail" else await expect(opener.locator("button")).to_be_focused()


async def test_the_page_is_walked_by_keyboard(page: Page, arena: FakeArena) -> None:
    """A way past everything to the narration first, then every control with a visible focus."""
    story.tell_morning(arena)
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the narration")).to_be_focused()
    seen = set()
    for _ in range(60):
        await page.keyboard.press("Tab")
        what = await page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e), p = e.nextElementSibling && getComputedStyle(e.nextElementSibling);"
            " return [e.id || e.className || e.tagName, s.outlineStyle !== 'none' || (p && p.outlineStyle !== 'none')]; })()"
        )
        assert what[1] or what[0] == "BODY", f"{what[0]} shows its focus"
        seen.add(what[0])
    assert {"ticket-units", "tiles", "book-body"} <= seen


async def test_numbers_are_tabular_and_zero_has_no_sign(page: Page, arena: FakeArena) -> None:
    """Digits hold still; a loss that rounds to nothing is nothing."""
    arena.answers["GET", "/api/arena/brokers/oanda/account"] = story.fake_answers.account("oanda", open_pnl=-0.004)
    await page.goto(arena.url)
    figures = page.locator(".figure-sub").first
    await expect(figures).to_have_text("0.00 open")
    await expect(figures).to_have_attribute("data-sign", "0")
    assert "tabular-nums" in await figures.evaluate("e => getComputedStyle(e).fontVariantNumeric")


async def test_a_chart_line_is_drawn_where_its_price_is(page: Page, arena: FakeArena, watch: Watch) -> None:
    """The pixels of the stop's colour lie on one row of the canvas, below those of the target."""
    watch.expected += ["willReadFrequently"]
    story.tell_morning(arena)
    mid = {"open": 1.166, "high": 1.168, "low": 1.165, "close": 1.167}
    candles = [{"time": 1_760_000_000 + 60 * n, "mid": mid, "count": 1} for n in range(60)]
    arena.answers["GET", "/api/market/candles"] = {"ok": True, "candles": candles}
    await page.goto(arena.url)
    await expect(page.locator("#chart-canvas")).to_have_attribute("data-candles", "60")
    await page.get_by_role("button", name="Fit brackets").click()
    rows = {}
    for name in ("down", "up"):
        rows[name] = await page.wait_for_function(
            """(name) => {
                const probe = document.body.appendChild(document.createElement('i'));
                probe.style.color = `var(--${name})`;
                const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
                probe.remove();
                let best = null;
                for (const canvas of document.querySelectorAll('#chart-canvas canvas')) {
                    if (canvas.width < 300) continue;
                    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                    for (let y = 0; y < canvas.height; y += 1) {
                        let count = 0;
                        for (let x = 0; x < canvas.width; x += 1) {
                            const i = 4 * (y * canvas.width + x);
                            if (data[i] === r && data[i + 1] === g && data[i + 2] === b) count += 1;
                        }
                        if (count > canvas.width / 3) best = y;
                    }
                }
                return best;
            }""",
            arg=name,
        )
    stop, target = [await rows[name].json_value() for name in ("down", "up")]
    assert stop > target > 0


async def test_tab_title_counts_what_is_open(page: Page, arena: FakeArena) -> None:
    """Behind other tabs the page still says how many positions there are."""
    story.tell_morning(arena)
    await page.goto(arena.url)
    await expect(page).to_have_title("2 open · RICK Trading Dashboard")


@pytest.mark.parametrize("width", [1279, 1240, 1100, 1000])
async def test_between_the_usual_widths_no_tool_leaves_its_panel(desk: Page, width: int) -> None:
    """The chart's had reached over the narration, whose title lay on them."""
    await desk.set_viewport_size({"width": width, "height": 800})
    outside = """() => [...document.querySelectorAll('.panel')].flatMap((panel) => [...panel.querySelectorAll('.panel-head > *')]
        .filter((part) => part.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1).map((part) => part.className))"""
    assert await desk.evaluate(outside) == []
    assert await overflow(desk) <= 0
