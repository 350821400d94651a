"""What both simulators lean on: the fault script, the driven clock, the quote board."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from runtime.clock import NS_PER_S
from tests.venues.common.clock import OPEN_MARKET_NS, DrivenClock
from tests.venues.common.conf import instruments_of
from tests.venues.common.faults import Fault, FaultError, FaultScript, Kind
from tests.venues.common.http_faults import with_more, without
from tests.venues.common.quotes import QuoteBoard, play
from trading.instruments import Side


def test_a_fault_strikes_what_it_fits_and_as_often_as_it_says() -> None:
    script = FaultScript()
    script.add(Fault(kind=Kind.ERROR_AFTER, method="POST", path="/orders$", times=2))
    assert script.take({Kind.ERROR_AFTER}, method="GET", path="/orders") is None
    assert script.take({Kind.ERROR_AFTER}, method="POST", path="/orders/7") is None
    assert script.take({Kind.DROP_AFTER}, method="POST", path="/orders") is None
    assert script.take({Kind.ERROR_AFTER}, method="POST", path="/orders") is not None
    assert script.take({Kind.ERROR_AFTER}, method="POST", path="/orders") is not None
    assert script.take({Kind.ERROR_AFTER}, method="POST", path="/orders") is None
    assert script.struck == {"error_after": 2}


def test_the_dice_of_a_share_fall_the_same_way_for_the_same_seed() -> None:
    def strokes(seed: int) -> list[bool]:
        script = FaultScript(seed=seed)
        script.add(Fault(kind=Kind.SLOW_AFTER, times=None, share=0.3))
        return [script.take({Kind.SLOW_AFTER}) is not None for _ in range(200)]

    assert strokes(1) == strokes(1) != strokes(2)
    assert 40 <= sum(strokes(1)) <= 80


@pytest.mark.parametrize("wanted", [{"kind": "flood"}, {"kind": "slow_after", "second": 3}, {"kind": "slow_after", "path": "("}, "slow_after"])
def test_a_script_with_a_fault_that_cannot_be_changes_nothing(wanted: object) -> None:
    script = FaultScript()
    with pytest.raises(FaultError):
        script.load({"faults": [{"kind": "drop_after"}, wanted]})
    assert script.as_json()["faults"] == []


def test_missing_fields_are_taken_out_by_their_dotted_names() -> None:
    body = {"fill": {"id": "7", "price": "1.1"}, "last": "7"}
    assert without(body, ("fill.id", "last")) == {"fill": {"price": "1.1"}}
    assert without(body, ("absent",)) == {"last": "7"}


def test_extra_fields_are_in_every_object() -> None:
    more = {"keyOfTheFuture": {"value": "1"}}
    assert with_more({"fills": [{"id": "7"}]}) == {"fills": [{"id": "7", **more}], **more}


async def test_the_driven_clock_wakes_sleepers_in_order_each_at_its_own_time() -> None:
    clock = DrivenClock()
    woken: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, (clock.now_ns() - OPEN_MARKET_NS) // NS_PER_S))
        await clock.sleep(seconds)
        woken.append((name, (clock.now_ns() - OPEN_MARKET_NS) // NS_PER_S))

    running = [asyncio.create_task(sleeper("late", 4)), asyncio.create_task(sleeper("early", 3))]
    await clock.advance(10)
    assert woken == [("early", 3), ("late", 4), ("early", 6), ("late", 8)]
    await asyncio.gather(*running)


def test_the_board_gives_what_is_quoted_and_no_more() -> None:
    board = QuoteBoard(instruments_of("oanda"), DrivenClock())
    seen: list[Decimal] = []
    board.on_quote(lambda standing: seen.append(standing.quote.bid))
    assert board.available("EUR_USD", Side.BUY, Decimal(5)) == 0
    board.set("EUR_USD", bid=Decimal("1.1"), ask=Decimal("1.2"), ask_size=Decimal("3.7"))
    assert board.available("EUR_USD", Side.BUY, Decimal(5)) == 3
    assert board.available("EUR_USD", Side.SELL, Decimal(5)) == 5
    assert board.rate("USD", "EUR") == 1 / Decimal("1.15")
    assert seen == [Decimal("1.1")]
    with pytest.raises(ValueError, match="not traded here"):
        board.set("EUR_XXX", bid=Decimal(1), ask=Decimal(1))


async def test_a_recording_is_played_at_its_own_speed_and_its_nights_are_cut_short(tmp_path: Path) -> None:
    recording = tmp_path / "oanda-eurusd.csv"
    recording.write_text("time_utc,bid,ask\n2014-05-02T12:00:00Z,1.1,1.2\n2014-05-02T12:00:02Z,1.2,1.3\n2014-05-03T12:00:00Z,1.3,1.4\n")
    clock = DrivenClock()
    board = QuoteBoard(instruments_of("oanda"), clock)
    seen: list[tuple[int, str]] = []
    board.on_quote(lambda standing: seen.append(((clock.now_ns() - OPEN_MARKET_NS) // NS_PER_S, str(standing.quote.bid))))
    playing = asyncio.create_task(play(board, clock, recording))
    await clock.advance(60)
    await playing
    assert seen == [(0, "1.10000"), (2, "1.20000"), (7, "1.30000")]
