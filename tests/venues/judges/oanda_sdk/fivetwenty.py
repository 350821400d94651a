"""The judge ``fivetwenty``: an async client of v20 with strict models, its newest release.

It knows only OANDA's two hosts. Its documented ``transport`` takes an httpx client; ours sends what goes to those hosts to the simulator instead, and
keeps the answers. Nothing of the client is changed.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
from fivetwenty import AsyncClient
from fivetwenty.exceptions import FiveTwentyError
from fivetwenty.models import (
    ClientExtensions,
    LimitOrderRequest,
    MarketIfTouchedOrderRequest,
    MarketOrderRequest,
    StopLossDetails,
    StopOrderRequest,
    TakeProfitDetails,
    TrailingStopLossDetails,
)

from tests.venues.judges.oanda_sdk import changing, entries, exits, history, reading, refusals
from tests.venues.judges.oanda_sdk.desk import Doc, Refused, run_all

# Imported for the checks they hold.
CHAPTERS = (reading, entries, exits, changing, refusals, history)
_REQUESTS = {
    "MARKET": MarketOrderRequest,
    "LIMIT": LimitOrderRequest,
    "STOP": StopOrderRequest,
    "MARKET_IF_TOUCHED": MarketIfTouchedOrderRequest,
}
_DETAILS = {"takeProfit": TakeProfitDetails, "stopLoss": StopLossDetails, "trailingStopLoss": TrailingStopLossDetails}
_ARGUMENTS = {"takeProfit": "take_profit", "stopLoss": "stop_loss", "trailingStopLoss": "trailing_stop_loss"}


class ToSimulator(httpx.AsyncHTTPTransport):
    """Sends what is meant for OANDA's hosts to the simulator."""

    def __init__(self, rest: str, stream: str) -> None:
        super().__init__()
        self._targets = {"api-": httpx.URL(rest), "stream-": httpx.URL(stream)}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for prefix, target in self._targets.items():
            if request.url.host.startswith(prefix) and request.url.host.endswith(".oanda.com"):
                request.url = request.url.copy_with(scheme=target.scheme, host=target.host, port=target.port)
                request.headers["Host"] = f"{target.host}:{target.port}"
                return await super().handle_async_request(request)
        raise httpx.ConnectError(f"a judge asks nobody but the simulator, not {request.url.host}")


class FiveTwentyDesk:
    """v20 through ``fivetwenty.AsyncClient``."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.base_url = addresses["OANDA_BASE_URL"]
        self.raw: list[Doc] = []
        self._addresses = addresses
        self._id = addresses["OANDA_ACCOUNT_ID"]
        self._client = self._open(addresses["OANDA_API_TOKEN"])

    def _open(self, token: str) -> AsyncClient:
        transport = ToSimulator(self._addresses["OANDA_BASE_URL"], self._addresses["OANDA_STREAM_URL"])
        http = httpx.AsyncClient(
            transport=transport, base_url="https://api-fxpractice.oanda.com/v3", timeout=20, event_hooks={"response": [self._keep]}
        )
        return AsyncClient(token, account_id=self._id, transport=http, max_retries=0)

    async def _keep(self, response: httpx.Response) -> None:
        if "json" in response.headers.get("content-type", ""):
            await response.aread()
            self.raw.append(json.loads(response.content))

    async def place(self, order: Doc) -> Doc:
        return await told(self._client.orders.post_order(self._id, _REQUESTS[order["type"]].model_validate(order)))

    async def replace(self, spec: str, order: Doc) -> Doc:
        return await told(self._client.orders.put_order(self._id, spec, _REQUESTS[order["type"]].model_validate(order)))

    async def cancel(self, spec: str) -> Doc:
        return await told(self._client.orders.cancel_order(self._id, spec))

    async def order(self, spec: str) -> Doc:
        return (await told(self._client.orders.get_order(self._id, spec)))["order"]

    async def pending(self) -> list[Doc]:
        return (await told(self._client.orders.get_pending_orders(self._id)))["orders"]

    async def name_order(self, spec: str, extensions: Doc) -> Doc:
        return await told(self._client.orders.put_order_client_extensions(self._id, spec, client_extensions=ClientExtensions(**extensions)))

    async def trade(self, spec: str) -> Doc:
        return (await told(self._client.trades.get_trade(self._id, spec)))["trade"]

    async def open_trades(self) -> list[Doc]:
        return (await told(self._client.trades.get_open_trades(self._id)))["trades"]

    async def set_exits(self, spec: str, **exits: Doc | None) -> Doc:
        wanted = {_ARGUMENTS[name]: None if body is None else _DETAILS[name].model_validate(body) for name, body in exits.items()}
        return await told(self._client.trades.put_trade_orders(self._id, spec, **wanted))

    async def close_trade(self, spec: str, units: str) -> Doc:
        return await told(self._client.trades.close_trade(self._id, spec, units=units))

    async def position(self, instrument: str) -> Doc:
        return (await told(self._client.positions.get_position(self._id, instrument)))["position"]

    async def close_position(self, instrument: str, **units: str) -> Doc:
        wanted = {"long_units": units.get("longUnits"), "short_units": units.get("shortUnits")}
        return await told(self._client.positions.close_position(self._id, instrument, **wanted))

    async def accounts(self) -> list[Doc]:
        return await told(self._client.accounts.get_accounts())

    async def summary(self) -> Doc:
        return (await told(self._client.accounts.get_account_summary(self._id)))["account"]

    async def account(self) -> Doc:
        return (await told(self._client.accounts.get_account(self._id)))["account"]

    async def instruments(self) -> list[Doc]:
        return (await told(self._client.accounts.get_account_instruments(self._id)))["instruments"]

    async def prices(self, instrument: str) -> list[Doc]:
        return (await told(self._client.pricing.get_pricing(self._id, [instrument])))["prices"]

    async def candles(self, instrument: str) -> list[Doc]:
        return (await told(self._client.instruments.get_instrument_candles(instrument, granularity="M1")))["candles"]

    async def since(self, number: str) -> list[Doc]:
        return (await told(self._client.transactions.get_transactions_since_id(self._id, number)))["transactions"]

    async def id_range(self, first: str, last: str) -> list[Doc]:
        return (await told(self._client.transactions.get_transactions_range(self._id, first, last)))["transactions"]

    async def changes(self, number: str) -> Doc:
        return await told(self._client.accounts.get_account_changes(self._id, since_transaction_id=number))

    async def with_wrong_token(self) -> Doc:
        async with self._open("not-the-token") as client:
            return await told(client.accounts.get_account_summary(self._id))

    async def price_stream(self, instrument: str) -> AsyncIterator[Doc]:
        async with aclosing(self._client.pricing.get_pricing_stream(self._id, [instrument])) as stream:
            async for each in stream:
                yield plain(each)

    async def transaction_stream(self) -> AsyncIterator[Doc]:
        async with aclosing(self._client.transactions.get_transactions_stream(self._id)) as stream:
            async for each in stream:
                yield plain(each)

    async def aclose(self) -> None:
        await self._client.aclose()


async def told(asking: Any) -> Any:
    """What the client made of the answer, as plain dicts; Refused for its exception."""
    try:
        return plain(await asking)
    except FiveTwentyError as error:
        raise Refused(error.status, error.code) from None


def plain(value: Any) -> Any:
    """Models as dicts with v20's names, without what was not given."""
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True, exclude_none=True, mode="json")
    if isinstance(value, dict):
        return {key: plain(each) for key, each in dict.items(value)}
    return [plain(each) for each in value] if isinstance(value, list) else value


async def main() -> int:
    """Run every check; 1 when one failed."""
    desk = FiveTwentyDesk(json.loads(os.environ["VENUE"]))
    try:
        return 0 if await run_all(desk) else 1
    finally:
        await desk.aclose()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
