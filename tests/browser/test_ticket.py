"""The order ticket: by mouse and by keyboard, the rules beside the fields, the server's own words, and one order for a double click."""

import asyncio
from typing import Any

from playwright.async_api import Page, expect

from tests.browser import fake_answers, story
from tests.browser.browser_page import Watch
from tests.browser.fake_arena import FakeArena
from tests.browser.trading_desk import ORDERS, PLACED, PREVIEW, fill_ticket, sent


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


async def test_a_trailing_stop_travels_as_a_distance(desk: Page, arena: FakeArena) -> None:
    await fill_ticket(desk)
    await desk.get_by_label("Trailing stop").fill("0.00205")
    await desk.locator(".submit").click()
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-3")
    assert sent(arena, "POST", ORDERS)[0]["trailing_stop_distance"] == "0.00205"


async def test_an_order_against_what_is_held_is_asked_about_whatever_the_settings_say(desk: Page, arena: FakeArena) -> None:
    """A slip of the side would otherwise take back what is held. This desk asks nothing else: its prices are fresh."""
    arena.answers["GET", "/api/arena/brokers/oanda/positions"] = {"ok": True, "positions": [fake_answers.position("oanda")]}
    await desk.reload()
    await expect(desk.locator(".connection")).to_have_text("Live")
    story.quote_all(arena)
    await expect(desk.locator(".price-row").first).to_have_attribute("data-stale", "false")
    await fill_ticket(desk)
    await desk.get_by_role("radio", name="SELL").check()
    for label, text in (("Entry", "1.168"), ("Stop loss", "1.17"), ("Take profit", "1.16")):
        await desk.get_by_label(label, exact=True).fill(text)
    await desk.locator(".submit").click()
    dialog = desk.get_by_role("dialog", name="Place this order?")
    await expect(dialog).to_contain_text("It goes against what you hold: long")
    await dialog.get_by_role("button", name="Place it").click()
    await expect(desk.locator(".outcome")).to_contain_text("paper-oanda-3")
