"""Health, readiness, metrics, the stream's door, the brake and the audit log."""

import re
from pathlib import Path
from typing import get_type_hints

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from arena_gateway import answers
from arena_gateway.users import open_users
from bus import replies
from tests.arena_gateway.fakes import SEED_ORDER, Desk, GatewaySettings, HttpSettings, open_desk, settings_at
from trading.errors import Unavailable


async def test_health_says_ok_and_more_only_to_who_may_know(desk: Desk, tmp_path: Path) -> None:
    answer = await desk.call("GET", "/health")
    assert (answer.status, answer.body["ok"], answer.body["mode"]) == (200, True, "paper")
    http = HttpSettings(allow_remote=True, trusted_proxies=("10.0.0.9",))
    async with open_desk(tmp_path / "remote", gateway=GatewaySettings(host="0.0.0.0"), http=http) as remote:
        assert (await remote.call("GET", "/health")).body == {"ok": True}
        for path in ("/health/ready", "/metrics", "/events", "/brokers/oanda/orders"):
            assert (await remote.call("GET", path)).status == 401, path
        with open_users(remote.accounts.settings) as users:
            users.add("a@b", "a strong pass phrase", "viewer", by="host")
        token = (await remote.login("a@b", "a strong pass phrase")).body["access_token"]
        for path in ("/health/ready", "/metrics", "/events"):
            assert (await remote.call("GET", path, token=token)).status in {200, 503}, path


async def test_ready_names_every_program_and_who_is_missing(desk: Desk) -> None:
    answer = await desk.call("GET", "/health/ready")
    assert (answer.status, answer.body["code"], answer.body["details"]) == (503, "NOT_READY", {"missing": ["market_data"]})
    assert answer.body["components"]["oanda"] == {"status": "ok", "age_s": 0.1, "mode": "paper", "trading_state": "ACTIVE", "last_seq": 3}
    assert answer.body["components"]["market_data"]["status"] == "silent"


async def test_metrics_show_all_programs_by_label_and_the_gateways_own(desk: Desk) -> None:
    await desk.place()
    answer = await desk.call("GET", "/metrics")
    page = answer.raw.decode()
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert 'arena_last_seq{program="oanda"} 3.0' in page
    assert 'arena_degraded{program="coinbase"} 0.0' in page
    assert re.search(r'arena_order_seconds_count{broker="oanda"} 1\.0', page)
    assert 'arena_order_answers_total{broker="oanda",code="ok"} 1.0' in page


async def test_the_stream_and_its_history_follow_the_read_rule(desk: Desk) -> None:
    assert (await desk.call("GET", "/events?types=order_filled")).raw.startswith(b"data:")
    assert (await desk.call("GET", "/events", headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await desk.call("GET", "/events", token="x")).status == 401
    page = await desk.call("GET", "/events/history?after=start&limit=500")
    assert page.body == {"ok": True, "events": [], "next": "start", "complete": True, "notices": [], "sources": {}, "unavailable": []}
    assert (await desk.call("GET", "/events/history?types=order_filled,narration&sources=rick")).status == 200
    for query in ("limit=501", "limit=0", "after=a&before=b", "colour=red"):
        assert (await desk.call("GET", f"/events/history?{query}")).status == 400, query


async def test_the_brake_reaches_every_broker_it_can_and_names_the_others(desk: Desk) -> None:
    desk.adapters["coinbase"].down = True
    token = await desk.token()
    answer = await desk.call("POST", "/admin/trading-state", token=token, json={"state": "HALTED", "cancel": True, "reason": "news"})
    assert answer.status == 207
    assert (answer.body["ok"], list(answer.body["brokers"]), answer.body["failed"]) == (False, ["oanda"], {"coinbase": "ADAPTER_DOWN"})
    assert desk.oanda.calls[-1].args == {"state": "HALTED", "reason": "news", "cancel": True, "flatten": False}
    seen = await desk.call("GET", "/admin/trading-state")
    assert (list(seen.body["brokers"]), seen.body["unavailable"]) == (["oanda"], ["coinbase"])
    for body in ({"state": "halted"}, {"state": "HALTED", "cancel": 1}, {}, {"state": "HALTED", "why": "x"}):
        assert (await desk.call("POST", "/admin/trading-state", token=token, json=body)).status == 400, body
    assert (await desk.call("POST", "/admin/trading-state", token=token, json={"state": "HALTED", "broker": "nowhere"})).status == 404


async def test_the_audit_log_says_who_did_what_from_where_and_cannot_be_changed(desk: Desk, tmp_path: Path) -> None:
    await desk.place({**SEED_ORDER, "client_order_id": "audited"})
    desk.oanda.answers["order.place"] = Unavailable("low", code="STORE_LOW")
    await desk.place({**SEED_ORDER, "client_order_id": "refused"})
    await desk.login("trader@test", "wrong")
    await desk.login("evil\x1b[2J@test", "wrong")
    answer = await desk.call("GET", "/admin/audit?limit=200", token=await desk.token("admin"))
    assert {(row["action"], row["outcome"]): row["details"] for row in answer.body["entries"]}["order.place", "ok"] == {}
    rows = {(row["actor"], row["action"], row["subject"], row["outcome"], row["address"]) for row in answer.body["entries"]}
    assert ("trader@test", "order.place", "oanda/audited", "ok", "127.0.0.1") in rows
    assert ("trader@test", "order.place", "oanda/refused", "STORE_LOW", "127.0.0.1") in rows
    assert ("trader@test", "login", "", "ok", "127.0.0.1") in rows
    assert ("trader@test", "login", "", "LOGIN_FAILED", "127.0.0.1") in rows
    assert ("evil?[2j@test", "login", "", "LOGIN_FAILED", "127.0.0.1") in rows
    assert ("trader@test", "user.add", "trader@test", "ok", "127.0.0.1") in rows
    assert b"pass" not in answer.raw.replace(b"user.passwd", b"")
    desk.oanda.answers.pop("order.place")
    for n in range(30):
        await desk.place({**SEED_ORDER, "client_order_id": f"many-{n}"})
    many = await desk.call("GET", "/admin/audit?limit=1", token=await desk.token("admin"))
    assert many.body["entries"][0]["details"] == {"count": 30, "subjects": [f"oanda/many-{n}" for n in range(20)]}
    only = await desk.call("GET", "/admin/audit?action=order.place&limit=1", token=await desk.token("admin"))
    assert [row["subject"] for row in only.body["entries"]] == ["oanda/many-0"]
    older = await desk.call("GET", f"/admin/audit?action=order.place&before={only.body['next']}", token=await desk.token("admin"))
    beyond = await desk.call("GET", "/admin/audit?before=884485444715439122808832", token=await desk.token("admin"))
    assert beyond.status == 400, "more than a row can be numbered"
    assert [row["subject"] for row in older.body["entries"]] == ["oanda/refused", "oanda/audited"]
    with open_users(settings_at(tmp_path)) as users, users.store.write() as db:
        for statement in ("DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"):
            with pytest.raises(Exception, match="append-only"):
                db.execute(statement)


async def test_the_document_is_valid_and_answers_keep_to_it(desk: Desk) -> None:
    document = (await desk.call("GET", "/openapi.json")).body
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    place = document["paths"]["/brokers/{broker}/orders"]["post"]
    assert {"200", "201", "202", "400", "401", "403", "404", "409", "413", "422", "429", "503", "504"} <= set(place["responses"])
    assert (await desk.call("GET", "/docs")).status == 200


async def test_every_answer_is_what_the_document_says(desk: Desk) -> None:
    """All routes with a good request, and with a bad one: the body fits the schema of its status."""
    document = (await desk.call("GET", "/openapi.json")).body
    admin = await desk.token("admin")
    bodies: dict[str, dict[str, object]] = {
        "/brokers/{broker}/orders": SEED_ORDER,
        "/brokers/{broker}/orders/preview": SEED_ORDER,
        "/brokers/{broker}/orders/{order_id}": {"ttl_min": 5},
        "/auth/register": {"email": "new@test", "password": "p"},
        "/auth/login": {"email": "admin@test", "password": "pass"},
        "/auth/api-keys": {"name": "k", "scopes": ["read"]},
        "/auth/introspect": {"token": admin},
        "/auth/refresh": {"refresh_token": (await desk.login("admin@test")).body["refresh_token"]},
        "/admin/trading-state": {"state": "HALTED"},
    }
    seen = set()
    for path, operations in sorted(document["paths"].items(), key=lambda item: item[0] == "/auth/logout"):
        url = path.format(broker="oanda", order_id="paper-oanda-1", instrument="EUR_USD", key_id="none")
        for method, operation in operations.items():
            good = {"json": bodies[path]} if path in bodies and method in {"post", "patch"} else {}
            bad = {"data": b"{", "headers": {"Content-Type": "application/json"}} if method in {"post", "patch"} else {"params": {"colour": "red"}}
            for token, more in ((admin, good), (admin, bad), ("forged", good)):
                answer = await desk.call(method.upper(), url, token=token, **more)
                content = operation["responses"][str(answer.status)]["content"]
                seen.add(answer.status)
                if answer.body and "application/json" in content and "schema" in content["application/json"]:
                    schema = {**content["application/json"]["schema"], "components": document["components"]}
                    assert list(Draft202012Validator(schema).iter_errors(answer.body)) == [], (method, path, answer.body)
    assert {200, 201, 207, 400, 401, 404} <= seen


def test_the_placement_loses_nothing_but_its_marker() -> None:
    assert set(get_type_hints(answers.PlacedAnswer)) - {"ok"} == set(get_type_hints(replies.Placement)) - {"replayed"}
