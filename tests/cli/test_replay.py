"""``arena replay`` as it is typed: what it writes, what it says, how it ends."""

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from cli.app import app

ROOT = Path(__file__).parents[2]
QUOTES = ROOT / "tests" / "data" / "oanda-eurusd-2014-05-02.csv.gz"
BITCOIN = ROOT / "tests" / "data" / "binance-btcusdt-2024-08-09.csv.gz"

PLAN = (
    '{"at": "2014-05-02T12:29:00Z", "instrument": "EUR_USD", "side": "BUY", "units": 10000, "entry_type": "market", "stop_loss_price": 1.38500,'
    ' "take_profit_price": 1.40000, "client_order_id": "long"}\n'
    '{"at": "2014-05-02T12:29:00Z", "instrument": "EUR_USD", "side": "SELL", "units": 10000, "entry_type": "stop", "entry_price": 1.38300,'
    ' "stop_loss_price": 1.38500, "take_profit_price": 1.38100}\n'
    '{"at": "2014-05-02T12:31:00Z", "instrument": "EUR_USD", "side": "BUY", "units": 10000, "entry_price": 1.381555, "stop_loss_price": 1.38,'
    ' "take_profit_price": 1.39}\n'
)

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty directory with the plan above; options by name, None leaves one out."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("ARENA_"):
            monkeypatch.delenv(name)
    (tmp_path / "plan.jsonl").write_text(PLAN)

    def replay(*flags: str, **options: object) -> Result:
        chosen = {"broker": "oanda", "instrument": "EUR_USD", "quotes": QUOTES, "orders": "plan.jsonl", "events": "out.jsonl", **options}
        arguments = [text for name, value in chosen.items() if value is not None for text in (f"--{name}", str(value))]
        return CliRunner().invoke(app, ["replay", *arguments, *flags])

    return replay


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "plan.jsonl")


def test_the_summary_and_the_events_of_the_payrolls(run: Run, tmp_path: Path) -> None:
    """Bought at 12:29:00.034 at 1.38642, stopped at 1.38487 for 1.38500 at 12:30:01.506: -15.50, of which 1.30 is the gap. At risk were 14.20, so
    -1.09 R. The sell stop at 1.38300 fills in the jump of .535, at 1.38258, and stays open. The third price is off the tick.
    """
    result = run()
    assert result.exit_code == 0, result.output
    for said in (
        "EUR_USD at oanda, paper: 6,374 quotes from 2014-05-02 12:25:00.717 to 2014-05-02 12:34:57.809 UTC",
        "2 (refused: 1 PRICE_OFF_TICK)",
        "1 positions, 0 resting",
        "1 (0 won, 1 lost: 0.0%)",
        "-1.09 on average",
        "-15.50 USD",
        "0.00013 (1.30 USD on 10000): stop 1.385 filled at 1.38487, 2014-05-02 12:30:01.506, long",
        "STOP_LOSS        1     0    -15.50       -1.09",
    ):
        assert said in result.output, result.output
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert [each["seq"] for each in told] == list(range(1, 9))
    assert [(each["type"], each["payload"].get("price"), each["ts"]) for each in told[3:8]] == [
        ("order_filled", 1.38487, "2014-05-02T12:30:01.506000Z"),
        ("order_cancelled", None, "2014-05-02T12:30:01.506000Z"),
        ("bracket_closed", None, "2014-05-02T12:30:01.506000Z"),
        ("order_filled", 1.38258, "2014-05-02T12:30:01.535000Z"),
        ("order_rejected", None, "2014-05-02T12:31:00.022000Z"),
    ]
    assert all(list(each) == ["source", "type", "payload", "ts", "epoch", "seq"] and each["source"] == "oanda" for each in told)
    assert left(tmp_path) == ["out.jsonl"]


def test_the_same_input_gives_the_same_bytes_in_another_process_too(run: Run, tmp_path: Path) -> None:
    """Events, both reports and the JSON; another process has another hash seed, time zone and place."""
    hashes = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "plan.jsonl").write_text(PLAN)
        for report in ("r.html", "r.pdf"):
            command = [sys.executable, "-m", "cli.app", "replay", "--broker", "oanda", "--instrument", "EUR_USD", "--quotes", str(QUOTES)]
            command += ["--orders", "plan.jsonl", "--events", "out.jsonl", "--report", report, "--json"]
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": name.replace("one", "1").replace("two", "2"), "TZ": "Asia/Tokyo"}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
            (folder / "summary.json").write_bytes(done.stdout)
        hashes.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()})
    assert hashes[0] == hashes[1]
    assert set(hashes[0]) == {"plan.jsonl", "out.jsonl", "r.html", "r.pdf", "summary.json"}
    assert run(events="here.jsonl").exit_code == 0
    assert hashlib.sha256((tmp_path / "here.jsonl").read_bytes()).hexdigest() == hashes[0]["out.jsonl"]


def test_json_is_one_document_with_every_figure(run: Run) -> None:
    told = json.loads(run("--json").stdout)
    assert (told["brackets"], told["rejected"], told["trades"], told["losses"], told["net_pnl"]) == (2, {"PRICE_OFF_TICK": 1}, 1, 1, -15.5)
    assert told["stops"]["worst_gap"]["distance"] == 0.00013
    assert told["by_exit"] == {"STOP_LOSS": {"trades": 1, "wins": 0, "net_pnl": -15.5, "r_average": -1.0915}}
    assert told["balance_end"] == 99984.5
    assert told["equity_end"] == told["balance_end"] + told["open_pnl"]


def test_the_html_report_is_one_page_without_a_script_and_with_everything_escaped(run: Run, tmp_path: Path) -> None:
    """It is well-formed, names no other host, and its curve has as many points as were drawn."""
    assert run(report="r.html").exit_code == 0
    page = (tmp_path / "r.html").read_text()
    assert "<script" not in page
    assert not re.search(r"(src|href)=|url\(|https?://", page)
    svg = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    curve = next(each for each in svg.iter("polyline"))
    assert len(curve.attrib["points"].split()) > 20
    assert "1.38487" in page


def test_the_pdf_report_is_a_pdf(run: Run, tmp_path: Path) -> None:
    assert run(report="r.PDF").exit_code == 0
    document = (tmp_path / "r.PDF").read_bytes()
    assert document.startswith(b"%PDF-")
    assert document.rstrip().endswith(b"%%EOF")


def test_events_can_go_to_standard_output_and_the_summary_then_to_the_other(run: Run, tmp_path: Path) -> None:
    result = run(events="-")
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == list(range(1, 9))
    assert "max drawdown" in result.stderr
    assert left(tmp_path) == []


def test_bitcoin_with_sizes_and_fees(run: Run, tmp_path: Path) -> None:
    """Two coins bought of the 1.97 offered; Coinbase takes 0.6 % of what was taken."""
    order = {"at": "2024-08-09T00:00:10Z", "product_id": "BTC-USD", "side": "BUY", "size": "0.5", "entry_type": "market"}
    (tmp_path / "plan.jsonl").write_text(json.dumps({**order, "stop_loss_price": 61000, "take_profit_price": 63000}))
    result = run("--json", broker="coinbase", instrument="BTC-USD", quotes=BITCOIN)
    told = json.loads(result.stdout)
    assert (told["quotes"], told["open_trades"], told["fills"] >= 1) == (8197, 1, True)
    bought = [json.loads(line)["payload"] for line in (tmp_path / "out.jsonl").read_text().splitlines() if "filled" in line]
    assert sum(each["fill_units"] for each in bought) == 0.5
    assert told["fees"] == pytest.approx(sum(each["fill_units"] * each["price"] for each in bought) * 0.006, abs=1e-5)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def test_what_cannot_be_replayed_is_one_sentence_and_leaves_no_file(run: Run, tmp_path: Path) -> None:
    """Exit 1 for what stands in a file, 2 for what was typed; an older result stays as it was."""
    (tmp_path / "out.jsonl").write_text("older\n")
    head = "time_utc,bid,ask\n"
    row = "2014-05-02T12:29:0{}Z,1.38{},1.39\n"
    files = {
        "cut.csv.gz": cut(QUOTES.read_bytes()),
        "unsorted.csv": (head + row.format(2, 1) + row.format(1, 1)).encode(),
        "broken.csv": (head + row.format(1, 1) + "2014-05-02T12:29:02Z,x,1.39\n").encode(),
        "crossed.csv": (head + "2014-05-02T12:29:02Z,1.40,1.39\n").encode(),
        "empty.csv": b"",
        "bars.csv": b"time_utc,open,high,low,close,volume_btc\n",
        "unknown.jsonl": PLAN.replace("client_order_id", "client_oder_id").encode(),
        "late.jsonl": PLAN.replace("12:31:00Z", "12:35:00Z").encode(),
        "other.jsonl": PLAN.replace("EUR_USD", "GBP_USD").encode(),
        "twice.jsonl": (PLAN.splitlines()[0] + "\n" + PLAN.splitlines()[0].replace("10000", "5")).encode(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    cases: list[tuple[dict[str, str], int, str]] = [
        ({"quotes": "none.csv"}, 1, "none.csv: cannot be read: No such file or directory"),
        ({"quotes": "."}, 1, "cannot be read: Is a directory"),
        ({"quotes": "cut.csv.gz"}, 1, "cut.csv.gz: was cut short or damaged after line "),
        ({"quotes": "unsorted.csv"}, 1, "unsorted.csv line 3: goes back in time: 2014-05-02T12:29:01Z"),
        ({"quotes": "broken.csv"}, 1, "broken.csv line 3: 'x' is not a plain decimal number"),
        ({"quotes": "crossed.csv"}, 1, "crossed.csv line 2: bid 1.40 must be above 0 and not above ask 1.39"),
        ({"quotes": "empty.csv"}, 1, "empty.csv: is empty"),
        ({"quotes": "bars.csv"}, 1, "bars.csv line 1: has no quotes"),
        ({"orders": "none.jsonl"}, 1, "none.jsonl: cannot be read: No such file or directory"),
        ({"orders": "unknown.jsonl"}, 1, 'unknown.jsonl line 1: an order has no field "client_oder_id"'),
        ({"orders": "late.jsonl"}, 1, "late.jsonl line 3: at is 2014-05-02T12:35:00Z, after the last quote of the file, 2014-05-02T12:34:57.809000Z"),
        ({"orders": "other.jsonl"}, 1, 'other.jsonl line 1: orders "GBP_USD", and the quotes are those of EUR_USD'),
        ({"orders": "twice.jsonl"}, 1, "twice.jsonl line 2: client_order_id long stands for another order"),
        ({"events": "none/out.jsonl"}, 1, "none/out.jsonl cannot be written: No such file or directory"),
        ({"report": "none/r.html"}, 1, "none/r.html cannot be written: No such file or directory"),
        ({"broker": "kraken"}, 2, "there is no broker 'kraken'; it must be one of oanda, coinbase"),
        ({"instrument": "EUR_XXX"}, 2, "oanda has no instrument 'EUR_XXX'; it has EUR_USD, GBP_USD, USD_JPY"),
        ({"instrument": "BTC-USD"}, 2, "oanda has no instrument 'BTC-USD'"),
        ({"report": "r.docx"}, 2, "a report is a .html or a .pdf file, and r.docx is neither"),
        ({"events": "plan.jsonl"}, 2, "--events and --orders are the same file, plan.jsonl"),
        ({"report": "r.html", "events": "./r.html"}, 2, "are the same file"),
    ]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for options, code, sentence in cases:
        result = run(**options)
        assert (result.exit_code, result.stdout) == (code, ""), (options, result.output)
        assert sentence in result.stderr, (options, result.stderr)
        assert result.stderr.count("\n") == 1, result.stderr
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before, options


def test_a_setting_that_cannot_be_is_a_sentence_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_RISK__ORDER_NOTIONAL_MAX", "a lot")
    result = run()
    assert result.exit_code == 2
    assert "order_notional_max" in result.stderr


def test_the_limits_of_the_settings_hold(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the live desk: refused, journalled with the limit and the value."""
    monkeypatch.setenv("ARENA_RISK__ORDER_NOTIONAL_MAX", "13850")
    assert json.loads(run("--json").stdout)["rejected"] == {"ORDER_NOTIONAL_MAX": 1, "PRICE_OFF_TICK": 1}
    refused = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert (refused["type"], refused["payload"]["order_id"], refused["payload"]["details"]["limit"]) == ("order_rejected", None, 13850)


def test_a_home_whose_sockets_would_have_too_long_names_is_no_obstacle(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay has no sockets."""
    monkeypatch.setenv("ARENA_HOME", "/tmp/" + "x" * 120)
    assert run().exit_code == 0


def test_a_plain_file_and_a_packed_one_give_the_same(run: Run, tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_bytes(gzip.decompress(QUOTES.read_bytes()))
    assert run().exit_code == run(quotes="plain.csv", events="plain.jsonl").exit_code == 0
    assert (tmp_path / "plain.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()
