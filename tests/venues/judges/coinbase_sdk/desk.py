"""Where a check stands: the SDK's clients, the simulator's control routes, and words to judge with."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from queue import Empty, Queue
from typing import Any

import requests
from coinbase.rest import RESTClient
from coinbase.websocket import WebsocketResponse, WSClient
from requests.exceptions import HTTPError

WAIT_S_MAX = 30
BTC = "BTC-USD"

Check = Callable[["Desk"], None]
CHECKS: dict[str, Check] = {}


def check(run: Check) -> Check:
    """Make ``run`` a check, named after itself."""
    CHECKS[run.__name__.replace("_", " ")] = run
    return run


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where a check stands: the SDK's clients, and the simulator's control routes. ``keys`` are ES256, EdDSA, and one the venue does not know."""

    rest: RESTClient
    control_session: requests.Session
    host: str
    keys: list[dict[str, str]]

    def control(self, name: str, body: Any = None) -> Any:
        """Read, or with ``body`` steer, the simulator."""
        url = f"https://{self.host}/_sim/{name}"
        answer = self.control_session.request("GET" if body is None else "POST", url, json=body, timeout=WAIT_S_MAX)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def quote(self, bid: str, ask: str, **sizes: str) -> None:
        self.control("quote", {"instrument": BTC, "bid": bid, "ask": ask, **sizes})

    def option(self, **wanted: object) -> None:
        self.control("state", {"options": wanted})

    def balance(self, currency: str) -> tuple[Decimal, Decimal]:
        """What is available and what is on hold."""
        account = next(each for each in self.rest.get_accounts().accounts if each.currency == currency)
        return Decimal(account.available_balance["value"]), Decimal(account.hold["value"])

    def order(self, order_id: str) -> Any:
        return self.rest.get_order(order_id).order

    def rested(self, price: str = "59000.00", size: str = "0.01") -> str:
        """The id of a new limit buy below the market."""
        answer = self.rest.limit_order_gtc_buy(new_id(), BTC, size, price)
        assert answer.success, answer
        return str(answer.success_response["order_id"])

    def bought(self, size: str = "0.01") -> str:
        """The id of a market buy."""
        answer = self.rest.market_order_buy(new_id(), BTC, base_size=size)
        assert answer.success, answer
        return str(answer.success_response["order_id"])

    def client(self, key: dict[str, str] | None) -> RESTClient:
        """Another REST client, with another key or without one."""
        known = {} if key is None else {"api_key": key["name"], "api_secret": key["privateKey"]}
        return RESTClient(**known, base_url=self.host, timeout=WAIT_S_MAX)

    @contextmanager
    def stream(self, kind: type[Any] = WSClient, *, key: dict[str, str] | None = None, retry: bool = False) -> Iterator["Stream"]:
        """A websocket client of the SDK, opened and closed."""
        heard: Queue[Any] = Queue()
        known = {} if key is None else {"api_key": key["name"], "api_secret": key["privateKey"]}
        client = kind(**known, base_url=f"wss://{self.host}", on_message=lambda text: heard.put(json.loads(text)), timeout=WAIT_S_MAX, retry=retry)
        client.open()
        try:
            yield Stream(client, heard)
        finally:
            client.close()


class Stream:
    """What a websocket client of the SDK has heard, in order; data is read into the SDK's own types."""

    def __init__(self, client: Any, heard: "Queue[Any]") -> None:
        self.client = client
        self._heard = heard
        self.numbers: list[int] = []

    def raw(self) -> Any:
        """The next message as JSON."""
        try:
            return self._heard.get(timeout=WAIT_S_MAX)
        except Empty:
            raise AssertionError(f"nothing came for {WAIT_S_MAX} s") from None

    def next(self, channel: str) -> Any:
        """The next event of ``channel``."""
        until = time.monotonic() + WAIT_S_MAX
        while time.monotonic() < until:
            message = self.raw()
            assert message.get("type") != "error", message
            self.numbers.append(message["sequence_num"])
            if message["channel"] == channel:
                return WebsocketResponse(message).events[0]
        raise AssertionError(f"no message of {channel} in {WAIT_S_MAX} s")


def new_id() -> str:
    return str(uuid.uuid4())


def eventually(found: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WAIT_S_MAX
    while not found():
        assert time.monotonic() < until, f"{what}: not within {WAIT_S_MAX} s"
        time.sleep(0.05)


def same(seen: object, wanted: object, what: str = "") -> None:
    assert seen == wanted, f"{what or 'found'} {seen!r}, wanted {wanted!r}"


def refused(answer: Any, reason: str) -> None:
    """``answer`` is a refusal that names ``reason`` in one of the three places."""
    same(answer.success, False, "success")
    error = answer.error_response
    same(reason in {error["error"], error["preview_failure_reason"], error["new_order_failure_reason"]}, True, f"{reason} in {error}: ")


def status_of(ask: Callable[[], object]) -> int:
    """The HTTP error that ``ask`` meets."""
    try:
        answer = ask()
    except HTTPError as error:
        return -1 if error.response is None else int(error.response.status_code)
    raise AssertionError(f"an HTTP error was due, and {answer!r} came")
