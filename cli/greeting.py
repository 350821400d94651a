"""What ``arena up`` says when everything is up: where to look, whether real money moves and at which account, and what to do next."""

import asyncio
from collections.abc import Mapping

from arena_gateway.registration import weak_allowed
from brokers.credentials import NAMES
from bus.curve import KeyRing
from bus.doors import doors
from bus.request_client import RequestClient
from runtime.own_servers import dashboard_url, gateway_url, market_data_url
from runtime.program import CannotStart
from runtime.settings import Settings
from trading.errors import ArenaError

CONNECT_S_MAX = 2.0
ANSWER_S_MAX = 3.0
UNKNOWN = "unknown"


def greeting(settings: Settings) -> str:
    """The whole text; asks each adapter over its own socket what it trades."""
    live = live_accounts(settings)
    gateway = gateway_url(settings)
    return f"""
RBOT Arena is up ({_mode(settings, live)}).

  page          {dashboard_url(settings)}
  gateway       {gateway}        (what it can do: {gateway}/docs)
  market data   {market_data_url(settings)}
  bus           {bus_line(settings)}
{_foreign_prices(settings, live)}{_next(settings, live, gateway)}
Ctrl-C here stops everything.
"""


def live_accounts(settings: Settings) -> dict[str, str]:
    """The brokers where real money moves, each with its account's id; one that may be live and does not say which account is ``unknown``."""
    answers = asyncio.run(_ask_all(settings))
    silent = UNKNOWN if settings.execution_enabled else ""
    found = {broker: silent if account is None else account for broker, account in answers.items()}
    return {broker: account for broker, account in found.items() if account}


def bus_line(settings: Settings) -> str:
    """How a tool reaches the bus, or that it cannot and how it could."""
    try:
        opened = doors(settings, KeyRing(settings.keys_dir))
    except CannotStart as error:
        return f"closed: {error}"
    if opened.subscribers is None:
        return "closed to other programs, as reading takes a token here; a tool gets a key with: arena keys add NAME"
    host, port = opened.subscribers
    return f"tcp://{host}:{port}{' (CURVE: for the clients of arena keys list)' if opened.curve else ''}"


def _mode(settings: Settings, live: Mapping[str, str]) -> str:
    if live:
        paper = [broker for broker in NAMES if broker not in live]
        accounts = ", ".join(f"{broker} account {account}" for broker, account in live.items())
        return f"LIVE, REAL MONEY at {accounts}" + (f"; {', '.join(paper)} paper" if paper else "")
    switched_on = "; EXECUTION_ENABLED is true, but no broker has credentials" if settings.execution_enabled else ""
    return f"PAPER, no real money moves{switched_on}"


def _foreign_prices(settings: Settings, live: Mapping[str, str]) -> str:
    missing = [broker for broker in live if broker not in settings.market_data.feed]
    if not missing:
        return ""
    feed = ", ".join(settings.market_data.feed)
    return f"""
Prices come from {feed}, not from {" and ".join(missing)}: a live account ignores them, and the page shows them. Set
ARENA_MARKET_DATA__FEED={",".join(live)}
"""


def _next(settings: Settings, live: Mapping[str, str], gateway: str) -> str:
    if live:
        return _live_next(live)
    return _paper_next(gateway) if weak_allowed(settings) else _closed_next()


def _closed_next() -> str:
    return """
Nobody can register over HTTP here. In another terminal:

  arena user add YOU@HOST                                                  (a password of at least 12 characters)
  arena login YOU@HOST
"""


def _live_next(live: Mapping[str, str]) -> str:
    broker = next(iter(live))
    return f"""
Nobody may trade real money yet unless you said so, in another terminal:

  arena doctor --live
  arena user add YOU@HOST                                                  (a password of at least 12 characters)
  arena user grant-live YOU@HOST {broker} --max-notional-per-day 1000

docs/live.md says what each step checks and how to go back to paper. To stop all trading at once: arena halt
"""


def _paper_next(gateway: str) -> str:
    user = '{"email":"trader@test","password":"pass","role":"trader"}'
    return f"""
Next, in another terminal:

  curl -X POST {gateway}/auth/register -H 'Content-Type: application/json' -d '{user}'
  TOK=$(curl -s -X POST {gateway}/auth/login -H 'Content-Type: application/json' -d '{user.replace(',"role":"trader"', "")}' | jq -r .access_token)

then place your first bracket as the README shows.
"""


async def _ask_all(settings: Settings) -> dict[str, str | None]:
    answers = await asyncio.gather(*(_account(settings, broker) for broker in NAMES))
    return dict(zip(NAMES, answers, strict=True))


async def _account(settings: Settings, broker: str) -> str | None:
    """The live account's id, empty for paper, None when the adapter does not answer."""
    async with RequestClient(settings.orders_address(broker)) as client:
        try:
            await client.wait_connected(CONNECT_S_MAX)
            reply = await client.call("account.get", {}, timeout_s=ANSWER_S_MAX)
        except ArenaError:
            return None
    account = reply.result["account"]
    return str(account["account"]) if account["mode"] == "live" else ""
