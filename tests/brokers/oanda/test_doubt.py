"""What goes wrong between us and the venue: which failures say that nothing happened, and what a look finds after the others."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import NoReturn

import pytest

from brokers.live.venue import Amendment, EntryAccepted, EntryEnded, EntryFilled, EntryRefused, ExitFilled, NotSent, Standing, VenueRefused
from brokers.oanda import changing
from brokers.oanda.wire import Malformed
from runtime.secret_files import Secret
from tests.brokers.oanda.kit import Known, Pair, adapter, bracket, limit, pair, stop
from tests.venues.common.faults import Kind
from trading.events import CancelReason
from trading.instruments import Side

NO = (VenueRefused, NotSent)


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


async def doubtful(at: Pair, order: object = None) -> Known:
    """A create whose answer does not come; what is known of it is what was sent."""
    known = at.known(at.intent(order or bracket()))  # type: ignore[arg-type]
    with pytest.raises(Exception) as raised:
        await at.venue.create(known.intent)
    assert not isinstance(raised.value, NO), raised.value
    assert at.sim.hits.orders() == 1, "sent once, whatever happened"
    return known


# ── the venue says no ──


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (bracket(units="0.5"), "UNITS_PRECISION_EXCEEDED"),
        (bracket(units="1000000000"), "UNITS_LIMIT_EXCEEDED"),
        (limit(trailing_stop_distance="0.0001"), "TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MINIMUM_NOT_MET"),
        (limit(trailing_stop_distance="2"), "TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MAXIMUM_EXCEEDED"),
    ],
)
async def test_what_the_venue_refuses_is_refused_and_was_never_there(at: Pair, order: object, code: str) -> None:
    known = at.known(at.intent(order))  # type: ignore[arg-type]
    with pytest.raises(VenueRefused) as refusal:
        await at.venue.create(known.intent)
    assert refusal.value.code == code
    sighting = await at.venue.look_up(known.target())
    assert sighting.facts == [EntryRefused(client_id=known.refs.client_id, code=code, time_ns=at.clock.now_ns() // 1000 * 1000)]
    assert sighting.standing == Standing(remaining_units=Decimal(0), position_units=Decimal(0))


async def test_a_date_in_the_past_is_refused(at: Pair) -> None:
    with pytest.raises(VenueRefused, match="TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST"):
        await at.place(limit(), ttl_s=-60)


async def test_an_instrument_that_the_venue_does_not_list_is_not_even_sent(at: Pair) -> None:
    with pytest.raises(VenueRefused, match="INSTRUMENT_UNKNOWN"):
        await at.place(bracket(instrument="AUD_CAD"))
    assert at.sim.hits.orders() == 0


@pytest.mark.parametrize(
    ("order", "fault", "reason"),
    [
        (bracket(), {"kind": Kind.MARKET_HALTED, "times": None}, CancelReason.MARKET_HALTED),
        (bracket(), {"kind": Kind.WEEKEND, "times": None}, CancelReason.MARKET_HALTED),
        (bracket(), {"kind": Kind.LEG_REFUSED, "reason": "STOP_LOSS_ON_FILL_LOSS"}, CancelReason.STOP_LOSS_ON_FILL),
        (bracket(), {"kind": Kind.LEG_REFUSED, "reason": "TAKE_PROFIT_ON_FILL_LOSS"}, CancelReason.TAKE_PROFIT_ON_FILL),
        (bracket(), {"kind": Kind.PARTIAL_FILL, "portion": 0.3}, CancelReason.VENUE),
        (bracket(stop_loss_price="1.105", take_profit_price="1.11"), None, CancelReason.STOP_LOSS_ON_FILL),
        (bracket(stop_loss_price="1.08", take_profit_price="1.09"), None, CancelReason.TAKE_PROFIT_ON_FILL),
        (bracket(units="50000000", stop_loss_price="1.08"), None, CancelReason.INSUFFICIENT_MARGIN),
    ],
)
async def test_201_with_a_cancel_is_an_entry_that_ended_and_left_nothing(at: Pair, order: object, fault: object, reason: CancelReason) -> None:
    if fault:
        at.strike(**fault)  # type: ignore[arg-type]
    known = at.known(at.intent(order))  # type: ignore[arg-type]
    facts = await at.venue.create(known.intent)
    assert [type(fact) for fact in facts] == [EntryAccepted, EntryEnded]
    assert facts[1].reason is reason  # type: ignore[attr-defined]
    assert at.sim.account.open == {}
    known.take(facts)
    assert (await at.venue.look_up(known.target())).standing == Standing(remaining_units=Decimal(0), position_units=Decimal(0), ended=reason)


async def test_on_an_account_that_nets_the_other_side_opens_nothing(at: Pair) -> None:
    first = await at.place(bracket())
    other = await at.place(bracket(side=Side.SELL, stop_loss_price="1.11", take_profit_price="1.09"))
    assert other.is_over
    sighting = await at.venue.look_up(first.target())
    assert sighting.standing is not None
    assert sighting.standing.position_units == 1000


async def test_a_stop_and_a_trailing_stop_that_exclude_each_other_are_refused_together(at: Pair) -> None:
    at.sim.set_state({"stops_exclude_each_other": True})
    with pytest.raises(VenueRefused, match="MUTUALLY_EXCLUSIVE"):
        await at.place(bracket(trailing_stop_distance="0.005"))


@pytest.mark.parametrize("kind", [Kind.MARKET_HALTED, Kind.WEEKEND])
async def test_a_close_in_a_halted_market_is_refused_and_the_stop_still_stands(at: Pair, kind: Kind) -> None:
    known = await at.place(bracket())
    at.strike(kind=kind, times=None)
    with pytest.raises(VenueRefused, match="MARKET_HALTED"):
        await at.venue.close(known.target(), Decimal(1000))
    standing = (await at.venue.look_up(known.target())).standing
    assert standing is not None
    assert standing.stop is not None
    assert standing.position_units == 1000


async def test_closing_more_than_there_is_of_one_trade_closes_all_of_it(at: Pair) -> None:
    known = await at.place(bracket())
    known.take(await at.venue.close(known.target(), Decimal(5000)))
    assert known.closed == 1000


# ── nothing left us ──


async def test_a_venue_that_is_not_there_was_sent_nothing() -> None:
    async with pair() as at:
        known = at.known(at.intent(bracket()))
        gone = adapter(at.sim)
        await gone.open()
    with pytest.raises(NotSent):
        await gone.create(known.intent)
    await gone.aclose()


async def test_a_create_past_its_deadline_is_not_sent(at: Pair) -> None:
    for deadline_s in (0.0, -1.0):
        with pytest.raises(NotSent) as late:
            await at.venue.create(at.intent(bracket(), deadline_s=deadline_s))
        assert late.value.code == "EXPIRED"
    assert at.sim.hits.orders() == 0


# ── doubt, and what a look finds ──


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": Kind.DROP_AFTER},
        {"kind": Kind.ERROR_AFTER, "status": 502},
        {"kind": Kind.BROKEN_JSON},
        {"kind": Kind.MISSING_FIELDS, "fields": ("orderCreateTransaction",)},
        {"kind": Kind.MISSING_FIELDS, "fields": ("orderCreateTransaction.id",)},
        {"kind": Kind.MISSING_FIELDS, "fields": ("orderCreateTransaction.units",)},
        {"kind": Kind.MISSING_FIELDS, "fields": ("orderCreateTransaction.type",)},
    ],
)
@pytest.mark.parametrize("order", [bracket(), limit(), stop()], ids=["market", "limit", "stop"])
async def test_what_was_accepted_without_a_whole_answer_is_found(at: Pair, fault: dict[str, object], order: object) -> None:
    at.strike(method="POST", **fault)
    known = await doubtful(at, order)
    sighting = await at.venue.look_up(known.target())
    known.take(sighting.facts)
    assert known.refs.order_refs
    assert sighting.standing is not None
    assert sighting.standing.remaining_units + sighting.standing.position_units == 1000
    assert known.filled == sighting.standing.position_units


@pytest.mark.parametrize("fault", [{"kind": Kind.DROP_BEFORE}, {"kind": Kind.ERROR_BEFORE}, {"kind": Kind.RATE_LIMIT}])
async def test_what_never_arrived_is_found_nowhere(at: Pair, fault: dict[str, object]) -> None:
    at.strike(method="POST", **fault)
    known = await doubtful(at)
    sighting = await at.venue.look_up(known.target())
    assert (sighting.facts, sighting.standing) == ((), None)


async def test_a_refusal_whose_answer_was_lost_is_found_as_a_refusal(at: Pair) -> None:
    at.strike(kind=Kind.DROP_AFTER, method="POST")
    known = await doubtful(at, bracket(units="0.5"))
    (refused,) = (await at.venue.look_up(known.target())).facts
    assert isinstance(refused, EntryRefused)
    assert refused.code == "UNITS_PRECISION_EXCEEDED"


async def test_what_filled_and_closed_before_anyone_looked_is_told_whole(at: Pair) -> None:
    at.strike(kind=Kind.DROP_AFTER, method="POST")
    known = await doubtful(at)
    at.quote("1.11000", "1.11010")
    sighting = await at.venue.look_up(known.target())
    known.take(sighting.facts)
    assert (known.filled, known.closed) == (1000, 1000)
    assert [type(fact) for fact in sighting.facts] == [EntryAccepted, EntryFilled, ExitFilled]
    assert sighting.standing is not None
    assert sighting.standing.position_units == 0


async def test_a_slow_create_is_in_doubt_and_found_when_it_is_done(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.oanda.rest.CHANGE_S_MAX", 0.2)
    at.strike(kind=Kind.SLOW_BEFORE, method="POST", seconds=30)
    known = await doubtful(at)
    assert (await at.venue.look_up(known.target())).standing is None
    await at.clock.advance(31)
    async with asyncio.timeout(30):
        while (sighting := await at.venue.look_up(known.target())).standing is None and at.sim.account.open:
            await asyncio.sleep(0)
    # A server may notice that its client has gone and do nothing; what it did is found either way.
    assert (sighting.standing is None) is not at.sim.account.open


async def test_a_log_with_a_hole_never_says_that_an_order_is_not_there(at: Pair) -> None:
    at.strike(kind=Kind.DROP_BEFORE, method="POST")
    known = await doubtful(at)
    await at.place(bracket())
    del at.sim.account.log.transactions[-2]
    with pytest.raises(Malformed, match="holes"):
        await at.venue.look_up(known.target())


@pytest.mark.parametrize("missing", ["transactions", "lastTransactionID", "account"])
async def test_a_look_that_lacks_its_list_is_no_look(at: Pair, missing: str) -> None:
    at.strike(kind=Kind.DROP_AFTER, method="POST")
    known = await doubtful(at)
    at.strike(kind=Kind.MISSING_FIELDS, method="GET", fields=(missing,), path="idrange" if missing == "transactions" else "summary", times=None)
    with pytest.raises(Malformed):
        await at.venue.look_up(known.target())


async def test_a_create_under_a_name_that_waits_already_is_in_doubt_not_refused(at: Pair) -> None:
    known = at.known(at.intent(limit()))
    await at.venue.create(known.intent)
    with pytest.raises(Exception, match="waits under this id") as raised:
        await at.venue.create(known.intent)
    assert not isinstance(raised.value, NO)


@pytest.mark.parametrize("fault", [{"kind": Kind.DROP_AFTER}, {"kind": Kind.ERROR_AFTER}, {"kind": Kind.BROKEN_JSON}, {"kind": Kind.RATE_LIMIT}])
async def test_a_change_in_doubt_is_looked_up_by_the_brackets_ids(at: Pair, fault: dict[str, object]) -> None:
    waiting, held = await at.place(limit()), await at.place(bracket())
    for call in (
        lambda: at.venue.amend(waiting.target(), Amendment(entry_price=Decimal("1.096"))),
        lambda: at.venue.amend(held.target(), Amendment(stop_loss_price=Decimal("1.095"))),
        lambda: at.venue.cancel(waiting.target()),
        lambda: at.venue.close(held.target(), Decimal(1000)),
    ):
        at.strike(method="PUT", **fault)
        with pytest.raises(Exception) as raised:
            await call()
        assert not isinstance(raised.value, NO)
        for known in (waiting, held):
            sighting = await at.venue.look_up(known.target())
            known.take(sighting.facts)
            assert sighting.standing is not None
            assert sighting.standing.position_units == known.filled - known.closed
            assert not known.is_over or sighting.standing.remaining_units == 0
    account = at.sim.account
    assert bool(account.open) is (held.closed == 0)
    assert (waiting.refs.order_refs[-1] in {str(number) for number in account.pending}) is not waiting.is_over


async def test_a_change_of_several_trades_that_fails_in_the_middle_is_in_doubt(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue lets no two open trades have one name, so the second one here is opened by hand and adopted with the first."""
    first, second = await at.place(bracket()), await at.place(bracket())
    refs = first.refs.with_trade(second.refs.trade_refs[0])
    both = first.target(refs=refs, position_units=Decimal(2000), remaining_units=Decimal(0))
    close, calls = changing.Changer._close, []

    async def close_one(self: changing.Changer, spec: str, units: Decimal | None) -> object:
        calls.append(spec)
        if len(calls) == 2:
            raise VenueRefused("MARKET_HALTED")
        return await close(self, spec, units)

    monkeypatch.setattr(changing.Changer, "_close", close_one)
    with pytest.raises(Exception, match="a part was done") as raised:
        await at.venue.close(both, Decimal(2000))
    assert not isinstance(raised.value, NO)
    monkeypatch.undo()
    facts = await at.venue.close(both, Decimal(1000))
    assert [fact.trade_ref for fact in facts if isinstance(fact, ExitFilled)] == [second.refs.trade_refs[0]]


# ── a door that is shut ──


async def test_a_token_that_is_not_known_here_is_explained() -> None:
    async with pair(opened=False) as at:
        stranger = adapter(at.sim, token=Secret("wrong"))
        with pytest.raises(VenueRefused, match="does not accept this token") as refusal:
            await stranger.open()
        await stranger.aclose()
        assert "wrong" not in str(refusal.value)


async def test_an_account_that_is_not_the_tokens_is_refused() -> None:
    async with pair(opened=False) as at:
        other = adapter(at.sim, account_id="101-001-7-001")
        with pytest.raises(VenueRefused, match="ACCOUNT_NOT_FOUND"):
            await other.open()
        await other.aclose()


async def test_an_account_larger_than_other_answers_is_still_read_whole(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full account lists a thousand orders; one that could not be read would never be compared again, and no order taken."""
    for _ in range(5):
        await at.place(limit())
    monkeypatch.setattr("runtime.outbound.ANSWER_BYTES_MAX", 2000)
    snapshot = await at.venue.snapshot([])
    assert len(snapshot.strangers) == 5


# ── what was done, and could not be asked about ──


@pytest.mark.parametrize("trouble", [NotSent(message="no connection"), VenueRefused("401", "the token is not taken")], ids=["not sent", "refused"])
@pytest.mark.parametrize("what", ["create", "close"])
async def test_what_the_venue_has_answered_is_no_request_that_was_never_sent(
    at: Pair, what: str, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer names a trade that has to be asked for, and that question does not leave, or is refused: the order is there all the same."""
    known = await at.place(bracket())
    sent = at.known(at.intent(bracket()))

    async def troubled(_transaction: object) -> NoReturn:
        raise trouble

    monkeypatch.setattr(at.venue._log, "tell", troubled)
    with pytest.raises(Exception) as raised:
        await (at.venue.create(sent.intent) if what == "create" else at.venue.close(known.target(), Decimal(1000)))
    assert not isinstance(raised.value, NO), raised.value


async def test_a_close_of_which_a_part_was_sent_is_no_close_of_which_nothing_was(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told that nothing was sent asks for the whole of it again."""
    first, second = await at.place(bracket()), await at.place(bracket())
    refs = first.refs.with_trade(second.refs.trade_refs[0])
    real, done = at.venue._changer._close, list[str]()

    async def once(spec: str, units: Decimal | None) -> object:
        if done:
            raise NotSent(message="no connection")
        done.append(spec)
        return await real(spec, units)

    monkeypatch.setattr(at.venue._changer, "_close", once)
    with pytest.raises(Exception) as raised:
        await at.venue.close(first.target(refs=refs, position_units=Decimal(2000), remaining_units=Decimal(0)), Decimal(2000))
    assert done
    assert not isinstance(raised.value, NO), raised.value
