"""Prices asked for, and candles of what was quoted since the venue started."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from aiohttp import web

from brokers.paper.market import Standing
from tests.venues.oanda import views
from tests.venues.oanda.account import Account
from tests.venues.oanda.doors import ACCOUNT, respond
from tests.venues.oanda.errors import Malformed
from tests.venues.oanda.routes import PREFIX, instruments_named
from tests.venues.oanda.wire import NS_PER_S, Doc, Stamp, price, read_time

CANDLES_MAX = 5_000
_GRANULARITY_S = {"S5": 5, "M1": 60, "M5": 300, "M15": 900, "H1": 3_600}
_NAMES = {"M": "mid", "B": "bid", "A": "ask"}
# What a venue remembers of an instrument: enough for a day of play, little enough to forget.
_QUOTES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Tick:
    """One quote, for the candles."""

    time_ns: int
    bid: Decimal
    ask: Decimal


class Ticks:
    """Every quote since the start, by instrument."""

    def __init__(self) -> None:
        self.by_instrument: dict[str, deque[Tick]] = {}

    def note(self, standing: Standing) -> None:
        quote = standing.quote
        self.by_instrument.setdefault(quote.instrument, deque(maxlen=_QUOTES_MAX)).append(Tick(quote.time_ns, quote.bid, quote.ask))


TICKS = web.AppKey("ticks", Ticks)


def add_pricing_routes(app: web.Application) -> None:
    """``/pricing`` and ``/candles``."""
    app.router.add_get(f"{PREFIX}/pricing", _pricing)
    app.router.add_get("/v3/instruments/{instrument}/candles", _candles)
    app.router.add_get(f"{PREFIX}/instruments/{{instrument}}/candles", _candles)


async def _pricing(request: web.Request) -> web.Response:
    account = request.app[ACCOUNT]
    if "instruments" not in request.query:
        raise Malformed("instruments")
    names = instruments_named(account, request.query)
    since_ns = _time(request.query, "since") or 0
    docs = [doc for name in names if (doc := views.price_doc(account, name)) is not None and doc["time"].ns > since_ns]
    answer: Doc = {"time": Stamp(account.clock.now_ns()), "prices": docs}
    if request.query.get("includeHomeConversions", "false").lower() == "true":
        answer["homeConversions"] = views.home_conversions(account, names)
    return respond(request, answer)


async def _candles(request: web.Request) -> web.Response:
    account, query, name = request.app[ACCOUNT], request.query, request.match_info["instrument"]
    if name not in account.specs:
        raise Malformed("instrument")
    granularity = query.get("granularity", "S5")
    if granularity not in _GRANULARITY_S:
        raise Malformed("granularity")
    sides = query.get("price", "M")
    count = query.get("count", "500")
    if not sides or set(sides) - set("MBA"):
        raise Malformed("price")
    if not count.isdecimal() or not 1 <= int(count) <= CANDLES_MAX:
        raise Malformed("count")
    step_ns = _GRANULARITY_S[granularity] * NS_PER_S
    from_ns, to_ns = _time(query, "from") or 0, _time(query, "to") or account.clock.now_ns() + 1
    ticks = [each for each in request.app[TICKS].by_instrument.get(name, ()) if from_ns <= each.time_ns < to_ns]
    candles = _build(account, name, ticks, step_ns, sides)
    kept = candles[: int(count)] if "from" in query else candles[-int(count) :]
    return respond(request, {"instrument": name, "granularity": granularity, "candles": kept})


def _build(account: Account, name: str, ticks: list[Tick], step_ns: int, sides: str) -> list[Doc]:
    buckets: dict[int, list[Tick]] = {}
    for tick in ticks:
        buckets.setdefault(tick.time_ns // step_ns * step_ns, []).append(tick)
    decimals = account.specs[name].decimals
    candles = []
    for start_ns, inside in buckets.items():
        candle: Doc = {"complete": account.clock.now_ns() >= start_ns + step_ns, "volume": len(inside), "time": Stamp(start_ns)}
        for side in sides:
            prices = [_seen(tick, side).quantize(Decimal(1).scaleb(-decimals)) for tick in inside]
            shown = {"o": prices[0], "h": max(prices), "l": min(prices), "c": prices[-1]}
            candle[_NAMES[side]] = {letter: price(each, decimals) for letter, each in shown.items()}
        candles.append(candle)
    return candles


def _seen(tick: Tick, side: str) -> Decimal:
    return {"B": tick.bid, "A": tick.ask, "M": (tick.bid + tick.ask) / 2}[side]


def _time(query: Mapping[str, str], key: str) -> int | None:
    if key not in query:
        return None
    try:
        return read_time(query[key])
    except ValueError:
        raise Malformed(key) from None
