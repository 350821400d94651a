"""The rights table of docs/security.md against the running gateway: every route, every role, own and other modes."""

from pathlib import Path

import pytest

from arena_gateway.users import open_users
from tests.arena_gateway.fakes import SEED_ORDER, Desk, open_desk, settings_at
from tests.security.rights import routes_of

TABLE = routes_of("gateway")
STRONG = "a strong pass phrase"

ALLOWED = {
    "public": {None, "viewer", "trader", "admin"},
    "read": {None, "viewer", "trader", "admin"},
    "viewer": {"viewer", "trader", "admin"},
    "trader": {"trader", "admin"},
    "admin": {"admin"},
}
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("POST", "/brokers/{broker}/orders"): SEED_ORDER,
    ("POST", "/brokers/{broker}/orders/preview"): SEED_ORDER,
    ("PATCH", "/brokers/{broker}/orders/{order_id}"): {"ttl_min": 5},
    ("POST", "/auth/api-keys"): {"name": "k", "scopes": ["read"]},
    ("POST", "/admin/trading-state"): {"state": "HALTED"},
    ("POST", "/auth/introspect"): {"token": "x"},
}


async def test_the_table_names_every_route_and_its_class(desk: Desk) -> None:
    listed = {(route.method, route.path): route.auth for route in desk.gateway.routes}
    listed |= {("GET", "/openapi.json"): "public", ("GET", "/docs"): "public", ("GET", "/docs.css"): "public"}
    assert listed == TABLE


@pytest.mark.parametrize("live", [False, True])
async def test_each_role_may_what_the_table_says_and_nothing_else(tmp_path: Path, live: bool) -> None:
    async with open_desk(tmp_path, execution_enabled=live) as desk:
        tokens: dict[str | None, str | None] = {None: None}
        with open_users(settings_at(tmp_path)) as users:
            for role in ("viewer", "trader", "admin"):
                users.add(f"{role}@desk", STRONG, role, by="host")
        for role in ("viewer", "trader", "admin"):
            tokens[role] = (await desk.login(f"{role}@desk", STRONG)).body["access_token"]
        deviations = []
        for (method, path), access in TABLE.items():
            url = path.format(broker="oanda", order_id="paper-oanda-1", instrument="EUR_USD", key_id="none")
            for role, token in tokens.items():
                if path == "/auth/logout" and token is not None:
                    continue  # it would end the session that the next rows need
                body = BODIES.get((method, path))
                answer = await desk.call(method, url, token=token, **({"json": body} if body else {}))
                may = role in ALLOWED[access] and not (live and role is None and access == "read")
                turned_away = answer.body.get("code") in {"TOKEN_REQUIRED", "TOKEN_INVALID", "ROLE_REQUIRED"} and path != "/auth/logout"
                if may is turned_away or (turned_away and answer.status != (401 if role is None else 403)):
                    deviations.append((method, path, role, answer.status, answer.body.get("code")))
        assert deviations == []


async def test_only_an_admin_resumes_where_money_is_real(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        trader, admin = await desk.token(), await desk.token("admin")
        path = "/admin/trading-state"
        assert (await desk.call("POST", path, token=trader, json={"state": "ACTIVE"})).status == 200
        desk.gateway.dispatcher._mode_of = lambda broker: "live" if broker == "oanda" else "paper"
        for state, token, status in (("HALTED", trader, 200), ("REDUCING", trader, 200), ("ACTIVE", trader, 403), ("ACTIVE", admin, 200)):
            assert (await desk.call("POST", path, token=token, json={"state": state})).status == status, state
        assert (await desk.call("POST", path, token=trader, json={"state": "ACTIVE", "broker": "coinbase"})).status == 200


async def test_an_adapter_never_takes_a_stranger_for_somebody_on_the_host(desk: Desk) -> None:
    await desk.call("GET", "/brokers/oanda/orders")
    assert desk.oanda.calls[-1].actor == {"user": "anonymous", "role": "viewer", "live": False}
