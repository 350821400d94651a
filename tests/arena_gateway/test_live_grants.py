"""Grants for real money at the gateway: the amount goes with every order of whoever holds one, and is gone with the grant."""

from decimal import Decimal
from pathlib import Path

from arena_gateway.accounts import WATCH_S
from arena_gateway.users import open_users
from tests.arena_gateway.fakes import SEED_ORDER, Desk, open_desk, settings_at

STRONG = "a strong pass phrase"
ANN = {"user": "ann@desk", "role": "trader"}


async def granted(desk: Desk, home: Path, limit: Decimal | None) -> str:
    """A token of ann@desk, who may trade real money at OANDA."""
    with open_users(settings_at(home)) as users:
        users.add("ann@desk", STRONG, "trader", by="host")
        users.grant_live("ann@desk", "oanda", notional_per_day_max=limit, by="host")
    await desk.accounts.tend()
    return str((await desk.login("ann@desk", STRONG)).body["access_token"])


async def test_the_amount_travels_with_each_order_to_the_broker_it_is_for(tmp_path: Path) -> None:
    async with open_desk(tmp_path, execution_enabled=True) as desk:
        token = await granted(desk, tmp_path, Decimal("2500.5"))
        for broker in ("oanda", "coinbase"):
            assert (await desk.call("POST", f"/brokers/{broker}/orders", token=token, json=SEED_ORDER)).status == 201
        assert desk.oanda.calls[-1].actor == {**ANN, "live": True, "live_notional_max": Decimal("2500.5")}
        assert desk.adapters["coinbase"].calls[-1].actor == {**ANN, "live": False}


async def test_a_key_shares_its_users_amount_where_its_scope_is_live(tmp_path: Path) -> None:
    async with open_desk(tmp_path, execution_enabled=True) as desk:
        token = await granted(desk, tmp_path, Decimal(1000))
        for scopes, live in ((["live:oanda"], {"live": True, "live_notional_max": Decimal(1000)}), (["paper"], {"live": False})):
            made = await desk.call("POST", "/auth/api-keys", token=token, json={"name": "bot", "scopes": scopes})
            assert (await desk.call("POST", "/brokers/oanda/orders", token=made.body["secret"], json=SEED_ORDER)).status == 201
            assert desk.oanda.calls[-1].actor == {**ANN, **live}


async def test_a_revoked_grant_is_gone_with_the_next_look_at_the_store(tmp_path: Path) -> None:
    """As the command line revokes: in the store, behind the gateway's back, while the same token is used on. S-A6 allows five seconds."""
    async with open_desk(tmp_path, execution_enabled=True) as desk:
        token = await granted(desk, tmp_path, Decimal(1000))
        await desk.call("POST", "/brokers/oanda/orders", token=token, json=SEED_ORDER)
        with open_users(settings_at(tmp_path)) as users:
            users.revoke_live("ann@desk", "oanda", by="host")
        await desk.accounts.tend()
        await desk.call("POST", "/brokers/oanda/orders", token=token, json=SEED_ORDER)
        assert desk.oanda.calls[-1].actor == {**ANN, "live": False}
        assert WATCH_S <= 2, "a look a second or two leaves room in the five"


async def test_the_gateway_says_live_when_a_broker_is(tmp_path: Path) -> None:
    """Not when the switch is on and no broker has credentials: what the brokers say counts, and the switch only until they have spoken."""
    async with open_desk(tmp_path, execution_enabled=True) as desk:
        assert (await desk.call("GET", "/health")).body["mode"] == "paper"
        said: dict[str, str | None] = {"oanda": "live", "coinbase": "paper"}
        desk.gateway.dispatcher._mode_of = lambda broker: said[broker]
        assert (await desk.call("GET", "/health")).body["mode"] == "live"
        said["oanda"] = None
        assert (await desk.call("GET", "/health")).body["mode"] == "live"
