"""The ``arena`` command against a running arena: what people type, what scripts parse, and the documented exit codes."""

import json

import pytest

from cli.desk import ACCOUNT_COLUMNS, POSITION_COLUMNS, TRADE_COLUMNS
from tests.system.stack import PROGRAMS, Stack

BRACKET = ("order", "oanda", "buy", "100", "EUR_USD", "--entry", "1.1655", "--stop", "1.1600", "--target", "1.1700")


@pytest.fixture(scope="module")
async def desk(stack: Stack) -> Stack:
    """The arena with a logged-in trader, whose session the commands keep."""
    await stack.call("POST", f"{stack.gateway}/auth/register", json={"email": "cli@test", "password": "pass", "role": "trader"})
    code, out, err = await stack.cli("login", "cli@test", input_text="pass\n")
    assert code == 0, err
    assert "cli@test" in out
    return stack


async def json_of(stack: Stack, *arguments: str) -> dict[str, object]:
    code, out, err = await stack.cli(*arguments, "--json")
    assert code == 0, err
    answer: dict[str, object] = json.loads(out)
    return answer


async def test_the_session_is_for_its_owner_alone(desk: Stack) -> None:
    assert (desk.home / "keys" / "cli-session.json").stat().st_mode & 0o777 == 0o600


async def test_order_list_cancel(desk: Stack) -> None:
    """Place, find it by its own id, cancel it, find it cancelled."""
    placed = await json_of(desk, *BRACKET, "--id", "cli-1", "--quality", "80")
    assert placed["status"] == "PENDING"
    listed = await json_of(desk, "orders", "oanda", "--id", "cli-1")
    assert [order["order_id"] for order in listed["orders"]] == [placed["order_id"]]  # type: ignore[attr-defined]
    code, out, _ = await desk.cli("cancel", "oanda", str(placed["order_id"]))
    assert code == 0
    assert "CANCELLED" in out
    listed = await json_of(desk, "orders", "oanda", "--id", "cli-1")
    assert listed["orders"][0]["status"] == "CANCELLED"  # type: ignore[index]


async def test_the_same_id_twice_is_one_order(desk: Stack) -> None:
    first, second = await json_of(desk, *BRACKET, "--id", "cli-2"), await json_of(desk, *BRACKET, "--id", "cli-2")
    assert first["order_id"] == second["order_id"]


async def test_a_table_for_people(desk: Stack) -> None:
    await json_of(desk, *BRACKET)
    code, out, _ = await desk.cli("orders", "oanda")
    assert code == 0
    assert "order_id" in out
    assert "paper-oanda-" in out


async def test_cancel_all(desk: Stack) -> None:
    await json_of(desk, *BRACKET)
    code, out, err = await desk.cli("cancel", "oanda", "--all")
    assert code in {0, 3}, err  # 3 where somebody else's order stands
    assert "paper-oanda-" in out


async def test_a_market_order_becomes_a_position_and_closes(desk: Stack) -> None:
    placed = await json_of(desk, "order", "oanda", "buy", "100", "EUR_USD", "--stop", "1.1000", "--target", "1.2500", "--id", "cli-market")
    async with desk.events(f"{desk.gateway}/events?replay=100") as frames:
        async for frame in frames:
            data = frame["data"]
            if frame["event"] is None and data["type"] == "order_filled" and data["payload"]["order_id"] == placed["order_id"]:
                break
    positions = await json_of(desk, "positions", "oanda")
    assert any(position["instrument"] == "EUR_USD" for position in positions["positions"])  # type: ignore[attr-defined]
    code, out, err = await desk.cli("close", "oanda", "EUR_USD", "--side", "BUY")
    assert code == 0, err + out
    # A column that the gateway does not fill would be an empty one in everybody's table.
    accounts, trades = await json_of(desk, "account"), await json_of(desk, "trades", "oanda")
    for columns, rows in ((POSITION_COLUMNS, positions["positions"]), (ACCOUNT_COLUMNS, accounts["accounts"]), (TRADE_COLUMNS, trades["trades"])):
        assert set(columns) <= set(rows[0])  # type: ignore[index]


async def test_a_preview_places_nothing(desk: Stack) -> None:
    before = await json_of(desk, "orders", "oanda")
    await json_of(desk, *BRACKET, "--preview")
    after = await json_of(desk, "orders", "oanda")
    assert len(before["orders"]) == len(after["orders"])  # type: ignore[arg-type]


async def test_a_refusal_says_why_and_exits_with_one(desk: Stack) -> None:
    code, _, err = await desk.cli("order", "oanda", "buy", "100", "EUR_USD", "--entry", "1.165501", "--stop", "1.16", "--target", "1.17")
    assert code == 1
    assert "PRICE_OFF_TICK" in err


@pytest.mark.parametrize(
    "arguments",
    [("order", "oanda"), ("cancel", "oanda"), ("nonsense",), ("order", "oanda", "buy", "many", "EUR_USD", "--stop", "1", "--target", "2")],
)
async def test_a_wrong_command_line_exits_with_two(desk: Stack, arguments: tuple[str, ...]) -> None:
    code, _, err = await desk.cli(*arguments)
    assert code == 2
    assert err


async def test_status(desk: Stack) -> None:
    await desk.ready()
    answer = await json_of(desk, "status")
    assert [program["program"] for program in answer["programs"]] == list(PROGRAMS)  # type: ignore[attr-defined]
    assert all(program["state"] == "RUNNING" for program in answer["programs"])  # type: ignore[attr-defined]
    assert [program["program"] for program in answer["programs"] if program["age_s"] is None] == ["bus"]  # type: ignore[attr-defined]
    code, out, _ = await desk.cli("status")
    assert code == 0
    assert "gateway" in out


async def test_tail_shows_events_for_people_and_programs(desk: Stack) -> None:
    placed = await json_of(desk, *BRACKET)
    code, out, err = await desk.cli("tail", "--no-follow", "--source", "oanda")
    assert code == 0, err
    assert str(placed["order_id"]) in out
    code, out, _ = await desk.cli("tail", "--no-follow", "--source", "oanda", "--json")
    last = json.loads(out.splitlines()[-1])
    assert last["source"] == "oanda"
    assert last["id"].count("@") >= 1


async def test_doctor(desk: Stack) -> None:
    _, out, _ = await desk.cli("doctor", "--json")
    checks = {check["check"]: check for check in json.loads(out)["checks"]}
    assert checks["run"]["ok"]
    assert checks["keys"]["ok"]
    assert checks["disk"]["ok"]


async def test_users_on_the_host(desk: Stack) -> None:
    """Add, list, passwd, disable; a weak password is refused here."""
    code, _, err = await desk.cli("user", "add", "ann@desk", "--role", "admin", input_text="short\n")
    assert code == 1
    assert "12" in err or "password" in err
    code, out, err = await desk.cli("user", "add", "ann@desk", "--role", "admin", input_text="correct horse battery\n")
    assert code == 0, err
    users = await json_of(desk, "user", "list")
    assert {"email": "ann@desk", "role": "admin"}.items() <= next(user for user in users["users"] if user["email"] == "ann@desk").items()  # type: ignore[attr-defined]
    status, answer, _ = await desk.call("POST", f"{desk.gateway}/auth/login", json={"email": "ann@desk", "password": "correct horse battery"})
    assert status == 200
    code, _, _ = await desk.cli("user", "disable", "ann@desk")
    assert code == 0

    async def shut_out() -> bool:
        status, _, _ = await desk.call("GET", f"{desk.gateway}/auth/me", token=answer["access_token"])
        return status == 401

    await desk.eventually(shut_out, "the gateway to see that the user is disabled", seconds=5)
    code, out, _ = await desk.cli("user", "audit")
    assert "ann@desk" in out


async def test_a_paper_account_begins_anew(desk: Stack) -> None:
    """Open orders are gone, the money is what it was at first, and the journal says so."""
    await json_of(desk, *BRACKET)
    answer = await json_of(desk, "paper", "reset", "oanda")
    assert answer["cancelled"] >= 1  # type: ignore[operator]
    assert answer["balance"] == 100_000
    listed = await json_of(desk, "orders", "oanda", "--status", "PENDING")
    assert listed["orders"] == []
    code, out, _ = await desk.cli("tail", "--no-follow", "--type", "paper_reset", "--json")
    assert code == 0
    assert json.loads(out.splitlines()[-1])["type"] == "paper_reset"
    code, _, err = await desk.cli("paper", "reset", "kraken")
    assert code == 1
    assert "kraken" in err


async def test_no_gateway_is_exit_four_and_says_what_to_type(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = Stack(home=tmp_path_factory.mktemp("n"))
    code, _, err = await nowhere.cli("orders")
    assert code == 4
    assert "make up" in err
    code, _, _ = await nowhere.cli("status")
    assert code == 4
