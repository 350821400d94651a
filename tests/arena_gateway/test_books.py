"""The books over all brokers: exact sums, one cursor for all, and a broker that is down is named."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.arena_gateway.fakes import AT, DEFAULTS, STANDING, Desk, open_desk

LISTS = ["trades", "fills", "equity", "positions", "account", "performance"]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


@pytest.mark.parametrize("name", LISTS)
async def test_a_broker_that_is_down_is_named_and_the_other_answers(desk: Desk, name: str) -> None:
    desk.adapters["coinbase"].down = True
    answer = await desk.call("GET", f"/{name}")
    assert (answer.status, answer.body["unavailable"]) == (200, ["coinbase"])
    assert answer.body.get("total") is None


async def test_accounts_are_added_up_to_the_last_digit(desk: Desk) -> None:
    """0.1 and 0.2 make 0.3: sums are made of decimals."""
    account = {**DEFAULTS["account.get"]["account"], "balance": 0.1, "as_of": "2025-10-16T05:55:28Z"}
    desk.oanda.answers["account.get"] = {"account": account}
    desk.adapters["coinbase"].answers["account.get"] = {"account": {**account, "broker": "coinbase", "balance": 0.2, "as_of": AT, "stale": True}}
    total = (await desk.call("GET", "/account")).body["total"]
    assert (total["balance"], total["equity"], total["as_of"], total["stale"]) == (0.3, 200000, AT, True)


@pytest.mark.parametrize("other", [{"currency": "EUR"}, {"mode": "live"}])
async def test_two_currencies_and_paper_with_real_money_make_no_total(desk: Desk, other: dict[str, str]) -> None:
    desk.adapters["coinbase"].answers["account.get"] = {"account": {**DEFAULTS["account.get"]["account"], **other}}
    answer = await desk.call("GET", "/account")
    assert (len(answer.body["accounts"]), answer.body["total"]) == (2, None)


async def test_performance_over_both_is_worked_out_anew_from_the_sums(desk: Desk) -> None:
    answer = await desk.call("GET", "/performance")
    total = answer.body["total"]
    assert (total["trades"], total["net_pnl"], total["win_rate"], total["expectancy"], total["profit_factor"]) == (6, 40.2, 0.6667, 6.7, 2.9901)
    one = await desk.call("GET", "/brokers/oanda/performance")
    assert one.body["performance"] == DEFAULTS["performance.get"]["performance"]


async def test_one_cursor_goes_on_where_each_broker_was_left(desk: Desk) -> None:
    rows = [{"at": "2025-10-16T05:55:28Z", "balance": 1, "equity": 1, "open_pnl": 0}]
    desk.oanda.answers["equity.list"] = {"equity": rows, "next": "57", **STANDING}
    desk.adapters["coinbase"].answers["equity.list"] = {"equity": [{**rows[0], "at": "2025-10-16T05:55:29Z"}], "next": None, **STANDING}
    answer = await desk.call("GET", "/equity?limit=1")
    assert [row["broker"] for row in answer.body["equity"]] == ["coinbase", "oanda"]
    assert answer.body["next"] == "oanda:57"
    await desk.call("GET", "/equity?limit=1&after=oanda:57")
    assert desk.oanda.calls[-1].args == {"limit": 1, "after": "57"}
    assert len([call for call in desk.adapters["coinbase"].calls if call.op == "equity.list"]) == 1
    assert (await desk.call("GET", "/equity?after=mars:1")).body["code"] == "CURSOR_INVALID"
