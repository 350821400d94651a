"""A morning at the desk, told event by event: what the page shows when it is busy. Used for screenshots and for tests that need a full feed."""

from typing import Any

from tests.browser import fake_answers
from tests.browser.fake_arena import FakeArena

DAY = "2025-10-16T"


def about(order_id: str, instrument: str, side: str, units: float) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "client_order_id": f"client-{order_id}",
        "placed_by": "trader@test",
        "instrument": instrument,
        "side": side,
        "units": units,
        "mode": "paper",
    }


def placed(arena: FakeArena, at: str, base: dict[str, Any], entry: float | None, sl: float, tp: float, quality: int | None = 75) -> dict[str, Any]:
    source = base["order_id"].split("-")[1]
    more = {"entry": entry, "sl": sl, "tp": tp, "quality": quality, "ttl_min": 360, "entry_type": "limit" if entry else "market", "status": "PENDING"}
    return arena.emit(source, "oco_placed", {**base, **more}, ts=f"{DAY}{at}.021050Z")


def filled(arena: FakeArena, at: str, base: dict[str, Any], price: float, leg: str = "entry", pnl: float = 0) -> dict[str, Any]:
    source = base["order_id"].split("-")[1]
    more = {"price": price, "leg": leg, "fill_id": f"f-{at}", "fill_units": base["units"], "fee": 0, "realized_pnl": pnl, "remaining_units": 0}
    return arena.emit(source, "order_filled", {**base, **more}, ts=f"{DAY}{at}.114000Z")


def cancelled(arena: FakeArena, at: str, base: dict[str, Any], reason: str, leg: str = "entry") -> dict[str, Any]:
    source = base["order_id"].split("-")[1]
    return arena.emit(source, "order_cancelled", {**base, "leg": leg, "reason": reason, "status": "CANCELLED"}, ts=f"{DAY}{at}.500000Z")


def closed(arena: FakeArena, at: str, base: dict[str, Any], reason: str, pnl: float, r: float) -> dict[str, Any]:
    source = base["order_id"].split("-")[1]
    more = {"close_reason": reason, "realized_pnl": pnl, "fees": 0, "r_multiple": r, "held_s": 824, "entry_price": 1.1655, "exit_price": 1.17}
    return arena.emit(source, "bracket_closed", {**base, **more}, ts=f"{DAY}{at}.120000Z")


def rick(arena: FakeArena, at: str, text: str, event: dict[str, Any], tone: str = "plain") -> None:
    told = {"source": event["source"], "epoch": event["epoch"], "seq": event["seq"], "order_id": event["payload"].get("order_id")}
    arena.emit("rick", "narration", {"text": text, "tone": tone, "about": told}, ts=f"{DAY}{at}.800000Z")


def tell_morning(arena: FakeArena) -> None:
    """Three brackets filled, one running, one resting, one refused; and a desk that fits."""
    arena.emit(
        "oanda", "source_reset", {"old_epoch": None, "old_last": None, "new_epoch": "0a" * 8, "reason": "created"}, ts=f"{DAY}08:00:01.000000Z"
    )
    euro = about("paper-oanda-1", "EUR_USD", "BUY", 100)
    event = placed(arena, "08:12:27", euro, 1.1655, 1.16, 1.17)
    rick(arena, "08:12:27", "Risking 0.55 USD to make 0.45: reward to risk 0.8. The target has to be hit more often than the stop.", event)
    event = filled(arena, "08:31:02", euro, 1.1655)
    rick(arena, "08:31:02", "Filled at 1.16550, long 100 EUR_USD. The stop is 55.0 pips away; being wrong costs 0.55 USD.", event)
    coin = about("paper-coinbase-1", "BTC-USD", "BUY", 0.001)
    placed(arena, "08:40:11", coin, 42500.5, 42000, 43500, 82)
    event = filled(arena, "08:42:13", coin, 42500.5)
    rick(arena, "08:42:13", "Filled at 42,500.50, long 0.001 BTC-USD. The stop is 500.50 below; two positions now, 1.05 USD at risk.", event)
    filled(arena, "09:05:40", euro, 1.17, "take_profit", 0.45)
    cancelled(arena, "09:05:40", euro, "oco_sibling", "stop_loss")
    event = closed(arena, "09:05:40", euro, "TAKE_PROFIT", 0.45, 0.82)
    rick(arena, "09:05:40", "Target hit. +0.45 USD, +0.82 R after 34 minutes; first win of the day.", event, "good")
    yen = about("paper-oanda-2", "USD_JPY", "SELL", 20000)
    event = placed(arena, "09:20:00", yen, None, 151.4, 149.9, 60)
    filled(arena, "09:20:00", yen, 150.882)
    rick(arena, "09:20:01", "Short 20,000 USD_JPY at 150.882. The stop costs 68.42 USD: 0.07 % of the account.", event)
    event = arena.emit(
        "oanda",
        "order_rejected",
        {
            **about("paper-oanda-3", "GBP_USD", "BUY", 90_000_000),
            "code": "INSUFFICIENT_MARGIN",
            "message": "needs 4,012,000 USD of margin, 99,931 are free",
        },
        ts=f"{DAY}09:31:44.002000Z",
    )
    rick(arena, "09:31:44", "Refused: ninety million pounds on a hundred thousand dollars.", event, "warning")
    filled(arena, "09:58:12", yen, 151.404, "stop_loss", -69.15)
    cancelled(arena, "09:58:12", yen, "oco_sibling", "take_profit")
    event = closed(arena, "09:58:12", yen, "STOP_LOSS", -69.15, -1.01)
    rick(arena, "09:58:12", "Stopped out. -69.15 USD, -1.01 R; slipped 0.4 pips through the stop.", event, "bad")
    gap = about("paper-oanda-4", "GBP_USD", "BUY", 5000)
    placed(arena, "10:02:30", gap, 1.3321, 1.329, 1.338, 70)
    cancelled(arena, "10:40:00", gap, "user")
    arena.emit(
        "oanda",
        "feed_stale",
        {"instruments": ["EUR_USD", "GBP_USD"], "reason": "stale", "feed": "simulated", "age_ms": 10400},
        ts=f"{DAY}10:52:10.000000Z",
    )
    arena.emit("oanda", "feed_recovered", {"instruments": ["EUR_USD", "GBP_USD"], "feed": "simulated", "silent_s": 14.2}, ts=f"{DAY}10:52:14.000000Z")
    pound = about("paper-oanda-5", "GBP_USD", "BUY", 5000)
    event = placed(arena, "11:30:05", pound, 1.3321, 1.329, 1.338, 70)
    rick(arena, "11:30:05", "Risking 15.50 USD to make 29.50: reward to risk 1.9. Better.", event)
    filled(arena, "11:41:45", pound, 1.3321)
    rest = about("paper-oanda-6", "EUR_USD", "BUY", 100)
    placed(arena, "11:55:27", rest, 1.1655, 1.16, 1.17)
    fill_desk(arena)


def fill_desk(arena: FakeArena) -> None:
    """Orders, positions and accounts as they are after that morning."""
    running = fake_answers.order(
        "paper-oanda-5",
        status="OPEN",
        instrument="GBP_USD",
        units=5000,
        entry_price=1.3321,
        stop_loss_price=1.329,
        take_profit_price=1.338,
        filled_units=5000,
        position_units=5000,
        average_entry_price=1.3321,
        quality_score=70,
        ttl_expires_at=None,
    )
    coin = fake_answers.order(
        "paper-coinbase-1",
        status="OPEN",
        instrument="BTC-USD",
        units=0.001,
        entry_price=42500.5,
        stop_loss_price=42000,
        take_profit_price=43500,
        filled_units=0.001,
        position_units=0.001,
        average_entry_price=42500.5,
        quality_score=82,
        protection="adapter",
        ttl_expires_at=None,
    )
    resting = fake_answers.order("paper-oanda-6")
    arena.answers["GET", "/api/arena/orders"] = {"ok": True, "orders": [resting, running, coin], "next": None, "unavailable": []}
    arena.answers["GET", "/api/arena/brokers/oanda/positions"] = {
        "ok": True,
        "positions": [
            fake_answers.position(
                "oanda", instrument="GBP_USD", units=5000, average_price=1.3321, mark_price=1.33342, open_pnl=6.6, order_ids=["paper-oanda-5"]
            ),
        ],
    }
    arena.answers["GET", "/api/arena/brokers/coinbase/positions"] = {
        "ok": True,
        "positions": [
            fake_answers.position(
                "coinbase",
                units=0.001,
                average_price=42500.5,
                mark_price=42381.02,
                open_pnl=-0.12,
                protection="adapter",
                order_ids=["paper-coinbase-1"],
            ),
        ],
    }
    arena.answers["GET", "/api/arena/brokers/oanda/account"] = fake_answers.account(
        "oanda", balance=99931.3, equity=99937.9, open_pnl=6.6, realized_pnl=-68.7, margin_used=221.8, margin_available=99716.1
    )
    arena.answers["GET", "/api/arena/brokers/coinbase/account"] = fake_answers.account(
        "coinbase", balance=99957.24, equity=142338.14, open_pnl=-0.12, holdings={"BTC": 1.001}, margin_used=0
    )

    for broker, equity in (("oanda", 99999.9), ("coinbase", 142398.14)):
        point = {"at": "2025-10-16T08:00:01.000000Z", "balance": equity, "equity": equity, "open_pnl": 0}
        arena.answers["GET", f"/api/arena/brokers/{broker}/equity"] = {"ok": True, "equity": [point], "next": None}


def quote_all(arena: FakeArena, step: int = 0) -> None:
    """One quote of each instrument; ``step`` moves them a little."""
    for name, bid, ask, tick in (
        ("EUR_USD", 1.16702, 1.16714, 0.00001),
        ("GBP_USD", 1.33342, 1.33358, 0.00001),
        ("USD_JPY", 151.391, 151.405, 0.001),
        ("BTC-USD", 42381.02, 42389.5, 0.01),
        ("ETH-USD", 2510.1, 2510.74, 0.01),
    ):
        arena.quote(name, round(bid + step * tick, 5), round(ask + step * tick, 5))
