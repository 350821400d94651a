"""A small client for the simulator's own tests: signs, asks, and reads the websocket. Written from the fact sheet, not from the adapter."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import ClientSession, ClientWebSocketResponse

from runtime.clock import NS_PER_S
from tests.venues.coinbase.auth import ApiKey
from tests.venues.coinbase.rest import PREFIX
from tests.venues.coinbase.venue import CoinbaseVenue

WAIT_S_MAX = 30


def sign(key: ApiKey, *, now_ns: int, uri: str | None, **changes: Any) -> str:
    """A token as the fact sheet writes it; ``changes`` replace claims, and ``nonce`` the header's."""
    now_s = now_ns // NS_PER_S
    claims: dict[str, Any] = {"iss": "cdp", "sub": key.name, "nbf": now_s, "exp": now_s + 120}
    if uri is not None:
        claims["uri"] = uri
    nonce = changes.pop("nonce", None) or secrets.token_hex()
    return jwt.encode(claims | changes, key.secret, algorithm=key.algorithm, headers={"kid": key.name, "nonce": nonce})


class Client:
    """One API key at one venue."""

    def __init__(self, venue: CoinbaseVenue, session: ClientSession, key: ApiKey | None = None) -> None:
        self._venue = venue
        self._session = session
        self._key = key or venue.key

    async def ask(self, method: str, path: str, body: object = None, **query: Any) -> tuple[int, Any]:
        """Status and JSON (text where it is none) of one signed request."""
        url = f"{self._venue.base_url}{PREFIX}{path}"
        token = sign(self._key, now_ns=self._venue.clock.now_ns(), uri=f"{method} 127.0.0.1:{self._venue.port}{PREFIX}{path}")
        async with self._session.request(method, url, json=body, params=query, headers={"Authorization": f"Bearer {token}"}) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def get(self, path: str, **query: Any) -> Any:
        status, body = await self.ask("GET", path, **query)
        assert status == 200, body
        return body

    async def post(self, path: str, body: object) -> Any:
        status, answer = await self.ask("POST", path, body)
        assert status == 200, answer
        return answer

    async def create(self, client_order_id: str, side: str, configuration: object, *, attached: object = None, product_id: str = "BTC-USD") -> Any:
        body = {"client_order_id": client_order_id, "product_id": product_id, "side": side, "order_configuration": configuration}
        return await self.post("/orders", body if attached is None else body | {"attached_order_configuration": attached})

    async def order(self, order_id: str) -> Any:
        return (await self.get(f"/orders/historical/{order_id}"))["order"]

    @asynccontextmanager
    async def stream(self) -> AsyncIterator["Stream"]:
        async with self._session.ws_connect(self._venue.ws_url) as ws:
            yield Stream(ws, self._venue, self._key)


class Stream:
    """One websocket connection."""

    def __init__(self, ws: ClientWebSocketResponse, venue: CoinbaseVenue, key: ApiKey) -> None:
        self.ws = ws
        self._venue = venue
        self._key = key

    async def subscribe(self, channel: str, *product_ids: str, token: str | None = None, kind: str = "subscribe") -> None:
        signed = sign(self._key, now_ns=self._venue.clock.now_ns(), uri=None) if token is None else token
        await self.ws.send_json({"type": kind, "channel": channel, "product_ids": list(product_ids), "jwt": signed})

    async def next(self) -> Any:
        """The next message."""
        return json.loads(await self.ws.receive_str(timeout=WAIT_S_MAX))

    async def until(self, channel: str) -> Any:
        """The next message of ``channel``."""
        async with asyncio.timeout(WAIT_S_MAX):
            while True:
                message = await self.next()
                if message.get("channel") == channel:
                    return message
