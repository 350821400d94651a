"""Whether prices come, as `/health` and `/metrics` tell it."""

from dataclasses import replace

import pytest

from market_data.feeds.base import FeedState, FeedStatus
from tests.market_data.conftest import quote
from tests.market_data.served import Server
from trading.quotes import Quote


async def test_a_quote_that_grew_old_is_stale_and_the_program_degraded(server: Server):
    server.receive(quote(0))
    server.clock.advance(10.1)
    _, answer = await server.get("/quotes")
    assert answer["quotes"][0]["stale"] is True
    _, health = await server.get("/health")
    assert (health["ok"], health["status"], health["trouble"]) == (True, "degraded", "stale: EUR_USD")
    assert health["instruments"] == {"EUR_USD": {"age_ms": 10100, "stale": True}}


async def test_a_feed_that_ended_is_told_in_health(server: Server):
    server.receive(quote(0))
    server.feed.status = FeedStatus(state=FeedState.ENDED, detail="the recording ended")
    _, health = await server.get("/health")
    assert health["status"] == "degraded"
    assert health["feed"] == {"name": "scripted", "state": "ended", "detail": "the recording ended"}
    assert health["trouble"] == "no quotes come: the recording ended"


async def test_health_before_the_first_quote_says_starting_and_after_it_ok(server: Server):
    server.feed.status = FeedStatus(state=FeedState.STARTING)
    assert (await server.get("/health"))[1]["status"] == "starting"
    server.feed.status = FeedStatus(state=FeedState.RUNNING)
    server.receive(quote(0))
    assert (await server.get("/health"))[1]["status"] == "ok"


async def test_metrics_are_what_prometheus_reads(server: Server):
    server.receive(quote(0), quote(1))
    server.clock.advance(2)
    _, text = await server.get("/metrics")
    lines = text.splitlines()
    assert "arena_quotes_total 2.0" in lines
    assert 'arena_instrument_quote_age_seconds{instrument="EUR_USD"} 2.0' in lines
    assert "arena_degraded 0.0" in lines


# Friday 2025-11-28 16:54 in New York, in seconds after MONDAY_NS.
FRIDAY_S = 4 * 86_400 + 7 * 3600 + 54 * 60


def live(at_s: float, instrument: str = "EUR_USD") -> Quote:
    return replace(quote(at_s, instrument=instrument), synthetic=False, feed="oanda")


async def test_a_quiet_weekend_is_told_as_closed_and_is_no_trouble(server: Server):
    """The prices of Friday evening are stale, and nothing is wrong; eleven minutes after Sunday's opening something is."""
    server.receive(live(FRIDAY_S + 50))
    for hours in (1, 24, 22):
        server.clock.advance(hours * 3600)
        _, health = await server.get("/health")
        assert (health["status"], health.get("trouble")) == ("ok", None)
        assert health["instruments"]["EUR_USD"] | {"age_ms": 0} == {"age_ms": 0, "stale": True, "closed": True}
        assert "arena_quotes_stale 0.0" in (await server.get("/metrics"))[1].splitlines()
    server.clock.advance(77 * 60)
    _, health = await server.get("/health")
    assert (health["status"], health["trouble"]) == ("degraded", "stale: EUR_USD")


async def test_silence_in_an_open_market_is_trouble_on_a_friday_too(server: Server):
    server.receive(live(FRIDAY_S - 3600))
    server.clock.advance(11)
    assert (await server.get("/health"))[1]["trouble"] == "stale: EUR_USD"


async def test_a_halt_by_the_venue_is_told_as_closed(server: Server):
    server.receive(live(0), live(0, "GBP_USD"))
    server.feed.status = FeedStatus(state=FeedState.RUNNING, detail="halted by the venue: EUR_USD", halted=frozenset({"EUR_USD"}))
    server.clock.advance(11)
    _, health = await server.get("/health")
    assert health["trouble"] == "stale: GBP_USD"
    assert health["instruments"]["EUR_USD"]["closed"] is True


async def test_a_lost_source_makes_its_quotes_stale_at_once_until_the_next(server: Server):
    server.receive(live(0), live(0, "GBP_USD"))
    server.parts.book.lose(["EUR_USD"])
    _, answer = await server.get("/quotes?instruments=EUR_USD,GBP_USD")
    assert [one["stale"] for one in answer["quotes"]] == [True, False]
    server.receive(live(0))
    _, answer = await server.get("/quotes?instruments=EUR_USD")
    assert answer["quotes"][0]["stale"] is False


@pytest.mark.parametrize("state", [FeedState.RECONNECTING, FeedState.REFUSED, FeedState.FAILED, FeedState.ENDED])
async def test_a_feed_without_quotes_is_trouble_whatever_the_reason(server: Server, state: FeedState):
    server.feed.status = FeedStatus(state=state, detail="what is wrong")
    _, health = await server.get("/health")
    assert (health["status"], health["feed"]["state"]) == ("degraded", state)
    assert health["trouble"] == "no quotes come: what is wrong"
    assert 'arena_feed_up{feed="scripted"} 0.0' in (await server.get("/metrics"))[1].splitlines()
