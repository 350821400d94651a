"""The judge ``v20``: OANDA's own client, its last release (2018).

Host, port and TLS are arguments of its ``Context``: nothing has to be bent. It is synchronous; each call runs in a thread. It makes floats of
numbers unless told not to, and leaves out keys that it does not know.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import v20

from tests.venues.judges.oanda_sdk import changing, entries, exits, history, reading, refusals
from tests.venues.judges.oanda_sdk.desk import Doc, Refused, run_all

# Imported for the checks they hold.
CHAPTERS = (reading, entries, exits, changing, refusals, history)
_WAIT_S = 20


class V20Desk:
    """v20 through ``v20.Context``."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.base_url = addresses["OANDA_BASE_URL"]
        self.raw: list[Doc] = []
        self._id = addresses["OANDA_ACCOUNT_ID"]
        self._token = addresses["OANDA_API_TOKEN"]
        self._stream_url = addresses["OANDA_STREAM_URL"]
        self._api = self._open(self.base_url, self._token)

    def _open(self, url: str, token: str) -> v20.Context:
        parts = urlsplit(url)
        return v20.Context(parts.hostname, parts.port, ssl=False, token=token, poll_timeout=_WAIT_S, stream_timeout=_WAIT_S, stream_chunk_size=1)

    async def place(self, order: Doc) -> Doc:
        create = {"MARKET": self._api.order.market, "LIMIT": self._api.order.limit, "STOP": self._api.order.stop}[order["type"]]
        return await self._ask(create, self._id, **self._typed(order))

    async def replace(self, spec: str, order: Doc) -> Doc:
        replace = {"LIMIT": self._api.order.limit_replace, "STOP": self._api.order.stop_replace}[order["type"]]
        return await self._ask(replace, self._id, spec, **self._typed(order))

    async def cancel(self, spec: str) -> Doc:
        return await self._ask(self._api.order.cancel, self._id, spec)

    async def order(self, spec: str) -> Doc:
        return (await self._ask(self._api.order.get, self._id, spec))["order"]

    async def pending(self) -> list[Doc]:
        return (await self._ask(self._api.order.list_pending, self._id))["orders"]

    async def name_order(self, spec: str, extensions: Doc) -> Doc:
        named = self._api.transaction.ClientExtensions(**extensions)
        return await self._ask(self._api.order.set_client_extensions, self._id, spec, clientExtensions=named)

    async def trade(self, spec: str) -> Doc:
        return (await self._ask(self._api.trade.get, self._id, spec))["trade"]

    async def open_trades(self) -> list[Doc]:
        return (await self._ask(self._api.trade.list_open, self._id))["trades"]

    async def set_exits(self, spec: str, **exits: Doc | None) -> Doc:
        """The client leaves out what is None, so a ``null`` that cancels is a cancel of the order here."""
        answer: Doc = {}
        for name in [name for name, body in exits.items() if body is None]:
            trade = await self.trade(spec)
            answer |= await self.cancel(trade[f"{name}Order"]["id"])
        details = {"takeProfit": "TakeProfitDetails", "stopLoss": "StopLossDetails", "trailingStopLoss": "TrailingStopLossDetails"}
        wanted = {name: getattr(self._api.transaction, details[name])(**body) for name, body in exits.items() if body is not None}
        return answer | await self._ask(self._api.trade.set_dependent_orders, self._id, spec, **wanted)

    async def close_trade(self, spec: str, units: str) -> Doc:
        return await self._ask(self._api.trade.close, self._id, spec, units=units)

    async def position(self, instrument: str) -> Doc:
        return (await self._ask(self._api.position.get, self._id, instrument))["position"]

    async def close_position(self, instrument: str, **units: str) -> Doc:
        return await self._ask(self._api.position.close, self._id, instrument, **units)

    async def accounts(self) -> list[Doc]:
        return (await self._ask(self._api.account.list))["accounts"]

    async def summary(self) -> Doc:
        return (await self._ask(self._api.account.summary, self._id))["account"]

    async def account(self) -> Doc:
        return (await self._ask(self._api.account.get, self._id))["account"]

    async def instruments(self) -> list[Doc]:
        return (await self._ask(self._api.account.instruments, self._id))["instruments"]

    async def prices(self, instrument: str) -> list[Doc]:
        return (await self._ask(self._api.pricing.get, self._id, instruments=instrument))["prices"]

    async def candles(self, instrument: str) -> list[Doc]:
        return (await self._ask(self._api.instrument.candles, instrument, granularity="M1"))["candles"]

    async def since(self, number: str) -> list[Doc]:
        return (await self._ask(self._api.transaction.since, self._id, id=number))["transactions"]

    async def id_range(self, first: str, last: str) -> list[Doc]:
        return (await self._ask(self._api.transaction.range, self._id, fromID=first, toID=last))["transactions"]

    async def changes(self, number: str) -> Doc:
        return await self._ask(self._api.account.changes, self._id, sinceTransactionID=number)

    async def with_wrong_token(self) -> Doc:
        return await self._ask(self._open(self.base_url, "not-the-token").account.summary, self._id)

    def price_stream(self, instrument: str) -> AsyncIterator[Doc]:
        api = self._open(self._stream_url, self._token)
        return self._lines(lambda: api.pricing.stream(self._id, instruments=instrument, snapshot=True))

    def transaction_stream(self) -> AsyncIterator[Doc]:
        api = self._open(self._stream_url, self._token)
        return self._lines(lambda: api.transaction.stream(self._id))

    async def _lines(self, open_stream: Callable[[], Any]) -> AsyncIterator[Doc]:
        """The parts of a stream, read in a thread of its own: it waits between lines, and nobody can wake it."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[Any]()

        def read() -> None:
            try:
                for _, part in open_stream().parts():
                    loop.call_soon_threadsafe(queue.put_nowait, plain(part))
            except Exception as error:
                loop.call_soon_threadsafe(queue.put_nowait, error)

        threading.Thread(target=read, daemon=True).start()
        while True:
            part = await queue.get()
            if isinstance(part, Exception):
                raise part
            yield part

    async def _ask(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Doc:
        response = await asyncio.to_thread(call, *args, **kwargs)
        if response.raw_body:
            self.raw.append(json.loads(response.raw_body))
        body = {key: plain(value) for key, value in (response.body or {}).items()}
        if not 200 <= response.status < 300:
            raise Refused(response.status, body.get("errorCode"))
        return body

    def _typed(self, order: Doc) -> Doc:
        """The client's own types for what is inside an order."""
        types = {
            "takeProfitOnFill": self._api.transaction.TakeProfitDetails,
            "stopLossOnFill": self._api.transaction.StopLossDetails,
            "trailingStopLossOnFill": self._api.transaction.TrailingStopLossDetails,
            "clientExtensions": self._api.transaction.ClientExtensions,
        }
        return {key: types[key](**value) if key in types else value for key, value in order.items()}


def plain(value: Any) -> Any:
    """Entities as dicts with v20's names."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.dict() if hasattr(value, "dict") else value


async def main() -> int:
    """Run every check; 1 when one failed."""
    desk = V20Desk(json.loads(os.environ["VENUE"]))
    return 0 if await run_all(desk) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
