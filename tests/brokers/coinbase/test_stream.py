"""What the stream tells, and when it no longer believes itself."""

import asyncio
import contextlib
from decimal import Decimal

import pytest

from brokers.coinbase.auth import ApiKey
from brokers.coinbase.messages import StreamBroken
from brokers.coinbase.venue import CoinbaseVenue
from brokers.live.venue import EntryAccepted, EntryEnded, EntryFilled, ExitFilled, Fact, LegGone, LegStands, Unplaced
from runtime.clock import NS_PER_S, SystemClock
from runtime.outbound import OutboundError
from tests.brokers.coinbase.kit import WAIT_S, Ear, Pair, adapter, bracket, limit, pair
from tests.venues.common.conf import instruments_of
from trading.events import CancelReason
from trading.orders import Leg

D = Decimal


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.coinbase.stream.POLL_S", 0.2)


async def test_a_life_is_told_as_it_happens(at: Pair) -> None:
    async with Ear(at.venue) as ear:
        known = await at.place(limit("59000"))
        await ear.until(lambda: ear.of(EntryAccepted))
        at.quote("58990", "59000")
        await ear.until(lambda: ear.of(EntryFilled) and len(ear.of(LegStands)) >= 2)
        at.quote("57990", "57995")
        await ear.until(lambda: ear.of(ExitFilled))
        assert {fact.client_id for fact in ear.facts} == {known.intent.client_id}
        (out,) = {fact.fill_id: fact for fact in ear.of(ExitFilled)}.values()
        assert (out.leg, out.units, out.price) == (Leg.STOP_LOSS, D("0.01"), 57990)


async def test_what_happened_while_nobody_listened_is_told_first(at: Pair) -> None:
    async with Ear(at.venue) as ear:
        known = await at.place(limit("59000"))
        await ear.until(lambda: ear.of(EntryAccepted))
        cursor = ear.batches[-1].cursor
    at.quote("58990", "59000")
    at.quote("57990", "57995")
    async with Ear(at.venue, cursor) as ear:
        kinds = [type(fact) for fact in ear.facts]
        assert {EntryFilled, ExitFilled} <= set(kinds)
        assert Unplaced in kinds, "what ended without a trade is found by comparing"
        known.take(ear.facts)
        assert known.position == 0


async def test_a_fresh_adapter_takes_no_exit_for_an_entry() -> None:
    """Before the first look it knows no names: that something happened is all it can say, and the core compares."""
    async with pair(attached_supported=False, balances={"BTC": "1"}) as at:
        known = await at.place(bracket())
        known.take(await at.venue.protect(known.target()))
        assert known.stop is not None
        exit_ref = known.stop.ref
        at.quote("65100", "65110")
        fresh = adapter(at.sim)
        await fresh.open()
        try:
            async with Ear(fresh, known.intent.cursor_before) as ear:
                await ear.until(lambda: {fact.order_ref for fact in ear.of(Unplaced)} >= {exit_ref, *known.refs.order_refs})
                assert not [fact for fact in ear.facts if not isinstance(fact, Unplaced)]
        finally:
            await fresh.aclose()


async def test_a_cancel_by_hand_is_told(at: Pair) -> None:
    known = await at.place(limit("59000"))
    async with Ear(at.venue) as ear:
        at.sim.exchange.cancel(known.refs.order_refs[0])
        await ear.until(lambda: ear.of(EntryEnded))
        assert ear.of(EntryEnded)[0].reason is CancelReason.USER


async def test_an_exit_that_somebody_takes_off_is_told(at: Pair) -> None:
    known = await at.place(bracket())
    assert known.stop is not None
    async with Ear(at.venue) as ear:
        at.sim.exchange.cancel(known.stop.ref)
        await ear.until(lambda: len(ear.of(LegGone)) >= 2)
        assert {fact.leg for fact in ear.of(LegGone)} == {Leg.STOP_LOSS, Leg.TAKE_PROFIT}


async def test_executions_that_are_listed_late_hold_the_end_back() -> None:
    async with pair(fills_lag_s=0.5) as made, Ear(made.venue) as ear:
        known = await made.place(limit("59000", units="0.03"))
        made.quote("58990", "59000", size="0.01")
        made.sim.exchange.cancel(known.refs.order_refs[0])
        await ear.until(lambda: ear.of(EntryEnded))
        kinds = [type(fact) for fact in ear.facts]
        assert kinds.index(EntryFilled) < kinds.index(EntryEnded)


@pytest.mark.parametrize("fault", ["stream_gap", "stream_twice", "stream_cut", "stream_cut_mid_line"])
async def test_a_connection_that_cannot_be_believed_is_opened_again_and_all_is_told(at: Pair, fault: str) -> None:
    known = await at.place(limit("59000"))
    async with Ear(at.venue) as ear:
        at.strike(fault, path="user")
        at.quote("58990", "59000")
        await ear.until(lambda: ear.of(EntryFilled))
        if fault != "stream_twice":  # there the numbers follow one another, and the same state once more is no news
            await ear.until(lambda: ear.of(Unplaced))
            await ear.until(lambda: ear.batches[-1].is_live)
        known.take(ear.facts)
        assert known.position == D("0.01")
        assert ear.trouble is None


async def test_executions_are_told_while_the_channel_cannot_be_had(at: Pair) -> None:
    """A position that has just opened must not wait for a websocket."""
    known = await at.place(limit("59000"))
    async with Ear(at.venue) as ear:
        at.strike("drop_before", path="^/$", times=None)
        at.sim.set_state({"close_streams": True})
        await ear.until(lambda: not ear.batches[-1].is_live)
        at.quote("58990", "59000")
        await ear.until(lambda: ear.of(EntryFilled))
        assert not ear.batches[-1].is_live
        known.take(ear.facts)
        assert known.position == D("0.01")


async def test_a_channel_that_stays_away_ends_the_stream(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core then looks round: the key may be gone, or the venue closed."""
    monkeypatch.setattr("brokers.coinbase.stream.LINE_S_MAX", 0.5)
    async with Ear(at.venue) as ear:
        at.strike("drop_before", path="^/$", times=None)
        at.sim.set_state({"close_streams": True})
        assert isinstance(await ear.ended(), OutboundError)


async def test_messages_out_of_order_still_come_to_the_same(at: Pair) -> None:
    known = await at.place(limit("59000", units="0.02"))
    async with Ear(at.venue) as ear:
        at.strike("stream_swap", path="user")
        at.quote("58990", "59000", size="0.01")
        at.quote("58980", "58990", size="0.01")
        await ear.until(lambda: len({fact.fill_id for fact in ear.of(EntryFilled)}) == 2)
        known.take(ear.facts)
        assert known.position == D("0.02")


async def test_a_hole_may_be_let_pass_when_it_is_told_to(at: Pair) -> None:
    tolerant = adapter(at.sim, is_strict=False)
    await tolerant.open()
    try:
        async with Ear(tolerant) as ear:
            at.strike("stream_gap", path="user")
            at.sim.exchange.cancel((await at.place(limit("58500"))).refs.order_refs[0])
            placed = await at.place(limit("59000"))
            await ear.until(lambda: placed.refs.order_refs[0] in {fact.order_ref for fact in ear.of(Unplaced)})
            assert ear.trouble is None
    finally:
        await tolerant.aclose()


async def test_a_channel_that_has_gone_deaf_is_made_up_for(at: Pair) -> None:
    """Heartbeats go on and the numbers are whole; the executions are asked for all the same."""
    known = await at.place(limit("59000"))
    async with Ear(at.venue) as ear:
        at.strike("stream_mute", path="user")
        at.sim.exchange.cancel((await at.place(limit("58500"))).refs.order_refs[0])  # the word that is swallowed
        at.quote("58990", "59000")
        await ear.until(lambda: ear.of(EntryFilled))
        known.take(ear.facts)
        assert known.position == D("0.01")
        assert ear.trouble is None


async def test_a_deaf_channel_is_made_up_for_when_our_clock_is_ahead(at: Pair) -> None:
    """The executions of the last half minute are asked for by the venue's clock: by ours they would all lie before it."""

    class Ahead(SystemClock):
        def wall_ns(self) -> int:
            return super().wall_ns() + 45 * NS_PER_S

    key = ApiKey(at.sim.key.name, at.sim.key.secret)
    early = CoinbaseVenue(key, instruments_of("coinbase"), Ahead(), rest_url=at.sim.base_url, stream_url=at.sim.ws_url)
    await early.open()
    try:
        known = await at.place(limit("59000"))
        await early.look_up(known.target())
        async with Ear(early) as ear:
            at.strike("stream_mute", path="user")
            at.sim.exchange.cancel((await at.place(limit("58500"))).refs.order_refs[0])  # the word that is swallowed
            at.quote("58990", "59000")
            await ear.until(lambda: ear.of(EntryFilled))
    finally:
        await early.aclose()


async def test_silence_ends_the_connection(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.coinbase.stream.SILENCE_S_MAX", 1.5)
    async with Ear(at.venue) as ear:
        at.strike("stream_mute")
        await ear.until(lambda: not ear.batches[-1].is_live)
        at.sim.faults.clear()
        await ear.until(lambda: ear.of(Unplaced) and ear.batches[-1].is_live)


async def test_no_sign_of_life_while_the_venue_says_nothing(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core takes a stream without one for dead: that must not be hidden from it by this process living on."""
    monkeypatch.setattr("brokers.coinbase.stream.LIFE_S", 0.2)
    async with Ear(at.venue) as ear:
        at.strike("drop_before", times=None)
        at.sim.set_state({"close_streams": True})
        await ear.until(lambda: not ear.batches[-1].is_live)
        await asyncio.sleep(0.3)  # what is still on its way is said by then
        said = len(ear.batches)
        await asyncio.sleep(0.8)
        assert len(ear.batches) == said


async def test_a_subscription_that_is_refused_ends_the_stream(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at.venue._context.client, "stream_token", lambda: "nonsense")
    ear = Ear(at.venue)
    with pytest.raises(StreamBroken, match="authentication failure"):
        async with ear:
            pass


async def test_a_sign_of_life_comes_without_news(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.coinbase.stream.LIFE_S", 0.5)
    async with Ear(at.venue) as ear:
        await ear.until(lambda: len(ear.batches) >= 3)
        assert not ear.facts
        cursors = [int(batch.cursor) for batch in ear.batches]
        assert cursors == sorted(cursors)
        assert cursors[-1] > cursors[0]


async def test_more_open_orders_than_one_snapshot_holds(at: Pair) -> None:
    for step in range(60):
        await at.place(limit(str(59000 + step), units="0.0001"))
    async with Ear(at.venue, "1") as ear:
        assert len({fact.order_ref for fact in ear.of(EntryAccepted)}) == 60


async def test_what_stood_when_a_connection_broke_is_told_once(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody had taken it when the next one began to read: it was told, and once more with what that one read."""
    asked = asyncio.Queue[asyncio.Future[list[Fact]]]()

    async def standing(*_: object) -> list[Fact]:
        answer: asyncio.Future[list[Fact]] = asyncio.get_running_loop().create_future()
        asked.put_nowait(answer)
        return await answer

    monkeypatch.setattr("brokers.coinbase.stream.Stream._standing", standing)
    first, second = Unplaced(text="first"), Unplaced(text="second")
    told: list[Fact] = []
    async with asyncio.timeout(WAIT_S), contextlib.aclosing(at.venue.stream("")) as batches:  # type: ignore[type-var]  # an async generator
        told += (await anext(batches)).facts  # a sign of life, before any connection
        (await asked.get()).set_result([first])
        at.sim.set_state({"close_streams": True})
        read = await asked.get()
        while first not in told:
            told += (await anext(batches)).facts
        read.set_result([second])
        while second not in told:
            told += (await anext(batches)).facts
    assert told.count(first) == 1
