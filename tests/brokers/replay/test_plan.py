"""Plans: what is an order and when it arrives, and which line is wrong."""

from decimal import Decimal
from pathlib import Path

import pytest

from brokers.replay.errors import PlanError
from brokers.replay.plan import PlannedOrder, parse_at, read_plan
from tests.brokers.paper.kit import INSTRUMENTS

ORDER = '"instrument": "EUR_USD", "side": "BUY", "units": 100, "entry_price": 1.385, "stop_loss_price": 1.38, "take_profit_price": 1.39'
GOOD = f'{{"at": "2014-05-02T12:29:00Z", {ORDER}}}'


def read(tmp_path: Path, text: str | bytes) -> list[PlannedOrder]:
    path = tmp_path / "plan.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_plan(path, venue="oanda", instrument="EUR_USD", instruments=INSTRUMENTS)


def test_orders_come_in_the_order_of_their_times_and_then_of_their_lines(tmp_path: Path) -> None:
    """Empty lines, a BOM and carriage returns are nobody's order."""
    text = "\ufeff" + GOOD.replace("12:29", "12:31") + "\r\n\r\n" + GOOD + "\n" + GOOD.replace("1.385", "1.386")
    assert [(order.line, order.ticket.entry_price) for order in read(tmp_path, text)] == [
        (3, Decimal("1.385")),
        (4, Decimal("1.386")),
        (1, Decimal("1.385")),
    ]


def test_an_order_without_an_id_is_called_after_its_line_unless_another_one_is(tmp_path: Path) -> None:
    """The same plan always gives the same events, so no id is drawn by lot."""
    named = GOOD[:-1] + ', "client_order_id": "plan-2"}'
    assert [order.client_order_id for order in read(tmp_path, f"{GOOD}\n{GOOD}\n{named}")] == ["plan-1", "plan-2-", "plan-2"]


def test_numbers_are_exact_and_may_be_text_as_for_the_gateway(tmp_path: Path) -> None:
    ticket = read(tmp_path, GOOD.replace("1.385", '"1.38500"').replace("1.39", "1.3900000000000001"))[0].ticket
    assert (ticket.entry_price, ticket.take_profit_price) == (Decimal("1.38500"), Decimal("1.3900000000000001"))


@pytest.mark.parametrize(
    ("text", "after_1970_ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01t00:00:01.5z", 1_500_000_000),
        ("1970-01-01 02:00:00.000000001+02:00", 1),
        ("2014-05-02T12:30:01.535123456Z", 1_399_033_801_535_123_456),
    ],
)
def test_times_are_rfc_3339_to_the_nanosecond(text: str, after_1970_ns: int) -> None:
    assert parse_at(text) == after_1970_ns


@pytest.mark.parametrize(
    "text", ["", "2014-05-02", "2014-05-02T12:30:00", "2014-02-30T12:30:00Z", "2014-05-02T12:30:00.Z", "1399033801", "2014-05-02T25:00:00Z"]
)
def test_what_is_no_such_time_is_refused(text: str, tmp_path: Path) -> None:
    """Above all one without a zone."""
    with pytest.raises(ValueError):
        parse_at(text)
    with pytest.raises(PlanError, match=r"line 1: at is .* write a time with a zone"):
        read(tmp_path, GOOD.replace("2014-05-02T12:29:00Z", text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON: "),
        ("[1]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"at": 5, ' + ORDER + "}", "at is 5: write a time with a zone"),
        ("{" + ORDER + "}", "at is missing"),
        (GOOD.replace("stop_loss_price", "stop_los_price"), 'an order has no field "stop_los_price"; it may have at, instrument, product_id, side'),
        (GOOD.replace('"units": 100', '"units": 100, "\\u001b[31m": 1'), r'an order has no field "\u001b[31m"'),
        (GOOD.replace('"units": 100', '"units": 100, "units": 200'), 'it names "units" twice'),
        (GOOD.replace("1.385", "NaN"), "NaN is no number"),
        (GOOD.replace("100", '"many"'), "Invalid decimal string - at `$.units`"),
        (GOOD.replace("100", "true"), "units"),
        (GOOD.replace("BUY", "buy"), "Invalid enum value 'buy' - at `$.side`"),
        (GOOD.replace(', "stop_loss_price": 1.38', ""), "stop_loss_price is missing"),
        (GOOD.replace('"units"', '"size": 5, "units"'), "units and size are the same field"),
        (GOOD.replace('"units"', '"entry_type": "market", "units"'), "a market entry has no price"),
        (GOOD.replace('"units"', '"client_order_id": "no spaces", "units"'), "client_order_id must be 1 to 48"),
        (GOOD.replace("EUR_USD", "GBP_USD"), 'orders "GBP_USD", and the quotes are those of EUR_USD'),
        (GOOD.replace("EUR_USD", "EUR_XXX"), 'orders "EUR_XXX", and the quotes are those of EUR_USD'),
        (GOOD.replace('"instrument": "EUR_USD", ', ""), "instrument or product_id is missing"),
        ("[" * 60_000, "is not JSON that an order can be"),
        ("1" * 5000, "is not JSON that an order can be"),
        ('{"at": "' + "x" * 70_000 + '"}', "has more than 65536 bytes"),
    ],
)
def test_a_line_that_is_no_order_is_refused_by_its_number(tmp_path: Path, line: str, message: str) -> None:
    """In one sentence without a control character."""
    with pytest.raises(PlanError) as refused:
        read(tmp_path, f"{GOOD}\n\n{line}\n{GOOD}")
    assert refused.value.message.startswith("plan.jsonl line 3: ")
    assert message in refused.value.message
    assert refused.value.message.isprintable()
    assert refused.value.details == {"file": "plan.jsonl", "line": 3}


@pytest.mark.parametrize("line", [GOOD.replace("1.385", "1.3850001"), GOOD.replace("100", "0"), GOOD.replace("1.39", "1.2")])
def test_what_the_venue_will_deny_is_no_fault_of_the_plan(tmp_path: Path, line: str) -> None:
    """It is denied when it arrives, and journalled, as live."""
    assert len(read(tmp_path, line)) == 1


@pytest.mark.parametrize(("text", "message"), [(b"\n\n", "holds no order"), (b"\xff\xfe", "line 1: is not text")])
def test_a_file_without_orders_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(PlanError, match=f"cannot be read: {reason}"):
            read_plan(path, venue="oanda", instrument="EUR_USD", instruments=INSTRUMENTS)
