"""Positions and orders: what can be done about each, what is asked first, what is said afterwards, and what nobody may who would be refused."""

from playwright.async_api import Page, expect

from tests.browser import fake_answers, story
from tests.browser.browser_page import Watch
from tests.browser.fake_arena import FakeArena
from tests.browser.test_looks import overflow
from tests.browser.trading_desk import ORDERS, sent


async def test_an_order_is_cancelled_by_mouse_and_by_keyboard(desk: Page, arena: FakeArena) -> None:
    """One click, no question in paper; what came of it is said."""
    arena.answers["DELETE", f"{ORDERS}/paper-oanda-6"] = {"ok": True, "order": fake_answers.order("paper-oanda-6", status="CANCELLED")}
    await desk.get_by_role("tab", name="Orders").click()
    await desk.get_by_role("button", name="Cancel paper-oanda-6").click()
    await expect(desk.locator(".toast")).to_have_text("Cancel paper-oanda-6: done.")
    await desk.keyboard.press("g")
    await desk.keyboard.press("o")
    await expect(desk.get_by_role("tab", name="Orders")).to_be_focused()
    await desk.get_by_role("button", name="Cancel paper-oanda-6").focus()
    await desk.keyboard.press("Enter")
    await expect(desk.locator(".toast")).to_have_count(2)
    assert len(sent(arena, "DELETE", f"{ORDERS}/paper-oanda-6")) == 2


async def test_a_refused_cancel_stays_on_the_screen_in_the_servers_words(desk: Page, arena: FakeArena, watch: Watch) -> None:
    """A toast that failed does not go away by itself."""
    watch.expected += ["409"]
    arena.answers["DELETE", f"{ORDERS}/paper-oanda-6"] = (409, {"ok": False, "code": "STATE_CONFLICT", "message": "it is filled by now"})
    await desk.get_by_role("tab", name="Orders").click()
    await desk.get_by_role("button", name="Cancel paper-oanda-6").click()
    await expect(desk.locator(".toast")).to_have_text("Cancel paper-oanda-6: it is filled by now (STATE_CONFLICT)")


async def test_a_stop_is_moved_in_the_dialog(desk: Page, arena: FakeArena) -> None:
    """Only what changed is sent; what would be refused is said before."""
    arena.answers["PATCH", f"{ORDERS}/paper-oanda-6"] = {"ok": True, "order": fake_answers.order("paper-oanda-6")}
    await desk.get_by_role("tab", name="Orders").click()
    await desk.get_by_role("button", name="Change paper-oanda-6").click()
    dialog = desk.get_by_role("dialog")
    await dialog.get_by_label("Stop loss").fill("1.18")
    await expect(dialog).to_contain_text("The stop must be below the target.")
    await dialog.get_by_label("Stop loss").fill("1.1610")
    await desk.keyboard.press("Enter")
    await expect(desk.locator(".toast")).to_contain_text("done")
    assert sent(arena, "PATCH", f"{ORDERS}/paper-oanda-6") == [{"stop_loss_price": "1.1610"}]


async def test_a_position_is_closed_in_part_and_whole(desk: Page, arena: FakeArena) -> None:
    """The question names it and its result; focus starts on the way back."""
    path = "/api/arena/brokers/oanda/positions/GBP_USD"
    arena.answers["DELETE", path] = {"ok": True, "instrument": "GBP_USD", "orders": [], "results": []}
    await desk.get_by_role("button", name="Close GBP_USD").click()
    dialog = desk.get_by_role("dialog", name="Close long GBP_USD")
    await expect(dialog).to_contain_text("6.60 USD")
    await expect(dialog.get_by_role("button", name="Keep it open")).to_be_focused()
    await dialog.get_by_role("button", name="25 %").click()
    await dialog.get_by_role("button", name="Close 1250 GBP_USD").click()
    await expect(desk.locator(".toast")).to_have_text("Close 1250 GBP_USD: done.")
    await desk.get_by_role("button", name="Close GBP_USD").click()
    await desk.get_by_role("dialog").get_by_role("button", name="Close all GBP_USD").click()
    await expect(desk.locator(".toast")).to_have_count(2)
    closes = [where for verb, where, _ in arena.requests if verb == "DELETE"]
    assert closes == [f"{path}?side=BUY&units=1250", f"{path}?side=BUY"]


async def test_a_stop_line_is_dragged_on_the_chart(desk: Page, arena: FakeArena) -> None:
    """The line is where its price is; let go, the change is asked about with the new price in it."""
    story_candles(arena)
    await desk.get_by_label("M5", exact=True).check()
    await desk.get_by_role("button", name="Fit brackets").click()
    canvas = desk.locator("#chart-canvas")
    await expect(canvas).to_have_attribute("data-candles", "60")
    box = await canvas.bounding_box()
    assert box is not None
    x, grip = box["x"] + 60, None
    for y in range(4, int(box["height"]) - 30, 3):
        await desk.mouse.move(x, box["y"] + y)
        if await canvas.get_attribute("data-grip") == "true":
            grip = y
    assert grip is not None, "a stop or a target can be taken hold of"
    await desk.mouse.move(x, box["y"] + grip)
    await desk.mouse.down()
    await desk.mouse.move(x, box["y"] + grip - 30, steps=4)
    await expect(desk.locator(".drag-label")).to_contain_text("#6 stop →")
    await desk.mouse.up()
    dialog = desk.get_by_role("dialog", name="Change paper-oanda-6")
    moved = await dialog.get_by_label("Stop loss").input_value()
    assert 1.16 < float(moved) < 1.1655
    await expect(dialog).to_contain_text("was 1.16")


def story_candles(arena: FakeArena) -> None:
    mid = {"open": 1.166, "high": 1.168, "low": 1.165, "close": 1.167}
    candles = [{"time": 1_760_000_000 + 300 * n - (1_760_000_000 % 300), "mid": mid, "count": 1} for n in range(60)]
    arena.answers["GET", "/api/market/candles"] = {"ok": True, "instrument": "EUR_USD", "granularity": "M5", "candles": candles}


async def test_the_kill_switch_is_held_and_says_what_is_still_open(desk: Page, arena: FakeArena) -> None:
    """A click is not enough; by mouse or by key it takes a second and a half."""
    arena.answers["POST", "/api/arena/admin/trading-state"] = {
        "ok": True,
        "brokers": {
            "oanda": {"state": "HALTED", "open_orders": 0, "open_positions": 1},
            "coinbase": {"state": "HALTED", "open_orders": 0, "open_positions": 0},
        },
        "failed": {},
    }
    await desk.get_by_role("button", name="Stop trading").click()
    dialog = desk.get_by_role("dialog")
    hold = dialog.get_by_role("button", name="Hold to stop")
    await hold.click()
    assert sent(arena, "POST", "/api/arena/admin/trading-state") == []
    await hold.focus()
    await desk.keyboard.down("Enter")
    await expect(dialog).to_contain_text("oanda: HALTED; still open: 1 position")
    await desk.keyboard.up("Enter")
    await expect(dialog).to_contain_text("coinbase: HALTED; nothing is open")
    assert sent(arena, "POST", "/api/arena/admin/trading-state")[0]["state"] == "HALTED"


async def test_one_stopped_broker_leaves_the_kill_switch_for_the_other(desk: Page, arena: FakeArena) -> None:
    """A broker that braked by itself must not take the switch away while the other one trades on, nor call everything stopped."""
    arena.answers["POST", "/api/arena/admin/trading-state"] = {"ok": True, "brokers": {"coinbase": {"state": "HALTED"}}, "failed": {}}
    arena.emit("oanda", "trading_state_changed", {"old": "ACTIVE", "new": "REDUCING", "reason": "day's loss", "changed_by": "risk"})
    await expect(desk.locator(".state-badge")).to_have_text("oanda REDUCING")
    await desk.get_by_role("button", name="Stop trading").click()
    dialog = desk.get_by_role("dialog")
    await expect(dialog).to_contain_text("oanda is REDUCING, coinbase is ACTIVE")
    await expect(dialog.get_by_role("button", name="Resume trading")).to_be_visible()
    await dialog.get_by_label("Also close every position").check()
    await dialog.get_by_role("button", name="Hold to stop and close all").focus()
    await desk.keyboard.down("Enter")
    await expect(dialog).to_contain_text("coinbase: HALTED")
    await desk.keyboard.up("Enter")
    assert sent(arena, "POST", "/api/arena/admin/trading-state") == [
        {"state": "HALTED", "cancel": True, "flatten": True, "reason": "halted on the page"}
    ]


async def test_where_all_is_halted_it_says_so_on_one_line_and_offers_the_way_back(desk: Page, arena: FakeArena) -> None:
    arena.answers["POST", "/api/arena/admin/trading-state"] = {"ok": True, "brokers": {"oanda": {"state": "ACTIVE"}}, "failed": {}}
    height = await desk.locator(".topbar").evaluate("bar => bar.offsetHeight")
    for broker in ("oanda", "coinbase"):
        arena.emit(broker, "trading_state_changed", {"old": "ACTIVE", "new": "HALTED", "reason": "lunch", "changed_by": "a@desk"})
        assert await overflow(desk) <= 0
    await expect(desk.locator(".state-badge")).to_have_text("HALTED")
    assert await desk.locator(".topbar").evaluate("bar => bar.offsetHeight") == height
    assert await overflow(desk) <= 0
    await desk.get_by_role("button", name="Trading is stopped").click()
    await expect(desk.get_by_role("dialog").get_by_role("button", name="Hold to stop")).to_have_count(0)
    await desk.get_by_role("button", name="Resume trading").click()
    await expect(desk.get_by_role("dialog")).to_contain_text("oanda: ACTIVE")


async def test_a_viewer_sees_everything_and_no_button_that_would_fail(page: Page, arena: FakeArena) -> None:
    """Roles are shown by what is there."""
    story.tell_morning(arena)
    session = arena.answers["GET", "/api/session"]
    session["user"]["role"] = "viewer"
    session["may"] = {"read": True, "trade": False, "admin": False}
    await page.goto(arena.url)
    await expect(page.locator(".ticket")).to_contain_text("You are logged in as a viewer")
    await expect(page.get_by_role("table", name="Positions").get_by_role("row")).to_have_count(3)
    for name in ("Close GBP_USD", "Stop trading", "Cancel paper-oanda-6", "Change paper-oanda-6"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)


async def test_old_prices_are_grey_struck_and_warned_of(desk: Page, arena: FakeArena) -> None:
    """And the profit reckoned with them too."""
    await desk.get_by_role("tab", name="Positions").click()
    await expect(desk.locator(".book .cell-main[data-old='false']")).to_have_count(2)
    await expect(desk.locator(".price-row[data-stale='true']")).to_have_count(5, timeout=12_000)
    await expect(desk.locator(".price-row s")).to_have_count(10)
    await expect(desk.locator(".book .cell-main[data-old='true']")).to_have_count(2)
    await expect(desk.locator(".ticket")).to_contain_text("The price of EUR_USD is old")
    story.quote_all(arena, 1)
    await expect(desk.locator(".price-row[data-stale='false']")).to_have_count(5)
    await expect(desk.locator(".price-row").first.locator(".price").first).to_contain_text("1.16703")


async def test_a_broker_that_is_down_is_named_and_the_rest_stays(desk: Page, arena: FakeArena, watch: Watch) -> None:
    """Its rows are missing, not gone: the page says which."""
    watch.expected += ["503"]
    down = (503, {"ok": False, "code": "ADAPTER_DOWN", "message": "coinbase is down"})
    arena.answers["GET", "/api/arena/brokers/coinbase/positions"] = down
    await desk.keyboard.press("g")
    await desk.keyboard.press("p")
    await expect(desk.locator(".book-trouble")).to_contain_text("coinbase does not answer")
    await expect(desk.get_by_role("table", name="Positions")).to_contain_text("GBP_USD")


async def test_close_all_is_held_and_names_every_position(desk: Page, arena: FakeArena) -> None:
    """One question for all of them; a click is no answer to it."""
    for broker, name in (("oanda", "GBP_USD"), ("coinbase", "BTC-USD")):
        arena.answers["DELETE", f"/api/arena/brokers/{broker}/positions/{name}"] = {"ok": True, "instrument": name, "orders": [], "results": []}
    await desk.get_by_role("button", name="Close all 2").click()
    dialog = desk.get_by_role("dialog", name="Close every position?")
    await expect(dialog).to_contain_text("Long 5000 GBP_USD, oanda: 6.60 USD")
    await expect(dialog).to_contain_text("Long 0.001 BTC-USD, coinbase: −0.12 USD")
    hold = dialog.get_by_role("button", name="Hold: close all at the market")
    await hold.click()
    assert [verb for verb, _, _ in arena.requests if verb == "DELETE"] == []
    await hold.hover()
    await desk.mouse.down()
    await expect(desk.locator(".toast")).to_have_count(2)
    await desk.mouse.up()
    assert len([verb for verb, _, _ in arena.requests if verb == "DELETE"]) == 2


async def test_one_click_mode_closes_at_once_in_paper(desk: Page, arena: FakeArena) -> None:
    """Chosen in the settings; live would still ask."""
    path = "/api/arena/brokers/oanda/positions/GBP_USD"
    arena.answers["DELETE", path] = {"ok": True, "instrument": "GBP_USD", "orders": [], "results": []}
    await desk.get_by_role("button", name="Settings").click()
    await desk.get_by_label("Ask before").select_option("one-click")
    await desk.keyboard.press("Escape")
    await desk.get_by_role("button", name="Close GBP_USD").click()
    await expect(desk.locator(".toast")).to_have_text("Close 5000 GBP_USD: done.")


async def test_somebody_elses_order_has_no_button(desk: Page, arena: FakeArena) -> None:
    """It would be refused: NOT_YOUR_ORDER."""
    arena.answers["GET", "/api/arena/orders"]["orders"][0]["placed_by"] = "other@desk"
    await desk.keyboard.press("g")
    await desk.keyboard.press("o")
    await expect(desk.get_by_role("button", name="Change paper-oanda-5")).to_be_visible()
    await expect(desk.get_by_role("button", name="Cancel paper-oanda-6")).to_have_count(0)


async def test_the_positions_of_a_broker_that_falls_silent_stay_on_the_screen(desk: Page, arena: FakeArena, watch: Watch) -> None:
    """A position that vanishes looks closed: it stands as it last was, and is called old; its account and its lines on the chart stand too."""
    watch.expected.append("503")
    rows = desk.get_by_role("table", name="Positions").locator("tbody tr")
    await expect(rows).to_have_count(2)
    for name in ("positions", "account"):
        arena.answers["GET", f"/api/arena/brokers/oanda/{name}"] = (503, {"ok": False, "code": "ADAPTER_DOWN", "message": "down"})
    await expect(desk.get_by_text("oanda does not answer: its positions stand here as they last were.")).to_be_visible()
    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="GBP_USD")).to_contain_text("old price")
    await expect(rows.filter(has_text="BTC-USD")).not_to_contain_text("old price")
    await expect(desk.locator(".figure", has_text="oanda")).to_have_attribute("data-old", "true")
