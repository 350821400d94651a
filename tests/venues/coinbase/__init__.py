"""Coinbase Advanced Trade as far as a bracket-order adapter meets it: REST with tokens, the websocket, matching, holds, fees, and faults."""

from tests.venues.coinbase.auth import ApiKey, make_key
from tests.venues.coinbase.options import Options
from tests.venues.coinbase.venue import CoinbaseVenue

__all__ = ["ApiKey", "CoinbaseVenue", "Options", "make_key"]
