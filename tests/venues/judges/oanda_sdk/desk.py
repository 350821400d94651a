"""Where a check stands: a client behind a ``Desk``, the simulator's control routes, and words to judge with. Standard library only.

A desk gives what its client made of an answer, as plain dicts with v20's names; what the venue refused is a ``Refused``. It also keeps the raw
answers, for what a client hides by being kind.
"""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any, Protocol

# Generous: a busy machine is not a fault of the venue.
CHECK_S_MAX = 30.0

Doc = dict[str, Any]


class Refused(Exception):
    """What the venue refused, as the client told it."""

    def __init__(self, status: int, code: str | None) -> None:
        super().__init__(f"HTTP {status} {code}")
        self.status, self.code = status, code


class Desk(Protocol):
    """One client. Specifiers are ids, or ``@`` and a client id; orders are dicts with v20's keys."""

    base_url: str
    raw: list[Doc]

    async def place(self, order: Doc) -> Doc: ...
    async def replace(self, spec: str, order: Doc) -> Doc: ...
    async def cancel(self, spec: str) -> Doc: ...
    async def order(self, spec: str) -> Doc: ...
    async def pending(self) -> list[Doc]: ...
    async def name_order(self, spec: str, extensions: Doc) -> Doc: ...
    async def trade(self, spec: str) -> Doc: ...
    async def open_trades(self) -> list[Doc]: ...
    async def set_exits(self, spec: str, **exits: Doc | None) -> Doc: ...
    async def close_trade(self, spec: str, units: str) -> Doc: ...
    async def position(self, instrument: str) -> Doc: ...
    async def close_position(self, instrument: str, **units: str) -> Doc: ...
    async def accounts(self) -> list[Doc]: ...
    async def summary(self) -> Doc: ...
    async def account(self) -> Doc: ...
    async def instruments(self) -> list[Doc]: ...
    async def prices(self, instrument: str) -> list[Doc]: ...
    async def candles(self, instrument: str) -> list[Doc]: ...
    async def since(self, number: str) -> list[Doc]: ...
    async def id_range(self, first: str, last: str) -> list[Doc]: ...
    async def changes(self, number: str) -> Doc: ...
    async def with_wrong_token(self) -> Doc: ...
    def price_stream(self, instrument: str) -> AsyncIterator[Doc]: ...
    def transaction_stream(self) -> AsyncIterator[Doc]: ...


Check = Callable[[Desk], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(sentence: str) -> Callable[[Check], Check]:
    """Make a function a check; ``sentence`` says what must hold."""

    def add(run: Check) -> Check:
        assert sentence not in CHECKS, sentence
        CHECKS[sentence] = run
        return run

    return add


async def run_all(desk: Desk) -> bool:
    """Run every check and say how each went, a line each; one that fails does not stop the others. True if all held."""
    all_well = True
    for sentence, run in CHECKS.items():
        try:
            async with asyncio.timeout(CHECK_S_MAX):
                await begin(desk)
                await run(desk)
        except Exception as error:  # whatever the client made of the venue's answers, it is the check's result
            all_well = False
            print(f"FAIL  {sentence}: {type(error).__name__}: {error}".splitlines()[0][:400], flush=True)
        else:
            print(f"ok    {sentence}", flush=True)
    return all_well


async def control(desk: Desk, name: str, body: object) -> None:
    """Tell the simulator something behind its back: ``quote``, ``faults``, ``state``."""

    def post() -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{desk.base_url}/_sim/{name}", data=json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=CHECK_S_MAX):
            pass

    await asyncio.to_thread(post)


async def begin(desk: Desk) -> None:
    """The state every check starts from: flat, no faults, EUR_USD at 1.10000 to 1.10010."""
    await control(desk, "faults", {"clear": True})
    await quote(desk, "1.10000", "1.10010")
    await control(desk, "state", {"flatten": True})


async def quote(desk: Desk, bid: str, ask: str) -> None:
    await control(desk, "quote", {"instrument": "EUR_USD", "bid": bid, "ask": ask})


def market(units: str = "1000", **more: Any) -> Doc:
    return {"type": "MARKET", "instrument": "EUR_USD", "units": units, "timeInForce": "FOK", "positionFill": "DEFAULT", **more}


def resting(kind: str, price: str, units: str = "1000", **more: Any) -> Doc:
    return {"type": kind, "instrument": "EUR_USD", "units": units, "price": price, "timeInForce": "GTC", "positionFill": "DEFAULT", **more}


def exits(take_profit: str, stop_loss: str) -> Doc:
    return {
        "takeProfitOnFill": {"price": take_profit, "timeInForce": "GTC"},
        "stopLossOnFill": {"price": stop_loss, "timeInForce": "GTC"},
    }


LONG_EXITS = exits("1.12000", "1.09000")
SHORT_EXITS = exits("1.09000", "1.12000")


async def opened(desk: Desk, order: Doc) -> tuple[Doc, Doc]:
    """Place an order that trades at once; the answer, and the trade as the venue then shows it."""
    answer = await desk.place(order)
    return answer, await desk.trade(answer["orderFillTransaction"]["tradeOpened"]["tradeID"])


async def last_id(desk: Desk) -> str:
    return str((await desk.summary())["lastTransactionID"])


def number(value: Any) -> Decimal:
    """A client may have made a float of it."""
    return Decimal(str(value))


def same(found: object, wanted: object, what: str = "") -> None:
    """AssertionError unless they are equal."""
    assert found == wanted, f"{what or 'it'} is {found!r}, not {wanted!r}"


def holds(fact: object, what: str) -> None:
    """AssertionError that says ``what`` is wrong."""
    assert fact, what


async def refused(asking: Awaitable[object], status: int, code: str | None) -> None:
    """It must be refused, with this status and code."""
    try:
        await asking
    except Refused as error:
        same((error.status, error.code), (status, code), "the refusal")
    else:
        raise AssertionError(f"it was taken, not refused with {status} {code}")
