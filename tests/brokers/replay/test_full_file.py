"""A whole recording, where ``DATA`` names the directory that holds one: twice the same, and the same as showing the engine every quote."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.brokers.paper.kit import S
from tests.brokers.replay.kit import Case, Reference, drive, feed_every_quote, planned, rows_of
from trading.quote_files import iter_blocks
from trading.quote_rows import SCALE

FILE = Path(os.environ.get("DATA", "")) / "oanda-eurusd-ticks-2014-05.csv.gz"

pytestmark = pytest.mark.skipif(not os.environ.get("DATA") or not FILE.exists(), reason="DATA names no directory with the full OANDA recording")


@pytest.mark.timeout(600)
def test_two_weeks_of_ticks_and_four_hundred_brackets() -> None:
    """Round the market, every third with a trailing stop, spread over the file."""
    rows = rows_of(iter_blocks(FILE))
    plan = []
    for line in range(400):
        time_ns, bid, ask = rows[line * (len(rows) // 400)][:3]
        is_buy = line % 2 == 0
        sign = 1 if is_buy else -1
        price = ask if is_buy else bid
        distance = (line % 7 - 2) * 15_000  # 15 pips are 150,000
        plan.append(
            planned(
                time_ns,
                line + 1,
                instrument="EUR_USD",
                side="BUY" if is_buy else "SELL",
                units="1000",
                entry_type="limit" if distance > 0 else "stop" if distance < 0 else "market",
                entry_price=_text(price - sign * distance) if distance else None,
                stop_loss_price=_text(price - sign * (max(0, distance) + 120_000)),
                take_profit_price=_text(price + sign * (max(0, -distance) + 210_000)),
                trailing_stop_distance="0.00150" if line % 3 == 0 else None,
                ttl_min="720",
            )
        )
    case = Case(name="EUR_USD", rows=rows, plan=plan)
    lines, summary = drive(case)
    assert hashlib.sha256(b"".join(lines)).digest() == hashlib.sha256(b"".join(drive(case, 777)[0])).digest()
    assert summary.quotes == len(rows) == 532_903
    assert summary.tally.all.trades > 300
    slow: Reference = feed_every_quote(case)
    assert lines == slow.lines
    assert summary.drawdown.money == slow.drawdown
    assert summary.last_ns - summary.first_ns > 14 * 86_400 * S


def _text(price: int) -> str:
    return f"{price // SCALE}.{price % SCALE // 1000:05d}"
