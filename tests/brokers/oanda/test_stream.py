"""The transaction stream: nothing left out, nothing twice, in order, whatever the line between does."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from brokers.live.facts import Booked
from brokers.live.venue import EntryAccepted, EntryFilled, ExitFilled, LegGone, LegStands, Unplaced, VenueRefused
from brokers.oanda import stream
from runtime.outbound import StreamEnded
from runtime.secret_files import Secret
from tests.brokers.oanda.kit import Listener, Pair, adapter, bracket, limit, pair
from tests.venues.common.faults import Kind
from tests.venues.oanda import closing, exits, placing
from trading.orders import Leg

STREAM = "/transactions/stream"


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


def cursors(heard: Listener) -> list[int]:
    """The cursors of the batches that told something, as they came."""
    return [int(batch.cursor) for batch in heard.batches if batch.facts]


async def test_what_happened_while_nobody_listened_is_told_first_and_marked_as_catch_up(at: Pair) -> None:
    known = await at.place(bracket())
    await at.place(limit())
    async with Listener(at.venue, "3") as heard:
        assert [batch.is_live for batch in heard.batches][-1]
        assert not any(batch.is_live for batch in heard.batches if batch.facts)
        assert [type(fact) for fact in heard.facts] == [EntryAccepted, EntryFilled, LegStands, LegStands, EntryAccepted]
        assert heard.batches[-1].cursor == "8"
        assert heard.batches[-1].account is not None
        assert heard.of(EntryFilled)[0].client_id == known.refs.client_id


async def test_an_empty_cursor_begins_now(at: Pair) -> None:
    await at.place(bracket())
    async with Listener(at.venue) as heard:
        assert heard.facts == []
        await at.place(limit())
        await heard.until(lambda: heard.of(EntryAccepted))


async def test_a_long_absence_is_read_in_pages(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.oanda.log_reader.PAGE", 7)
    for _ in range(20):
        at.sim.account.charge_financing(Decimal(-1))
    await at.place(bracket())
    async with Listener(at.venue, "1") as heard:
        assert len([batch for batch in heard.batches if not batch.is_live]) == 4
        assert [fact.booking_id for fact in heard.of(Booked)] == [str(number) for number in range(3, 24)]
        assert [type(fact) for fact in heard.facts[21:]] == [EntryAccepted, EntryFilled, LegStands, LegStands]


async def test_a_cursor_that_the_venue_never_reached_is_said(at: Pair) -> None:
    async with Listener(at.venue, "999") as heard:
        assert isinstance(heard.facts[0], Unplaced)
        assert heard.batches[-1].cursor == "3"


@pytest.mark.parametrize("kind", [Kind.STREAM_TWICE, Kind.STREAM_SWAP])
async def test_lines_that_come_twice_or_swapped_are_told_once_and_in_order(at: Pair, kind: Kind) -> None:
    async with Listener(at.venue) as heard:
        at.strike(kind=kind, path=STREAM, times=None, share=0.7)
        for _ in range(10):
            await at.place(bracket(units="10"))
        at.sim.faults.clear()
        await at.clock.advance(5)  # a heartbeat
        await heard.until(lambda: heard.batches[-1].cursor == str(at.sim.account.log.last_id))
        told = [fact.fill_id for fact in heard.of(EntryFilled)]
        assert len(told) == len(set(told)) == 10
        assert cursors(heard) == sorted(set(cursors(heard)))
        assert len(heard.legs()) == 20


async def test_a_line_that_was_lost_is_found_by_the_next_heartbeat(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        at.sim.streams.is_told = lambda transaction: transaction["type"] != "ORDER_FILL"
        await at.place(bracket())
        await heard.until(lambda: len(heard.legs()) == 2)
        assert [type(fact) for fact in heard.facts] == [EntryAccepted, EntryFilled, LegStands, LegStands]
        at.sim.streams.is_told = lambda _transaction: False
        await at.place(limit())
        await at.clock.advance(5)
        await heard.until(lambda: len(heard.of(EntryAccepted)) == 2)


async def test_a_heartbeat_is_a_sign_of_life(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        before = len(heard.batches)
        await at.clock.advance(5)
        await heard.until(lambda: len(heard.batches) > before)
        assert heard.batches[-1].facts == ()


async def test_a_transaction_without_its_number_is_missed_by_the_next(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    read, numberless = stream._message, [True]

    def without_id(line: bytes) -> Any:
        message = dict(read(line))
        if message["type"] == "ORDER_FILL" and numberless:
            numberless.pop()
            del message["id"]
        return message

    monkeypatch.setattr(stream, "_message", without_id)
    async with Listener(at.venue) as heard:
        await at.place(bracket())
        await heard.until(lambda: len(heard.legs()) == 2)
        assert [type(fact) for fact in heard.facts] == [EntryAccepted, EntryFilled, LegStands, LegStands]


@pytest.mark.parametrize("kind", [Kind.STREAM_CUT, Kind.STREAM_CUT_MID_LINE])
async def test_a_cut_stream_ends_and_the_next_goes_on_from_the_cursor(at: Pair, kind: Kind) -> None:
    async with Listener(at.venue) as heard:
        at.strike(kind=kind, path=STREAM)
        assert isinstance(await heard.ended(), StreamEnded)
        cursor = heard.batches[-1].cursor
    await at.place(bracket())
    async with Listener(at.venue, cursor) as heard:
        assert [type(fact) for fact in heard.facts] == [EntryAccepted, EntryFilled, LegStands, LegStands]


async def test_a_mute_stream_ends_by_itself(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_S", 0.2)
    async with Listener(at.venue) as heard:
        at.strike(kind=Kind.STREAM_MUTE, times=None)
        assert isinstance(await heard.ended(), StreamEnded)


async def test_a_stream_that_is_refused_for_good_says_so(at: Pair) -> None:
    denied = adapter(at.sim, token=Secret("wrong"))
    with pytest.raises(VenueRefused):
        await denied.open()
    heard = Listener(denied, "3")
    with pytest.raises(VenueRefused, match="STREAM_DENIED"):
        await heard.__aenter__()
    await heard.__aexit__()
    await denied.aclose()


async def test_reading_that_fails_ends_the_stream_instead_of_leaving_something_out(at: Pair) -> None:
    at.strike(kind=Kind.ERROR_BEFORE, method="GET", path="idrange", times=None)
    await at.place(bracket())
    heard = Listener(at.venue, "3")
    with pytest.raises(Exception, match="503"):
        await heard.__aenter__()
    assert heard.facts == []
    await heard.__aexit__()


async def test_holes_in_the_log_are_said_and_do_not_stop_it(at: Pair) -> None:
    await at.place(bracket())
    await at.place(limit())
    del at.sim.account.log.transactions[-2]
    async with Listener(at.venue, "3") as heard:
        assert any("holes" in fact.text for fact in heard.of(Unplaced))
        assert heard.batches[-1].cursor == "8"


async def test_transactions_that_nobody_knows_are_passed_on_as_a_reason_to_compare(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        at.sim.set_state({"note": "something new"})
        await heard.until(lambda: heard.of(Unplaced))
        assert heard.of(Unplaced)[0].text == "ACCOUNT_NOTE"


# ── what others do at the venue ──


async def test_exits_that_somebody_moves_or_takes_off_are_told(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        known = await at.place(bracket())
        trade = known.refs.trade_refs[0]
        exits.set_exits(at.sim.account, trade, {"stopLoss": {"price": "1.08000"}, "takeProfit": None})
        await heard.until(lambda: heard.of(LegGone))
        assert [(leg.leg, leg.price) for leg in heard.legs()][-1] == (Leg.STOP_LOSS, Decimal("1.08"))
        assert (heard.of(LegGone)[0].leg, heard.of(LegGone)[0].trade_ref) == (Leg.TAKE_PROFIT, trade)


async def test_a_trade_that_somebody_closes_is_told_with_what_it_made(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        known = await at.place(bracket())
        closing.close_position(at.sim.account, "EUR_USD", {"longUnits": "400"})
        closing.close_position(at.sim.account, "EUR_USD", {"longUnits": "ALL"})
        await heard.until(lambda: len(heard.of(ExitFilled)) == 2)
        known.take(heard.facts)
        assert known.closed == 1000
        assert {fact.leg for fact in heard.of(ExitFilled)} == {Leg.CLOSE}


async def test_an_order_that_somebody_places_is_told_under_its_numbers(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        placed: dict[str, Any] = {"type": "LIMIT", "instrument": "EUR_USD", "units": "5", "price": "1.00000"}
        placing.place(at.sim.account, {"order": placed})
        await heard.until(lambda: heard.of(EntryAccepted))
        assert (heard.of(EntryAccepted)[0].client_id, heard.of(EntryAccepted)[0].order_ref) == ("", "4")


async def test_what_was_known_before_a_start_is_read_when_it_is_needed() -> None:
    """An exit made before we listened is cancelled after: which one it was is asked."""
    async with pair() as first:
        known = await first.place(bracket())
        trade = known.refs.trade_refs[0]
        async with Listener(first.venue) as heard:
            first.venue._log._memory.__init__()  # type: ignore[misc]  # as after a restart
            exits.set_exits(first.sim.account, trade, {"stopLoss": None})
            closing.close_trade(first.sim.account, trade, {"units": "300"})
            await heard.until(lambda: heard.of(ExitFilled) and heard.legs())
            assert (heard.of(LegGone)[0].leg, heard.of(LegGone)[0].trade_ref) == (Leg.STOP_LOSS, trade)
            assert [(leg.leg, leg.units) for leg in heard.legs()] == [(Leg.TAKE_PROFIT, Decimal(700))]
