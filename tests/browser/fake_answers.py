"""What the fake arena answers to the page's questions: a desk of two accounts with an order or two, in the shapes of the real servers."""

import random
from copy import deepcopy
from typing import Any

SESSION: dict[str, Any] = {
    "ok": True,
    "user": {"user_id": "7", "email": "trader@test", "role": "trader"},
    "csrf_token": "csrf-of-the-fake",
    "may": {"read": True, "trade": True, "admin": False},
    "live": [],
    "mode": "paper",
    "modes": {"oanda": "paper", "coinbase": "paper"},
    "trading_states": {"oanda": "ACTIVE", "coinbase": "ACTIVE"},
    "login_required": False,
    "build": "aaaaaaaaaaaaaaaa",
}

PROGRAMS = ("bus", "market_data", "oanda", "coinbase", "narrator", "gateway", "dashboard")


def instrument(name: str, venue: str, tick: float, step: float, decimals: int) -> dict[str, Any]:
    base, quote = name.replace("-", "_").split("_")
    return {
        "instrument": name,
        "broker": venue,
        "asset_class": "forex" if venue == "oanda" else "crypto",
        "base": base,
        "quote": quote,
        "tick": tick,
        "step": step,
        "units_min": step,
        "units_max": 100_000_000 if venue == "oanda" else 1000,
        "price_decimals": decimals,
        "margin_rate": 0.0333 if venue == "oanda" else None,
        "maker_fee_rate": 0,
        "taker_fee_rate": 0,
        "calendar": "forex" if venue == "oanda" else "always",
    }


INSTRUMENTS = [
    instrument("EUR_USD", "oanda", 0.00001, 1, 5),
    instrument("GBP_USD", "oanda", 0.00001, 1, 5),
    instrument("USD_JPY", "oanda", 0.001, 1, 3),
    instrument("BTC-USD", "coinbase", 0.01, 0.00000001, 2),
    instrument("ETH-USD", "coinbase", 0.01, 0.00000001, 2),
]


def account(broker: str, /, **more: Any) -> dict[str, Any]:
    return {
        "ok": True,
        "account": {
            "broker": broker,
            "account": f"paper-{broker}",
            "mode": "paper",
            "currency": "USD",
            "balance": 100000,
            "equity": 100000,
            "open_pnl": 0,
            "realized_pnl": 0,
            "fees": 0,
            "margin_used": 0,
            "margin_available": 100000,
            "holdings": {},
            "open_orders": 0,
            "open_positions": 0,
            "as_of": "2025-10-16T11:55:27.021050Z",
            "stale": False,
            **more,
        },
    }


def order(order_id: str, **more: Any) -> dict[str, Any]:
    """An order as ``GET …/orders`` lists it."""
    return {
        "order_id": order_id,
        "client_order_id": f"client-{order_id}",
        "broker": order_id.split("-")[1],
        "mode": "paper",
        "status": "PENDING",
        "placed_by": "trader@test",
        "instrument": "EUR_USD",
        "side": "BUY",
        "units": 100,
        "entry_type": "limit",
        "entry_price": 1.1655,
        "stop_loss_price": 1.16,
        "take_profit_price": 1.17,
        "trailing_stop_distance": None,
        "quality_score": 75,
        "ttl_min": 360,
        "ttl_expires_at": 4102444800.0,
        "protection": "venue",
        "placed_at": "2025-10-16T11:55:27.021050Z",
        "opened_at": None,
        "closed_at": None,
        "filled_units": 0,
        "position_units": 0,
        "average_entry_price": None,
        "average_exit_price": None,
        "realized_pnl": 0,
        "fees": 0,
        "close_reason": None,
        "cancel_reason": None,
        "legs": [],
        **more,
    }


def position(broker: str, **more: Any) -> dict[str, Any]:
    """A position as ``GET …/positions`` lists it."""
    return {
        "instrument": "EUR_USD" if broker == "oanda" else "BTC-USD",
        "side": "BUY",
        "units": 100,
        "average_price": 1.1655,
        "mark_price": 1.1667,
        "open_pnl": 0.12,
        "margin_used": 3.88,
        "protection": "venue",
        "order_ids": [],
        "as_of": "2025-10-16T11:55:27.021050Z",
        "stale": False,
        **more,
    }


PRICES = {"EUR_USD": 1.16702, "GBP_USD": 1.33342, "USD_JPY": 151.391, "BTC-USD": 42381.02, "ETH-USD": 2510.1}
SECONDS = {"S5": 5, "M1": 60, "M5": 300, "M15": 900, "H1": 3600, "H4": 14_400, "D": 86_400}
# When the scripted quotes are: 2025-10-16 11:55:27.
QUOTED_AT = 1_760_615_727


def candles(request: Any, _body: Any) -> dict[str, Any]:
    """A random walk, the same each time, that ends where the scripted quotes are."""
    name, granularity = request.query["instrument"], request.query["granularity"]
    length, count, walk = SECONDS[granularity], int(request.query["count"]), random.Random(name)
    last = PRICES.get(name, 1.0)
    made = []
    for n in range(count):
        first = last * (1 + walk.gauss(0, 0.0001))
        high, low = max(first, last) * 1.00004, min(first, last) * 0.99996
        mid = {"open": round(first, 5), "high": round(high, 5), "low": round(low, 5), "close": round(last, 5)}
        made.append({"time": (QUOTED_AT // length - n) * length, "mid": mid, "count": 5, "complete": n > 0})
        last = first
    return {"ok": True, "instrument": name, "granularity": granularity, "candles": made[::-1]}


def heartbeat(**programs: Any) -> dict[str, Any]:
    """The stream's composed heartbeat."""
    beats = {
        name: {"status": "ok", "mode": "paper", "trading_state": "ACTIVE", "last_seq": 57, "age_ms": 400, "stale": False}
        for name in ("market_data", "oanda", "coinbase", "rick", "gateway", "dashboard")
    }
    beats.update(programs)
    return {"source": "arena", "type": "heartbeat", "payload": {"programs": beats}, "ts": "2025-10-16T11:55:27.021050Z"}


def status() -> dict[str, Any]:
    def program(name: str) -> dict[str, Any]:
        beat = {"age_ms": 412, "stale": False, "status": "ok", "mode": "paper", "trading_state": "ACTIVE", "last_seq": 57, "metrics": {}}
        return {
            "name": name,
            "state": "RUNNING",
            "description": "",
            "pid": 4711,
            "uptime_s": 3605,
            "exit_status": None,
            "heartbeat": None if name == "bus" else beat,
            "lag": 0 if name in {"oanda", "coinbase", "narrator"} else None,
            "log": ["listening", "ready"],
        }

    return {"ok": True, "ts": "2025-10-16T11:55:27.021050Z", "supervisor": "up", "programs": [program(name) for name in PROGRAMS]}


def defaults() -> dict[tuple[str, str], Any]:
    """Every answer that the page asks for by itself, for a desk without orders."""
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/api/session"): deepcopy(SESSION),
        ("GET", "/api/status"): status(),
        ("GET", "/api/market/instruments"): {"ok": True, "instruments": INSTRUMENTS},
        ("GET", "/api/market/quotes"): {"ok": True, "quotes": []},
        ("GET", "/api/market/candles"): candles,
        ("GET", "/api/arena/orders"): {"ok": True, "orders": [], "next": None, "unavailable": []},
    }
    for broker in ("oanda", "coinbase"):
        for name in ("positions", "fills", "trades", "equity"):
            answers["GET", f"/api/arena/brokers/{broker}/{name}"] = {"ok": True, name: [], "next": None}
        answers["GET", f"/api/arena/brokers/{broker}/account"] = account(broker)
        answers["GET", f"/api/arena/brokers/{broker}/performance"] = {"ok": True, "performance": {"trades": 0, "currency": "USD"}}
    return answers
