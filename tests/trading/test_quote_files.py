"""Recorded quotes are read as they stand, and what is wrong with a file is said with its line."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.instruments import AssetClass, Instrument
from trading.quote_files import QuoteFileError, check_file, from_scaled, instrument_of, iter_blocks, iter_quotes
from trading.quote_rows import BadRow, Layout, Memo

DATA = Path(__file__).parent.parent / "data"
HEADER = "time_utc,bid,ask\n"


def instrument(name: str, *, venue: str = "oanda", decimals: int = 5) -> Instrument:
    base, quote = name.replace("-", "_").split("_")
    return Instrument(
        name=name,
        venue=venue,
        asset_class=AssetClass.FOREX,
        base=base,
        quote=quote,
        tick=Decimal(1).scaleb(-decimals),
        step=Decimal(1),
        units_min=Decimal(1),
        units_max=Decimal(1000),
        price_decimals=decimals,
    )


EUR_USD = instrument("EUR_USD")
BTC_USD = instrument("BTC-USD", venue="coinbase", decimals=2)
INSTRUMENTS = {"EUR_USD": EUR_USD, "USD_JPY": instrument("USD_JPY", decimals=3), "BTC-USD": BTC_USD}


def written(directory: Path, text: str, name: str = "eurusd.csv") -> Path:
    path = directory / name
    path.write_bytes(text.encode())
    return path


def refusal(path: Path) -> QuoteFileError:
    with pytest.raises(QuoteFileError) as caught:
        list(iter_blocks(path))
    return caught.value


# --- what is read -----------------------------------------------------------------------------------------------------------------------------


def test_the_recorded_payrolls_minutes_are_read_to_the_last_digit():
    """The jump of 2014-05-02 12:30:01.535: bid 1.38467 before it, 1.38258 after it."""
    quotes = list(iter_quotes(DATA / "oanda-eurusd-2014-05-02.csv.gz", EUR_USD))
    assert len(quotes) == 6374
    index = next(index for index, quote in enumerate(quotes) if quote.time_ns == 1_399_033_801_535_000_000)
    before, after = quotes[index - 1], quotes[index]
    assert (before.bid, after.bid) == (Decimal("1.38467"), Decimal("1.38258"))
    assert str(quotes[1].bid) == "1.38620"
    assert not quotes[0].synthetic
    assert quotes[0].bid_size is None


def test_binance_rows_give_their_quotes_with_sizes_and_pass_over_the_trades():
    quotes = list(iter_quotes(DATA / "binance-btcusdt-2024-08-09.csv.gz", BTC_USD))
    first = quotes[0]
    assert (str(first.bid), str(first.ask), str(first.bid_size), str(first.ask_size)) == ("61685.99", "61686.00", "1.25869", "2.44816")
    assert first.time_ns == 1_723_161_600_001_692_584
    text = gzip.decompress((DATA / "binance-btcusdt-2024-08-09.csv.gz").read_bytes())
    assert len(quotes) == text.count(b",Q,")


def test_one_minute_snapshots_give_their_closing_prices(tmp_path: Path):
    header = "time_utc,bid_open,bid_high,bid_low,bid_close,bid_size,ask_open,ask_high,ask_low,ask_close,ask_size\n"
    path = written(tmp_path, header + "2017-09-03T00:00:00.000Z,1,5,1,4642.42,0.14,9,9,6,4649.95,0.4\n", "btcusd.csv")
    (quote,) = iter_quotes(path, BTC_USD)
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == tuple(map(Decimal, ("4642.42", "4649.95", "0.14", "0.4")))


@pytest.mark.parametrize(
    ("time", "time_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2014-05-02T12:30:01.535Z", 1_399_033_801_535_000_000),
        ("2014-05-02T12:30:01.535123456Z", 1_399_033_801_535_123_456),
        ("2014-05-02T14:30:01+02:00", 1_399_033_801_000_000_000),
        ("2014-05-02T07:30:01.5-05:00", 1_399_033_801_500_000_000),
        ("2014-05-02 12:30:01", 1_399_033_801_000_000_000),
        ("2014-05-02", 1_398_988_800_000_000_000),
    ],
)
def test_times_are_read_to_the_nanosecond_and_without_a_zone_as_utc(tmp_path: Path, time: str, time_ns: int):
    (block,) = iter_blocks(written(tmp_path, f"{HEADER}{time},1.1,1.2\n"))
    assert block.times_ns == [time_ns]


def test_columns_may_stand_in_any_order_among_others_and_the_last_line_end_may_be_missing(tmp_path: Path):
    path = written(tmp_path, "\ufeffask,note,bid,time_utc\r\n1.2,x,1.1,2014-05-02T12:30:01Z\r\n1.3,,1.2,2014-05-02T12:30:02Z")
    rows = [(bid, ask) for block in iter_blocks(path) for bid, ask in zip(block.bids, block.asks, strict=True)]
    assert rows == [(110_000_000, 120_000_000), (120_000_000, 130_000_000)]


def test_prices_are_written_in_the_instruments_decimals_and_never_rounded():
    assert str(from_scaled(116_000_000, 5)) == "1.16000"
    assert str(from_scaled(116_000_050, 5)) == "1.1600005"
    assert str(from_scaled(6_168_600_000_000, 2)) == "61686.00"
    assert str(from_scaled(10_000_000_000, 0)) == "100"


def test_a_file_larger_than_one_block_keeps_its_line_numbers(tmp_path: Path):
    rows = "".join(f"2014-05-02T12:{row // 60:02}:{row % 60:02}.000Z,1.10000,1.10010\n" * 8 for row in range(3600))
    path = written(tmp_path, HEADER + rows)
    assert len(list(iter_blocks(path))) > 1
    assert check_file(path).quotes == 28_800
    assert refusal(written(tmp_path, HEADER + rows + "what is this\n")).line == 28_802


# --- what is refused --------------------------------------------------------------------------------------------------------------------------


GOOD = "2014-05-02T12:30:01.000Z,1.10000,1.10010\n"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2014-05-02T12:30:00.999Z,1.1,1.2", "goes back in time"),
        ("2014-05-02T12:30:60.000Z,1.1,1.2", "not a time"),
        ("2014-13-02T12:30:01.000Z,1.1,1.2", "not a time"),
        ("2014-05-02T24:30:01.000Z,1.1,1.2", "not a time"),
        ("2014-05-02T12:30:01.0000000001Z,1.1,1.2", "not a time"),
        ("1969-12-31T23:59:59.000Z,1.1,1.2", "before 1970"),
        ("yesterday,1.1,1.2", "not a time"),
        (",1.1,1.2", "not a time"),
        ("2014-05-02T12:30:02.000Z,1.2,1.1", "must be above 0 and not above ask"),
        ("2014-05-02T12:30:02.000Z,0,1.1", "must be above 0"),
        ("2014-05-02T12:30:02.000Z,-1.1,1.1", "not a plain decimal"),
        ("2014-05-02T12:30:02.000Z,NaN,1.1", "not a plain decimal"),
        ("2014-05-02T12:30:02.000Z,1e0,1.1", "not a plain decimal"),
        ("2014-05-02T12:30:02.000Z,1_0,1.1", "not a plain decimal"),
        ("2014-05-02T12:30:02.000Z,١.1,1.2", "not a plain decimal"),
        ("2014-05-02T12:30:02.000Z,.5,1.1", "not a plain decimal"),
        ("2014-05-02T12:30:02.000Z,1.,1.1", "not a plain decimal"),
        ("2014-05-02T12:30:02.000Z, 1.0,1.1", "not a plain decimal"),
        ('2014-05-02T12:30:02.000Z,"1.0",1.1', "not a plain decimal"),
        ("2014-05-02T12:30:02.000Z,,1.1", "missing"),
        ("2014-05-02T12:30:02.000Z,1.000000001,1.1", "more than 8 decimals"),
        ("2014-05-02T12:30:02.000Z,1234567890123456,1.1", "15 digits"),
        ("2014-05-02T12:30:02.000Z,1.1", "2 cells where the header names 3"),
        ("2014-05-02T12:30:02.000Z,1.1,1.2,1.3", "4 cells where the header names 3"),
        ("", "is empty"),
    ],
)
def test_a_broken_row_is_refused_with_the_number_of_its_line(tmp_path: Path, row: str, why: str):
    error = refusal(written(tmp_path, f"{HEADER}{GOOD}{row}\n{GOOD}"))
    assert error.line == 3
    assert "eurusd.csv line 3" in error.message
    assert why in error.message
    assert error.details == {"file": "eurusd.csv", "line": 3}
    assert error.code == "QUOTE_FILE_INVALID"


def test_a_size_below_zero_or_missing_is_refused_with_the_number_of_its_line(tmp_path: Path):
    header = "time_utc,bid,ask,bid_size,ask_size\n"
    for sizes in ("-1,1", "1,"):
        assert refusal(written(tmp_path, f"{header}2014-05-02T12:30:02Z,1,2,{sizes}\n")).line == 2


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("time_utc,open,high,low,close,volume_btc", "bars of trades"),
        ("time_utc,bid", "must name time_utc, bid, ask"),
        ("bid,ask", "must name time_utc, bid, ask"),
        ("", "must name time_utc, bid, ask"),
        ("time_utc,bid,ask,bid", "names a column twice"),
        ("time_utc,bid,ask,bid_size", "both or neither"),
    ],
)
def test_a_header_that_names_no_quotes_is_refused(tmp_path: Path, header: str, why: str):
    error = refusal(written(tmp_path, f"{header}\n1,2,3\n"))
    assert why in error.message
    assert error.line == 1


def test_a_gzip_file_that_was_cut_short_says_so_after_giving_what_came_before(tmp_path: Path):
    rows = "".join(f"2014-05-02T12:{row // 60:02}:{row % 60:02}.{row * 7919 % 1000:03}Z,1.1{row:04},1.2{row:04}\n" * 5 for row in range(3600))
    whole = gzip.compress((HEADER + rows).encode(), mtime=0)
    path = tmp_path / "eurusd.csv.gz"
    path.write_bytes(whole[: len(whole) - 100])
    blocks = iter_blocks(path)
    given_rows = len(next(blocks))
    with pytest.raises(QuoteFileError, match="cut short") as caught:
        given_rows += sum(map(len, blocks))
    assert given_rows > 0
    assert "after line " in caught.value.message


def test_a_damaged_gzip_file_says_so(tmp_path: Path):
    whole = bytearray((DATA / "oanda-eurusd-2014-05-02.csv.gz").read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path = tmp_path / "eurusd.csv.gz"
    path.write_bytes(whole)
    error = refusal(path)
    assert "damaged" in error.message or error.line is not None


def test_files_that_are_missing_empty_without_rows_or_no_text_are_refused(tmp_path: Path):
    assert "No such file" in refusal(tmp_path / "nothing.csv").message
    assert "Is a directory" in refusal(tmp_path).message
    assert "is empty" in refusal(written(tmp_path, "")).message
    assert "no quotes" in refusal(written(tmp_path, HEADER)).message
    binary = tmp_path / "eurusd.csv"
    binary.write_bytes(HEADER.encode() + b"\xff\xfe\n")
    assert "is not text" in refusal(binary).message
    binary.write_bytes(HEADER.encode() + b"1" * 300_000)
    assert "a line of more than" in refusal(binary).message


def test_the_instrument_is_read_off_the_files_name_or_asked_for():
    assert instrument_of(Path("oanda-eurusd-ticks-2014-05.csv.gz"), INSTRUMENTS) is EUR_USD
    assert instrument_of(Path("binance-btcusdt-2024.csv"), INSTRUMENTS) is BTC_USD
    assert instrument_of(Path("EUR_USD.csv"), INSTRUMENTS) is EUR_USD
    for name in ("ticks.csv", "eurusd-and-usdjpy.csv"):
        with pytest.raises(QuoteFileError, match="say which one it holds"):
            instrument_of(Path(name), INSTRUMENTS)


# --- two readers, one meaning -----------------------------------------------------------------------------------------------------------------

_NUMBER = st.sampled_from(["1.38676", "1.4", "2", "61686", "0.00000001", "0", "1.123456789", "-1", "1,5", "x", ""])
_TIME = st.sampled_from(
    ["2014-05-02T12:30:01.535Z", "2014-05-02T12:30:01.536Z", "2014-05-02 12:31:00", "2014-05-02T14:31:00.5+02:00", "20140502T123200Z", ""]
)


@given(st.lists(st.tuples(_TIME, _NUMBER, _NUMBER), min_size=1, max_size=4), st.integers(0, 1_399_033_801_535_000_001))
def test_the_two_readers_agree_on_every_block_that_the_quick_one_takes(rows: list[tuple[str, str, str]], last_ns: int):
    """Column by column and row by row give the same numbers, and what the second refuses the first never gives."""
    layout = Layout.of_header("time_utc,bid,ask")
    text = "".join(",".join(row) + "\n" for row in rows)
    quick = layout.columns(text, last_ns, Memo())
    try:
        slow = layout.rows(text, 2, last_ns, Memo())
    except BadRow:
        assert quick is None
    else:
        assert quick is None or quick == slow
