"""From an environment to a venue that answers: one key goes to one place, and what cannot be used is refused in words that hold no secret."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from brokers.going_live import coinbase_route, live_broker, open_venue
from runtime.clock import SystemClock
from runtime.program import CannotStart
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.oanda.venue import OandaVenue
from trading.instruments import Instruments

REST, STREAM = "https://api.coinbase.com", "wss://advanced-trade-ws-user.coinbase.com"
PEM = "-----BEGIN EC PRIVATE KEY-----\\nsecret-word\\n-----END EC PRIVATE KEY-----"


async def test_the_credentials_open_the_venue_they_are_for(instruments: Instruments) -> None:
    async with OandaVenue() as oanda, CoinbaseVenue() as coinbase:
        environs: Mapping[str, Mapping[str, str]] = {
            "oanda": oanda.addresses(),
            "coinbase": {**coinbase.addresses(), "COINBASE_API_SECRET": coinbase.key.secret},
        }
        for source, environ in environs.items():
            venue, route = open_venue(source, instruments=instruments, clock=SystemClock(), environ=environ)
            assert (venue.name, route.stakes) == (source, "a simulator on this machine")
            try:
                info = await venue.open()
            finally:
                await venue.aclose()
            assert info.account.currency == "USD"
            assert {each.name for each in info.instruments} <= set(instruments.for_venue(source))
        assert coinbase.hits.counts["POST /api/v3/brokerage/orders"] == 0


@pytest.mark.parametrize(
    ("environ", "stakes"),
    [
        ({}, "real money"),
        ({"OANDA_BASE_URL": "https://api-fxtrade.oanda.com"}, "real money"),
        ({"OANDA_BASE_URL": "https://api-fxpractice.oanda.com"}, "play money"),
        ({"OANDA_BASE_URL": "http://127.0.0.1:1"}, "simulator"),
        ({"OANDA_BASE_URL": "https://oanda.example.com"}, "real money"),
    ],
)
def test_what_is_at_stake_is_said_for_each_address(instruments: Instruments, environ: Mapping[str, str], stakes: str) -> None:
    complete = {"OANDA_API_TOKEN": "t", "OANDA_ACCOUNT_ID": "101-001-1-001", **environ}
    _, route = open_venue("oanda", instruments=instruments, clock=SystemClock(), environ=complete)
    assert stakes in route.stakes


@pytest.mark.parametrize(
    "environ",
    [
        {"COINBASE_BASE_URL": "http://127.0.0.1:1"},
        {"COINBASE_WS_URL": "ws://127.0.0.1:1"},
        {"COINBASE_BASE_URL": "http://127.0.0.1:1", "COINBASE_WS_URL": "wss://example.com"},
        {"COINBASE_BASE_URL": "http://example.com", "COINBASE_WS_URL": "wss://example.com"},
    ],
)
def test_half_an_address_is_refused(environ: Mapping[str, str]) -> None:
    """Or a key meant for a simulator would sign for Coinbase, or the other way round."""
    with pytest.raises(CannotStart, match="COINBASE_"):
        coinbase_route(environ, rest_url=REST, stream_url=STREAM)
    assert coinbase_route({}, rest_url=REST, stream_url=STREAM).stakes == "real money"


@pytest.mark.parametrize(("rest", "stream"), [("http://127.0.0.1:1", "https://example.com"), ("https://example.com", "http://127.0.0.1:1")])
def test_a_token_does_not_go_to_two_places(instruments: Instruments, rest: str, stream: str) -> None:
    environ = {"OANDA_API_TOKEN": "t", "OANDA_ACCOUNT_ID": "101-001-1-001", "OANDA_BASE_URL": rest, "OANDA_STREAM_URL": stream}
    with pytest.raises(CannotStart, match="OANDA_STREAM_URL"):
        open_venue("oanda", instruments=instruments, clock=SystemClock(), environ=environ)


def test_a_key_that_is_none_is_refused_without_being_told(instruments: Instruments, tmp_path: Path) -> None:
    environ = {"COINBASE_API_KEY": "organizations/1/apiKeys/2", "COINBASE_API_SECRET": PEM}
    with pytest.raises(CannotStart, match="COINBASE_API_SECRET") as refusal:
        open_venue("coinbase", instruments=instruments, clock=SystemClock(), environ=environ)
    assert "secret-word" not in str(refusal.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as root")
def test_root_is_refused(instruments: Instruments) -> None:
    environ = {"OANDA_API_TOKEN": "t", "OANDA_ACCOUNT_ID": "101-001-1-001", "OANDA_BASE_URL": "http://127.0.0.1:1"}
    with pytest.raises(CannotStart, match="root"):
        live_broker("oanda", instruments=instruments, clock=SystemClock(), environ=environ)
