"""Trading from the page: each feature once by mouse and once by keyboard, each refusal in the server's words, and one order for a double click."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser import fake_answers, story
from tests.browser.browser_page import Watch
from tests.browser.fake_arena import FakeArena

ORDERS = "/api/arena/brokers/oanda/orders"
PLACED = {"ok": True, "order_id": "paper-oanda-3", "status": "PENDING", "mode": "paper", "ttl_expires_at": 1760637327.021, "client_order_id": "x"}
PREVIEW = {
    "ok": True,
    "preview": {
        "currency": "USD", "notional": 116.55, "cost": 3.88, "entry_fee": 0, "exit_fee": 0, "loss_at_stop": 0.55, "gain_at_target": 0.45,
        "reward_risk": 0.82, "warnings": ["the target is nearer than the stop"],
    },
}  # fmt: skip


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


def sent(arena: FakeArena, method: str, path: str) -> list[Any]:
    return [body for verb, where, body in arena.requests if verb == method and where.partition("?")[0] == path]


async def fill_ticket(page: Page) -> None:
    for field, text in (("Units", "100"), ("Entry", "1.1655"), ("Stop loss", "1.16"), ("Take profit", "1.17"), ("Quality", "75")):
        await page.get_by_label(field, exact=True).fill(text)


async def test_the_ticket_places_the_seeds_order_by_mouse(desk: Page, arena: FakeArena) -> None:
    """The button says the whole order; numbers travel as they were typed, with an id of our own."""
    await fill_ticket(desk)
    await desk.get_by_role("button", name="BUY 100 EUR_USD @ 1.16550 — PAPER").click()
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-3 PENDING, paper oanda")
    (body,) = sent(arena, "POST", ORDERS)
    assert body.pop("client_order_id").startswith("page-")
    assert body == {
        "instrument": "EUR_USD", "side": "BUY", "units": "100", "entry_type": "limit", "entry_price": "1.1655", "stop_loss_price": "1.16",
        "take_profit_price": "1.17", "quality_score": "75", "ttl_min": "360",
    }  # fmt: skip


async def test_the_ticket_places_a_sell_by_keyboard_alone(desk: Page, arena: FakeArena) -> None:
    """`s`, then typing and Tab, then Enter."""
    await desk.keyboard.press("s")
    await expect(desk.get_by_label("Units")).to_be_focused()
    await desk.keyboard.type("2000")
    for _ in ("bid", "ask", "the field itself"):
        await desk.keyboard.press("Tab")
    await expect(desk.get_by_label("Entry", exact=True)).to_be_focused()
    await desk.keyboard.type("1.168")
    await desk.keyboard.press("Tab")
    await expect(desk.get_by_label("Stop loss")).to_be_focused()
    await desk.keyboard.type("1.17")
    await desk.keyboard.press("Tab")
    await desk.keyboard.type("1.16")
    await expect(desk.get_by_role("button", name="SELL 2000 EUR_USD @ 1.16800")).to_be_enabled()
    await desk.keyboard.press("Enter")
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-3")
    assert sent(arena, "POST", ORDERS)[0]["side"] == "SELL"


async def test_the_servers_preview_says_what_it_would_cost(desk: Page) -> None:
    """Money comes from the server; distances and reward to risk are there at once."""
    await fill_ticket(desk)
    figures = desk.locator(".reckoning")
    await expect(figures).to_contain_text("−0.55 USD")
    await expect(figures).to_contain_text("+0.45 USD")
    await expect(figures).to_contain_text("0.82 : 1")
    await expect(figures).to_contain_text("55.0 pips")
    await expect(desk.locator(".warnings")).to_have_text("the target is nearer than the stop")


async def test_a_fault_stands_next_to_its_field_as_it_is_typed(desk: Page) -> None:
    """The server's rules, before it is asked; the button waits."""
    await fill_ticket(desk)
    await desk.get_by_label("Entry", exact=True).fill("1.165505")
    await expect(desk.locator("#ticket-entry-note")).to_have_text("is between two prices: 1.1655 or 1.16551")
    await expect(desk.get_by_label("Entry", exact=True)).to_have_attribute("aria-invalid", "true")
    await desk.get_by_label("Entry", exact=True).fill("1.1655")
    await desk.get_by_label("Stop loss").fill("1.1656")
    await expect(desk.locator("#ticket-stop-note")).to_have_text("must be below the entry for a buy")
    await expect(desk.locator(".submit")).to_be_disabled()


async def test_stop_and_target_may_be_distances(desk: Page, arena: FakeArena) -> None:
    """In pips or percent; the price they come to is shown and sent."""
    await desk.get_by_label("pips", exact=True).check()
    await fill_ticket(desk)
    await desk.get_by_label("Stop loss").fill("55")
    await desk.get_by_label("Take profit").fill("45")
    await expect(desk.locator("#ticket-stop-note")).to_have_text("at 1.16000")
    await desk.locator(".submit").click()
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-3")
    assert sent(arena, "POST", ORDERS)[0]["stop_loss_price"] == "1.16"


async def test_a_double_click_is_one_order(desk: Page, arena: FakeArena) -> None:
    """The button is out of reach while its order is on the way; whatever leaves twice has one id."""
    released = asyncio.Event()
    await desk.route(f"**{ORDERS}", lambda route: asyncio.ensure_future(_after(released, route)))
    await fill_ticket(desk)
    await desk.locator(".submit").dblclick()
    await expect(desk.locator(".submit")).to_have_text("Sending …")
    await expect(desk.locator(".submit")).to_be_disabled()
    released.set()
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-3")
    assert len({body["client_order_id"] for body in sent(arena, "POST", ORDERS)}) == 1
    assert len(sent(arena, "POST", ORDERS)) == 1


async def _after(released: asyncio.Event, route: Any) -> None:
    await released.wait()
    await route.continue_()


async def test_the_venues_own_words_stand_at_the_field_it_named(desk: Page, arena: FakeArena, watch: Watch) -> None:
    """Unedited, with the code; the next attempt has a new id."""
    watch.expected += ["422"]
    arena.answers["POST", f"{ORDERS}/preview"] = PREVIEW
    refusal = {"ok": False, "code": "UNITS_TOO_LARGE", "message": "units is above what EUR_USD takes in one order", "details": {"field": "units"}}
    arena.answers["POST", ORDERS] = (422, refusal)
    await fill_ticket(desk)
    await desk.locator(".submit").click()
    await expect(desk.locator("#ticket-units-note")).to_have_text(refusal["message"])
    await expect(desk.locator(".outcome")).to_contain_text("UNITS_TOO_LARGE")
    arena.answers["POST", ORDERS] = (201, PLACED)
    await desk.get_by_label("Units").fill("50")
    await desk.locator(".submit").click()
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-3")
    assert len({body["client_order_id"] for body in sent(arena, "POST", ORDERS)}) == 2


async def test_an_unknown_outcome_is_neither_done_nor_failed(desk: Page, arena: FakeArena) -> None:
    """The same order keeps its id; another waits until the first is looked up."""
    arena.answers["POST", ORDERS] = (202, {"ok": False, "code": "UNKNOWN", "status": "UNKNOWN", "message": "no answer came", "retry_safe": True})
    await fill_ticket(desk)
    await desk.locator(".submit").click()
    await expect(desk.locator(".outcome")).to_contain_text("no answer came")
    await desk.locator(".submit").click()
    await desk.get_by_label("Units").fill("50")
    await desk.locator(".submit").click()
    await expect(desk.locator(".outcome")).to_contain_text("Look it up first")
    bodies = sent(arena, "POST", ORDERS)
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    arena.answers["GET", ORDERS] = {"ok": True, "orders": [fake_answers.order("paper-oanda-3")], "next": None}
    await desk.get_by_role("button", name="Look it up").click()
    await expect(desk.locator(".outcome")).to_contain_text("It arrived: paper-oanda-3 PENDING")


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


async def test_live_is_amber_and_always_asks(page: Page, arena: FakeArena) -> None:
    """The frame, the badge, the button; and no order leaves without a yes, from a button that is not focused first."""
    session = arena.answers["GET", "/api/session"]
    session.update(mode="live", modes={"oanda": "live", "coinbase": "paper"}, live=["oanda"])
    arena.answers["POST", ORDERS] = (201, {**PLACED, "mode": "live"})
    arena.answers["POST", f"{ORDERS}/preview"] = PREVIEW
    await page.goto(arena.url)
    await expect(page.locator(".mode-badge")).to_have_text("LIVE")
    await expect(page.locator(".app")).to_have_attribute("data-mode", "live")
    await expect(page.locator(".connection")).to_have_text("Live")
    story.quote_all(arena)
    await fill_ticket(page)
    await page.get_by_role("button", name="BUY 100 EUR_USD @ 1.16550 — LIVE").click()
    dialog = page.get_by_role("dialog", name="Place this order with real money?")
    await expect(dialog.get_by_role("button", name="Keep things as they are")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    assert sent(arena, "POST", ORDERS) == []
    await page.locator(".submit").click()
    await page.get_by_role("button", name="Place it, live").click()
    await expect(page.locator(".outcome")).to_contain_text("paper-oanda-3")
    await expect(page).to_have_title("LIVE · RICK Trading Dashboard")


async def test_live_without_a_grant_has_no_button_that_would_fail(page: Page, arena: FakeArena) -> None:
    """It says why instead."""
    arena.answers["GET", "/api/session"].update(mode="live", modes={"oanda": "live"}, live=[])
    arena.answers["POST", f"{ORDERS}/preview"] = PREVIEW
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    story.quote_all(arena)
    await fill_ticket(page)
    await expect(page.locator(".submit")).to_be_disabled()
    await expect(page.locator(".ticket")).to_contain_text("you hold no grant")


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


async def test_a_click_on_the_bid_or_the_ask_starts_a_ticket(desk: Page) -> None:
    """The bid sells, the ask buys; nothing is sent by it."""
    await desk.get_by_role("button", name="Sell USD_JPY at 151.391").click()
    await expect(desk.get_by_label("Units")).to_be_focused()
    await expect(desk.locator(".ticket-name")).to_have_text("USD_JPY")
    await expect(desk.get_by_role("radio", name="SELL")).to_be_checked()


async def test_a_halted_broker_has_no_button_that_would_fail(desk: Page, arena: FakeArena) -> None:
    """The event says it at once, without a reload; the ticket says why."""
    await fill_ticket(desk)
    await expect(desk.locator(".submit")).to_be_enabled()
    arena.emit("oanda", "trading_state_changed", {"old": "ACTIVE", "new": "HALTED", "reason": "lunch", "changed_by": "other@desk"})
    await expect(desk.locator(".ticket")).to_contain_text("oanda takes no new orders: HALTED.")
    await expect(desk.locator(".submit")).to_be_disabled()
    await expect(desk.locator(".state-badge")).to_contain_text("oanda HALTED")


async def test_a_token_that_has_changed_is_asked_for_and_the_order_sent_once(desk: Page, arena: FakeArena, watch: Watch) -> None:
    """Another tab logged in anew: the refusal comes before anything is done, so the same order goes again with the new token."""
    watch.expected += ["403"]
    await fill_ticket(desk)
    await expect(desk.locator(".reckoning")).to_contain_text("−0.55 USD")
    arena.answers["GET", "/api/session"]["csrf_token"] = "the-new-one"

    def place(request: Any, _body: Any) -> Any:
        if request.headers["X-CSRF-Token"] != "the-new-one":
            return 403, {"ok": False, "code": "CSRF_TOKEN_WRONG", "message": "fetch the session again"}
        return 201, PLACED

    arena.answers["POST", ORDERS] = place
    await desk.locator(".submit").click()
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-3")


async def test_an_order_on_an_old_price_is_asked_about(page: Page, arena: FakeArena) -> None:
    """Nobody knows where the market stands: whoever wants it all the same says so."""
    arena.answers["POST", ORDERS] = (201, PLACED)
    arena.answers["POST", f"{ORDERS}/preview"] = PREVIEW
    await page.goto(arena.url)
    await expect(page.locator(".connection")).to_have_text("Live")
    await fill_ticket(page)
    await page.locator(".submit").click()
    dialog = page.get_by_role("dialog", name="Place this order?")
    await expect(dialog).to_contain_text("Its price is old")
    await dialog.get_by_role("button", name="Place it").click()
    await expect(page.locator(".outcome")).to_contain_text("paper-oanda-3")
