"""The line to the server: cut, refused, full, restarted, shared by many tabs; what the page says of it and that it always comes back."""

import asyncio

from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser import story
from tests.browser.browser_page import Watch, new_page
from tests.browser.fake_arena import FakeArena, running

FEED = "#narration-feed"
LINE = f"{FEED} .line"
# The browser itself logs refused requests; the tests here provoke them.
REFUSED = ["Failed to load resource", "net::ERR"]
SLOW_MS = 20_000


def tell(arena: FakeArena, n: int) -> None:
    arena.emit("oanda", "order_cancelled", {"order_id": f"paper-oanda-{n}", "instrument": "EUR_USD"})


async def live(page: Page) -> None:
    await expect(page.locator(".connection")).to_have_text("Live", timeout=SLOW_MS)


async def test_a_cut_stream_comes_back_and_tells_what_was_missed(page: Page, arena: FakeArena, watch: Watch) -> None:
    """Nothing lost, nothing twice, and a row that says how long and how many."""
    watch.expected += REFUSED
    tell(arena, 1)
    await page.goto(arena.url)
    await live(page)
    arena.stream_broken = 503
    arena.cut()
    await expect(page.locator(".connection")).to_contain_text("Reconnecting")
    for n in (2, 3, 4):
        tell(arena, n)
    arena.stream_broken = None
    await live(page)
    await expect(page.locator(LINE)).to_have_count(5)
    await expect(page.locator(LINE).last).to_contain_text("caught up, 3 missed")
    ids = [text.split("Order ID: ")[1] for text in await page.locator(f'{LINE}[data-kind="event"]').all_inner_texts()]
    assert ids == ["paper-oanda-1", "paper-oanda-2", "paper-oanda-3", "paper-oanda-4"]
    assert arena.queries[-1]["last_event_id"].startswith("coinbase@")


async def test_a_503_never_ends_the_stream_and_the_banner_says_so_after_two_seconds(page: Page, arena: FakeArena, watch: Watch) -> None:
    """A browser gives up on a 503; the page does not, and never blanks what it had."""
    watch.expected += REFUSED
    story.tell_morning(arena)
    await page.goto(arena.url)
    await live(page)
    count = await page.locator(LINE).count()
    arena.stream_broken = 503
    arena.cut()
    banner = page.get_by_role("alert")
    await expect(banner).to_contain_text("Connection lost", timeout=SLOW_MS)
    await expect(page.locator(LINE)).to_have_count(count)
    tries = arena.opened
    await page.get_by_role("button", name="Try now").click()
    for _ in range(100):
        if arena.opened > tries:
            break
        await asyncio.sleep(0.05)
    assert arena.opened > tries, "asking to try now tries now"
    arena.stream_broken = None
    await live(page)
    await expect(banner).to_have_count(0)


async def test_a_restarted_server_is_found_again(page: Page, watch: Watch) -> None:
    """The whole server goes and comes back on its port; the page goes on from its place."""
    watch.expected += REFUSED
    first = FakeArena()
    async with running(first) as arena:
        tell(arena, 1)
        await page.goto(arena.url)
        await live(page)
        port = int(arena.url.rsplit(":", 1)[1])
    await expect(page.locator(".connection")).to_contain_text("Reconnecting")
    second = FakeArena()
    second.journal = list(first.journal)
    tell(second, 2)
    async with running(second, port):
        await live(page)
        await expect(page.locator(f'{LINE}[data-kind="event"]')).to_have_count(2)
        await page.close()


async def test_gaps_and_resets_are_told_as_they_are(page: Page, arena: FakeArena) -> None:
    """Never silence: what cannot be given stands between the lines that can."""
    tell(arena, 1)
    await page.goto(arena.url)
    await live(page)
    arena.named("gap", {"source": "oanda", "epoch": arena.epochs["oanda"], "from": 2, "to": 9}, event_id="oanda@x:9")
    arena.named("reset", {"source": "coinbase", "old": None, "new": None, "reason": "epoch"}, event_id="oanda@x:9")
    rows = page.locator(f'{LINE}[data-kind="notice"]')
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("events 2 to 9 of oanda could not be given | 8 missing")
    await expect(rows.last).to_contain_text("the history of coinbase begins anew | epoch")


async def test_a_hole_that_nobody_announced_is_seen(page: Page, arena: FakeArena) -> None:
    """The page counts for itself."""
    tell(arena, 1)
    await page.goto(arena.url)
    await live(page)
    arena.emit("oanda", "order_cancelled", {"order_id": "paper-oanda-5", "instrument": "EUR_USD"}, seq=5)
    await expect(page.locator(f'{LINE}[data-kind="notice"]')).to_contain_text("events 2 to 4 of oanda could not be given")


async def test_a_full_server_is_named(page: Page, arena: FakeArena) -> None:
    """Busy is not broken: the page says so and asks again when told to."""
    arena.busy = True
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Server full")
    await expect(page.get_by_role("alert")).to_contain_text("no free place", timeout=SLOW_MS)
    arena.busy = False
    await page.get_by_role("button", name="Try now").click()
    await live(page)


async def test_ten_tabs_share_one_stream(context: BrowserContext, arena: FakeArena, watch: Watch) -> None:
    """A browser opens six connections to a host: the seventh tab loads all the same, and each gets every event."""
    tell(arena, 1)
    pages = []
    for _ in range(10):
        page = await new_page(context, watch)
        await page.goto(arena.url)
        pages.append(page)
    for page in pages:
        await live(page)
        await expect(page.locator(LINE)).to_have_count(1)
    assert arena.streams == 1
    tell(arena, 2)
    for page in pages:
        await expect(page.locator(LINE)).to_have_count(2)
    for page in pages[:-1]:
        await page.close()
    tell(arena, 3)
    await expect(pages[-1].locator(LINE)).to_have_count(3)


async def test_without_shared_workers_the_page_has_a_stream_of_its_own(context: BrowserContext, arena: FakeArena, watch: Watch) -> None:
    """Some phones have none."""
    await context.add_init_script("delete window.SharedWorker")
    page = await new_page(context, watch)
    tell(arena, 1)
    await page.goto(arena.url)
    await live(page)
    tell(arena, 2)
    await expect(page.locator(LINE)).to_have_count(2)


async def test_a_worker_that_cannot_load_is_done_without(context: BrowserContext, arena: FakeArena, watch: Watch) -> None:
    """Blocked by an extension, or gone after an upgrade: the page notices and opens its own stream."""
    watch.expected += ["Failed to load resource", "net::ERR"]
    await context.route("**/worker.*.js", lambda route: route.abort())
    page = await new_page(context, watch)
    tell(arena, 1)
    await page.goto(arena.url)
    await live(page)
    await expect(page.locator(LINE)).to_have_count(1)


async def test_a_new_build_is_told_and_taken_when_nobody_looks(page: Page, arena: FakeArena, watch: Watch) -> None:
    """An old page says that it is old; hidden, it becomes the new one by itself."""
    watch.expected += REFUSED
    await page.goto(arena.url)
    await live(page)
    arena.build = "bbbbbbbbbbbbbbbb"
    arena.answers["GET", "/api/session"]["build"] = arena.build
    arena.cut()
    await expect(page.get_by_text("this page is the old one")).to_be_visible(timeout=SLOW_MS)
    async with page.expect_event("load"):
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', {get: () => true}); setTimeout(() => document.dispatchEvent(new Event('visibilitychange')))"
        )
    await live(page)
    await expect(page.get_by_text("this page is the old one")).to_have_count(0)


async def test_who_may_not_read_is_asked_to_log_in_and_then_sees_the_desk(page: Page, arena: FakeArena, watch: Watch) -> None:
    """No stream is opened before; the refusal of a wrong password is shown as the server words it."""
    watch.expected += ["401"]
    known = arena.answers["GET", "/api/session"]
    arena.answers["GET", "/api/session"] = {
        **known, "user": None, "csrf_token": None, "may": {"read": False, "trade": False, "admin": False}, "login_required": True,
    }  # fmt: skip
    arena.answers["POST", "/api/session"] = (401, {"ok": False, "code": "LOGIN_FAILED", "message": "email or password is wrong"})
    await page.goto(arena.url)
    await expect(page.get_by_text("This arena asks who you are")).to_be_visible()
    assert arena.opened == 0
    await page.get_by_role("main").get_by_role("button", name="Log in").click()
    await page.get_by_label("Email").fill("trader@test")
    await page.get_by_label("Password").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("email or password is wrong")
    arena.answers["POST", "/api/session"] = known
    arena.answers["GET", "/api/session"] = known
    await page.get_by_label("Password").fill("pass")
    await page.keyboard.press("Enter")
    await live(page)
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_two_browsers_do_not_disturb_each_other(browser: Browser, arena: FakeArena) -> None:
    """Each has its own worker and its own stream."""
    contexts = [await browser.new_context() for _ in range(2)]
    pages = [await context.new_page() for context in contexts]
    for page in pages:
        await page.goto(arena.url)
        await live(page)
    assert arena.streams == 2
    for context in contexts:
        await context.close()
