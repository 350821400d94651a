"""One arena with complete credentials, first without the switch and then with it; the venues are simulators that count.

Without it nothing reaches them at all. With it orders stand there with their exits, LIVE is written everywhere, and every door that paper leaves
open on this machine is closed.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.market_data.live_watch import OpenMarket
from tests.system.stack import PROGRAMS, SEED_ORDER, Stack
from tests.system.wires import next_event
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.oanda.venue import OandaVenue

STRONG = "a long and odd sentence"
COIN = {"instrument": "BTC-USD", "units": 0.001, "entry_price": 30000, "stop_loss_price": 29000, "take_profit_price": 70000}
AT_MARKET = {"entry_type": "market", "entry_price": None, "stop_loss_price": 1.0, "take_profit_price": 1.4}
# Root may not trade real money. In a user namespace of its own root is somebody else, and still reaches this interpreter and these files.
AS_A_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


def prefix() -> tuple[str, ...]:
    """What makes a command run as an ordinary user; skips where root cannot be anybody else."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("unshare") is None or subprocess.run([*AS_A_USER, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("as root this needs user namespaces (unshare)")
    return AS_A_USER


class Desk:
    """The arena and its two venues; ``go`` starts it anew with other settings."""

    def __init__(self, stack: Stack, oanda: OandaVenue, coinbase: CoinbaseVenue) -> None:
        self.stack = stack
        self.oanda = oanda
        self.coinbase = coinbase
        self.token = ""

    @property
    def hits(self) -> Mapping[str, int]:
        return {**self.oanda.hits.counts, **self.coinbase.hits.counts}

    async def go(self, **environ: str) -> None:
        await self.stack.stop()
        self.stack.environ |= environ
        await self.stack.start()

    async def order(self, broker: str = "oanda", **changes: object) -> tuple[int, Any]:
        body = {name: value for name, value in {**SEED_ORDER, **changes}.items() if value is not None}
        status, answer, _ = await self.stack.call("POST", f"{self.stack.gateway}/brokers/{broker}/orders", token=self.token, json=body)
        return status, answer

    async def cli(self, *arguments: str, input_text: str | None = None, code: int = 0) -> str:
        got, out, err = await self.stack.cli(*arguments, input_text=input_text)
        assert got == code, f"{arguments}: {out}{err}"
        return out + err


@pytest_asyncio.fixture(scope="module")
async def desk() -> AsyncIterator[Desk]:
    home = Path(tempfile.mkdtemp(prefix="arena-", dir="/tmp"))
    secrets = Path(tempfile.mkdtemp(prefix="arena-secrets-", dir="/tmp"))
    try:
        async with OandaVenue(clock=OpenMarket(), heartbeat_s=1.0) as oanda, CoinbaseVenue() as coinbase:
            oanda.quotes.set("EUR_USD", bid=Decimal("1.16690"), ask=Decimal("1.16700"))
            credentials = {
                "OANDA_API_TOKEN": oanda.token,
                "OANDA_ACCOUNT_ID": oanda.account_id,
                "COINBASE_API_KEY": coinbase.key.name,
                "COINBASE_API_SECRET": coinbase.key.secret,
            }
            environ = {
                "OANDA_BASE_URL": oanda.base_url,
                "OANDA_STREAM_URL": oanda.stream_url,
                "COINBASE_BASE_URL": coinbase.base_url,
                "COINBASE_WS_URL": coinbase.ws_url,
            }
            for name, value in credentials.items():
                (secrets / name).touch(mode=0o600)
                (secrets / name).write_text(value)
                environ[f"{name}_FILE"] = str(secrets / name)
            async with Stack(environ, home=home, prefix=prefix()) as stack:
                yield Desk(stack, oanda, coinbase)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(secrets, ignore_errors=True)


async def test_without_the_switch_nothing_reaches_a_venue(desk: Desk) -> None:
    """Unset, then false: orders are placed, changed, filled, cancelled and closed on paper, and neither simulator is asked anything."""
    stack = desk.stack
    for switch in (None, "false"):
        if switch is not None:
            await desk.go(EXECUTION_ENABLED=switch)
        assert b"PAPER, no real money moves" in stack.said
        desk.token = await stack.token()
        status, resting = await desk.order()
        assert (status, resting["mode"]) == (201, "paper")
        one = f"{stack.gateway}/brokers/oanda/orders/{resting['order_id']}"
        assert (await stack.call("PATCH", one, token=desk.token, json={"take_profit_price": 1.171}))[0] == 200
        assert (await stack.call("DELETE", one, token=desk.token))[0] == 200
        async with stack.events() as frames:
            status, filled = await desk.order(**AT_MARKET)
            assert status == 201, filled
            await next_event(frames, filled_entry(filled["order_id"]), seconds=30)
        status, closed, _ = await stack.call("DELETE", f"{stack.gateway}/brokers/oanda/positions/EUR_USD?percent=100", token=desk.token)
        assert status == 200, closed
        status, coin = await desk.order("coinbase", **COIN)
        assert (status, coin["mode"]) == (201, "paper"), coin
        assert desk.hits == {}, "a venue was asked"


async def test_with_it_live_is_written_everywhere_and_the_doors_of_paper_are_closed(desk: Desk) -> None:
    stack = desk.stack
    await desk.go(EXECUTION_ENABLED="true", ARENA_MARKET_DATA__FEED="oanda,coinbase")
    said = stack.said.decode()
    assert f"LIVE, REAL MONEY at oanda account {desk.oanda.account_id}, coinbase account" in said, said
    assert f"tcp://127.0.0.1:{stack.bus_port}" not in said, "the bus is closed to those without a key"
    assert "LIVE: real money moves at oanda and coinbase" in await desk.cli("status")
    assert "green" in (looked := await desk.cli("doctor", "--live")), looked
    assert (await stack.call("GET", f"{stack.gateway}/health"))[1]["mode"] == "live"
    status, answer, _ = await stack.call("POST", f"{stack.gateway}/auth/register", json={"email": "eve@here", "password": STRONG, "role": "trader"})
    assert (status, answer["code"]) == (403, "REGISTRATION_CLOSED"), answer
    status, answer, _ = await stack.call("POST", f"{stack.gateway}/auth/login", json={"email": "trader@test", "password": "pass"})
    assert (status, answer["code"]) == (403, "PASSWORD_CHANGE_REQUIRED"), "who registered on paper does not come in with that password"
    for url in (f"{stack.gateway}/orders", f"{stack.gateway}/events", f"{stack.dashboard}/arena/events", f"{stack.market_data}/quotes"):
        assert (await stack.call("GET", url))[0] == 401, url


async def test_real_orders_take_a_grant_and_stand_at_the_venue_with_their_exits(desk: Desk) -> None:
    """No grant, a grant, its amount used up, a grant taken back; curl-like HTTP all the way, and the page's own session."""
    stack = desk.stack
    await desk.cli("user", "add", "ann@desk", input_text=f"{STRONG}\n")
    credentials = {"email": "ann@desk", "password": STRONG}

    async def logged_in() -> bool:
        status, answer, _ = await stack.call("POST", f"{stack.gateway}/auth/login", json=credentials)
        desk.token = answer.get("access_token", "")
        return status == 200

    await stack.eventually(logged_in, "the new user to be known")
    await stack.eventually(lambda: reconciled(desk), "the account to be compared with the venue", seconds=60)
    status, answer = await desk.order()
    assert (status, answer["code"]) == (403, "LIVE_NOT_GRANTED")
    changing = {name for name in desk.hits if not name.startswith("GET ") and "preview" not in name}
    assert changing == set(), "nothing was sent without a grant; a preview places nothing"

    await desk.cli("user", "grant-live", "ann@desk", "oanda", "--max-notional-per-day", "300")
    await stack.eventually(lambda: is_granted(desk, "oanda"), "the grant to be in force")
    status, placed = await desk.order(client_order_id="first")
    assert (status, placed["mode"], placed["order_id"][:11]) == (201, "live", "live-oanda-"), placed
    standing = [order for order in desk.oanda.state()["account"]["orders"] if order["type"] == "LIMIT"]
    assert [(order["instrument"], order["units"], order["price"]) for order in standing] == [("EUR_USD", "100", "1.16550")]
    assert [(each["stopLossOnFill"]["price"], each["takeProfitOnFill"]["price"]) for each in standing] == [("1.16000", "1.17000")]
    status, again = await desk.order(client_order_id="first")
    assert (status, again["order_id"]) == (200, placed["order_id"])

    status, second = await desk.order(client_order_id="second")
    assert status == 201, second
    status, third = await desk.order(client_order_id="third")
    assert (status, third["code"], third["details"]["limit"]) == (422, "LIVE_NOTIONAL_PER_DAY_MAX", 300), third
    status, bought = await desk.order(**AT_MARKET, units=10)
    assert status == 201, bought
    await stack.eventually(lambda: is_guarded(desk, bought["order_id"]), "the market entry to be filled and guarded by the venue", seconds=30)
    (trade,) = desk.oanda.state()["trades"]
    assert (trade["currentUnits"], trade["stopLossOrder"]["price"], trade["takeProfitOrder"]["price"]) == ("10", "1.00000", "1.40000")
    status, closed, _ = await stack.call("DELETE", f"{stack.gateway}/brokers/oanda/positions/EUR_USD?percent=100", token=desk.token)
    assert status == 200, closed
    assert desk.oanda.state()["account"]["openTradeCount"] == 0

    status, page, _ = await stack.call("POST", f"{stack.dashboard}/api/session", json=credentials)
    assert (status, page["mode"], page["modes"], page["live"]) == (200, "live", {"coinbase": "live", "oanda": "live"}, ["oanda"])

    status, answer = await desk.order("coinbase", **COIN)
    assert (status, answer["code"]) == (403, "LIVE_NOT_GRANTED"), "a grant is for one broker"
    await desk.cli("user", "grant-live", "ann@desk", "coinbase", "--max-notional-per-day", "100")
    await stack.eventually(lambda: is_granted(desk, "coinbase"), "the second grant to be in force")
    status, coin = await desk.order("coinbase", **COIN)
    assert (status, coin["mode"], coin["order_id"][:14]) == (201, "live", "live-coinbase-"), coin
    assert desk.coinbase.hits.counts["POST /api/v3/brokerage/orders"] == 1

    await desk.cli("user", "revoke-live", "ann@desk", "oanda")

    async def refused() -> bool:
        return (await desk.order(units=1))[1].get("code") == "LIVE_NOT_GRANTED"

    await stack.eventually(refused, "the grant to be gone")
    status, answer, _ = await stack.call("DELETE", f"{stack.gateway}/brokers/oanda/orders", token=desk.token)
    assert status == 207, "what makes it smaller needs no grant"
    assert len([order for order in desk.oanda.state()["account"]["orders"] if order["type"] == "LIMIT"]) == 0


async def test_no_secret_is_where_it_does_not_belong(desk: Desk) -> None:
    """Not in an argument list, not in the environment of a program that does not ask that venue, not in a log, an event or a database."""
    secrets = [desk.oanda.token.encode(), desk.coinbase.key.secret.encode(), desk.coinbase.key.secret.splitlines()[1].encode()]
    files = {name: value for name, value in desk.stack.environ.items() if name.endswith("_FILE") and name.startswith(("OANDA_", "COINBASE_"))}
    assert len(desk.stack.processes()) > len(PROGRAMS)
    for pid in desk.stack.processes():
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        assert not any(secret in arguments or secret in environ for secret in secrets)
        if b"arena_gateway" in arguments or b"dashboard" in arguments or b"\0bus\0" in arguments:
            assert not any(path.encode() in environ for path in files.values()), arguments
    looked_at = [path for folder in ("log", "data") for path in (desk.stack.home / folder).iterdir() if path.is_file()]
    assert len(looked_at) > 7
    for path in looked_at:
        content = path.read_bytes()
        assert not any(secret in content for secret in secrets), path


async def test_going_back_is_paper_again(desk: Desk) -> None:
    """The same arena without the switch: paper orders on the paper account's money, the live ones are none of its, and no venue is asked."""
    stack = desk.stack
    await desk.go(EXECUTION_ENABLED="false", ARENA_MARKET_DATA__FEED="simulated")
    assert b"PAPER, no real money moves" in stack.said
    desk.oanda.hits.counts.clear()
    desk.coinbase.hits.counts.clear()
    desk.token = await stack.token("back@test")
    status, placed = await desk.order()
    assert (status, placed["mode"]) == (201, "paper"), placed
    _, listed, _ = await stack.call("GET", f"{stack.gateway}/brokers/oanda/orders?status=PENDING")
    assert [order["order_id"] for order in listed["orders"]] == [placed["order_id"]]
    _, answer, _ = await stack.call("GET", f"{stack.gateway}/brokers/oanda/account")
    assert (answer["account"]["mode"], answer["account"]["account"]) == ("paper", "paper")
    assert 99_000 < answer["account"]["balance"] < 101_000, "the paper account's own money"
    assert desk.hits == {}


async def reconciled(desk: Desk) -> bool:
    """Whether the adapter takes orders: without a grant it would say so only then."""
    status, answer, _ = await desk.stack.call("GET", f"{desk.stack.gateway}/brokers/oanda/account", token=desk.token)
    return status == 200 and not answer["account"]["stale"]


async def is_guarded(desk: Desk, order_id: str) -> bool:
    _, answer, _ = await desk.stack.call("GET", f"{desk.stack.gateway}/brokers/oanda/orders/{order_id}", token=desk.token)
    return bool(answer["order"]["status"] == "OPEN" and answer["order"]["protection"] == "venue")


async def is_granted(desk: Desk, broker: str) -> bool:
    _, answer, _ = await desk.stack.call("GET", f"{desk.stack.gateway}/auth/me", token=desk.token)
    return broker in answer["user"]["live"]


def filled_entry(order_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["type"] == "order_filled" and event["payload"]["order_id"] == order_id
