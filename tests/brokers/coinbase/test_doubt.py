"""What goes wrong between us and the venue: which failures say that nothing happened, and what a look finds after the others."""

from decimal import Decimal
from typing import Any

import pytest

from brokers.coinbase.auth import ApiKey
from brokers.coinbase.client import Client
from brokers.coinbase.venue import CoinbaseVenue
from brokers.live.venue import Amendment, NotSent, VenueMismatch, VenueRefused
from runtime.clock import ManualClock
from tests.brokers.coinbase.kit import CLOCK, Known, Pair, adapter, bracket, limit, pair
from tests.venues.coinbase.auth import make_key
from tests.venues.common.conf import instruments_of
from trading.orders import BracketOrder
from trading.venue_refs import Doubt

D = Decimal
NO = (VenueRefused, NotSent)
CREATE = {"method": "POST", "path": "/orders$"}


async def doubtful(at: Pair, order: BracketOrder) -> Known:
    """A create whose answer does not come; what is known of it is what was sent."""
    known = at.known(at.intent(order))
    with pytest.raises(Exception) as raised:
        await at.venue.create(known.intent)
    assert not isinstance(raised.value, NO), raised.value
    known.doubting(Doubt.CREATE)
    return known


# ── the venue says no ──


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (bracket(units="0.000000001"), "UNITS_TOO_SMALL"),
        (limit("59000", units="0.0123456789"), "UNITS_OFF_STEP"),
        (limit("59000.001"), "PRICE_OFF_TICK"),
        (limit("59000", units="100"), "INSUFFICIENT_FUNDS"),
        (bracket(stop_loss_price="61000"), "VENUE_REJECTED"),
    ],
    ids=["value", "size", "price", "funds", "stop"],
)
async def test_what_the_venue_refuses_is_refused_and_was_never_there(at: Pair, order: BracketOrder, code: str) -> None:
    known = at.known(at.intent(order))
    with pytest.raises(VenueRefused) as refusal:
        await at.venue.create(known.intent)
    assert refusal.value.code == code
    assert at.orders() == []
    assert await at.look(known) is None


@pytest.mark.parametrize("reason", ["TRADING_DISABLED", "UNTRADABLE_PRODUCT"])
async def test_a_market_that_is_halted_says_so(at: Pair, reason: str) -> None:
    at.sim.set_state({"products": {"BTC-USD": {"trading_disabled": True} if reason == "TRADING_DISABLED" else {"is_disabled": True}}})
    with pytest.raises(VenueRefused, match="MARKET_HALTED"):
        await at.place(bracket())


async def test_an_end_in_the_past_is_refused(at: Pair) -> None:
    with pytest.raises(VenueRefused, match="END_TIME_IS_IN_THE_PAST"):
        await at.place(limit(), ttl_s=-5)


async def test_an_order_past_its_deadline_is_not_sent(at: Pair) -> None:
    with pytest.raises(NotSent) as late:
        await at.place(limit(), deadline_s=0)
    assert late.value.code == "EXPIRED"
    assert at.orders() == []


async def test_a_venue_that_nobody_answers_at_was_sent_nothing(at: Pair) -> None:
    far = CoinbaseVenue(ApiKey(at.sim.key.name, at.sim.key.secret), instruments_of("coinbase"), CLOCK, rest_url="http://127.0.0.1:9")
    with pytest.raises(NotSent):
        await far.open()
    await far.aclose()


# ── doubt ──

DOUBTS: dict[str, dict[str, Any]] = {
    "accepted and dropped": {"kind": "drop_after"},
    "lost": {"kind": "drop_before"},
    "502 after it was accepted": {"kind": "error_after", "status": 502},
    "503 before": {"kind": "error_before", "status": 503},
    "429": {"kind": "rate_limit"},
    "broken JSON": {"kind": "broken_json"},
    "no success": {"kind": "missing_fields", "fields": ["success"]},
    "no order id": {"kind": "missing_fields", "fields": ["success_response.order_id"]},
    "slow": {"kind": "slow_after", "seconds": 5},
}
TAKEN = {"accepted and dropped", "502 after it was accepted", "broken JSON", "no success", "no order id", "slow"}


@pytest.mark.parametrize("doubt", DOUBTS)
async def test_an_answer_that_does_not_come_is_doubt_and_a_look_settles_it(at: Pair, doubt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if doubt == "slow":
        monkeypatch.setattr("brokers.coinbase.entries.WRITE_S_MAX", 0.2)
    at.strike(**DOUBTS[doubt], **CREATE)
    known = await doubtful(at, limit("59000"))
    standing = await at.look(known)
    assert (standing is not None) == (doubt in TAKEN)
    assert len(at.orders(side="BUY")) == (doubt in TAKEN)


@pytest.mark.parametrize("doubt", DOUBTS)
async def test_the_same_create_again_is_the_same_order(at: Pair, doubt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the core does before the deadline: byte for byte, and one order comes of it."""
    if doubt == "slow":
        monkeypatch.setattr("brokers.coinbase.entries.WRITE_S_MAX", 0.2)
    at.strike(**DOUBTS[doubt], **CREATE)
    known = await doubtful(at, bracket())
    known.take(await at.venue.create(known.intent))
    assert known.filled == D("0.01")
    assert len(at.orders(side="BUY")) == 1


async def test_a_no_to_the_second_that_says_duplicate_is_no_no() -> None:
    async with pair(reused_id="refuse") as made:
        made.strike("drop_after", **CREATE)
        known = await doubtful(made, bracket())
        with pytest.raises(Exception, match="looked up"):
            await made.venue.create(known.intent)
        assert (await made.look(known)).position_units == D("0.01")


async def test_a_read_back_that_fails_leaves_doubt_and_not_a_refusal(at: Pair) -> None:
    at.strike("error_before", method="GET", path="/historical/[^bf]", times=20)
    known = await doubtful(at, bracket())
    at.sim.faults.clear()
    assert (await at.look(known)).position_units == D("0.01")


async def test_a_read_back_that_could_not_be_sent_is_no_order_that_was_not_sent(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order stands; a connection that fails for the question about it must not make it void."""

    async def unreachable(*_: object, **__: object) -> object:
        raise NotSent

    monkeypatch.setattr(Client, "order", unreachable)
    known = at.known(at.intent(bracket()))
    with pytest.raises(Exception) as raised:
        await at.venue.create(known.intent)
    assert not isinstance(raised.value, NO)
    assert len(at.orders(side="BUY")) == 1


async def test_another_order_under_our_id_is_an_alarm(at: Pair) -> None:
    """After a restore of an old store, say: the id was used for something else."""
    first = await at.place(limit("59000"))
    other = at.intent(limit("58500"))
    mistaken = at.known(type(other)(**{**_fields(other), "client_id": first.intent.client_id}))
    with pytest.raises(VenueMismatch, match="limit_price"):
        await at.venue.create(mistaken.intent)


async def test_an_old_order_under_our_id_is_not_taken_for_the_new_one(at: Pair) -> None:
    first = await at.place(limit("59000"))
    later = type(first.intent)(**{**_fields(first.intent), "created_ns": first.intent.created_ns + 600 * 10**9})
    with pytest.raises(VenueMismatch, match="created_time"):
        await at.venue.create(later)


async def test_an_order_that_is_not_listed_is_found_by_what_it_traded(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    known = at.known(at.intent(bracket()))
    at.strike("drop_after", **CREATE)
    with pytest.raises(Exception, match="no answer"):
        await at.venue.create(known.intent)
    known.doubting(Doubt.CREATE)

    async def nothing(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(at.venue._context.client, "working", nothing)
    real = at.venue._context.client.orders
    monkeypatch.setattr(at.venue._context.client, "orders", lambda **wanted: real(**wanted) if wanted.get("order_ids") else nothing())
    assert (await at.look(known)).position_units == D("0.01")


@pytest.mark.parametrize("fields", [["orders"], ["has_next"], ["cursor"]])
async def test_half_a_list_is_no_list(at: Pair, fields: list[str]) -> None:
    known = await at.place(limit())
    at.options(page_max=1)
    await at.place(limit("58500"))
    at.strike("missing_fields", method="GET", path="historical/batch", fields=fields, times=None)
    if fields == ["has_next"]:
        assert (await at.venue.snapshot([known.target()])).sightings  # a cursor alone says as much
    else:
        with pytest.raises(Exception, match=r"cannot be read|does not say where"):
            await at.venue.snapshot([known.target()])


async def test_lists_of_many_pages_are_read_to_their_end(at: Pair) -> None:
    at.options(page_max=1)
    places = [await at.place(limit(str(59000 + step))) for step in range(5)]
    snapshot = await at.venue.snapshot([known.target() for known in places])
    assert all(sighting.standing is not None for sighting in snapshot.sightings.values())
    assert snapshot.strangers == []


async def test_an_entry_that_ended_is_not_told_before_what_it_traded() -> None:
    """Executions are listed late: an end without them would leave a position that nobody knows of."""
    async with pair(fills_lag_s=0.4) as made:
        known = await made.place(limit("59000", units="0.03"))
        made.quote("58990", "59000", size="0.01")
        known.take(await made.venue.cancel(known.target()))
        assert (known.filled, known.end is not None) == (D("0.01"), True)


# ── the key and the clock ──


async def test_a_key_that_the_venue_does_not_know_is_refused_at_the_door(at: Pair) -> None:
    stranger = make_key("organizations/x/apiKeys/y")
    other = CoinbaseVenue(
        ApiKey(stranger.name, stranger.secret), instruments_of("coinbase"), CLOCK, rest_url=at.sim.base_url, stream_url=at.sim.ws_url, rate_per_s=1e6
    )
    with pytest.raises(VenueRefused, match="UNAUTHORIZED"):
        await other.open()
    await other.aclose()


@pytest.mark.parametrize(("rights", "says"), [({"can_trade": False}, "NO_TRADE_PERMISSION"), ({"can_view": False}, "UNAUTHORIZED")])
async def test_a_key_that_may_not_trade_is_refused(at: Pair, rights: dict[str, bool], says: str) -> None:
    at.options(**rights)
    fresh = adapter(at.sim)
    with pytest.raises(VenueRefused, match=says):
        await fresh.open()
    await fresh.aclose()


async def test_a_key_that_may_move_money_out_is_warned_of(at: Pair) -> None:
    at.options(can_transfer=True)
    fresh = adapter(at.sim)
    assert any("move money" in warning for warning in (await fresh.open()).warnings)
    await fresh.aclose()


async def test_a_clock_that_is_off_is_refused_in_words(at: Pair) -> None:
    clock = ManualClock(wall_ns=CLOCK.wall_ns() - 90 * 10**9)
    slow = CoinbaseVenue(
        ApiKey(at.sim.key.name, at.sim.key.secret),
        instruments_of("coinbase"),
        clock,
        rest_url=at.sim.base_url,
        stream_url=at.sim.ws_url,
        rate_per_s=1e6,
    )
    with pytest.raises(VenueRefused, match="CLOCK_SKEW"):
        await slow.open()
    await slow.aclose()


async def test_the_account_keeps_its_name_when_the_key_is_replaced(at: Pair) -> None:
    assert adapter(at.sim).account_id == "7c5ad5b5-6d1f-4c3e-9a53-000000000001"


def _fields(intent: Any) -> dict[str, Any]:
    return {name: getattr(intent, name) for name in type(intent).__slots__}


async def test_what_only_looked_in_vain_has_sent_nothing(at: Pair) -> None:
    """A third of reads that fail must not leave a third of all closes in doubt: what stood still stands."""
    held, waits = await at.place(bracket()), await at.place(limit("59000"))
    at.strike("error_before", method="GET", path="/orders/", times=None)
    with pytest.raises(NotSent):
        await at.venue.close(held.target(), held.position)
    with pytest.raises(NotSent):
        await at.venue.amend(waits.target(), Amendment(stop_loss_price=Decimal(57000)))
    with pytest.raises(NotSent):
        await at.venue.cancel(waits.target())
    assert len(at.orders(working=True)) == 3
