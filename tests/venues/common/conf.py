"""The instruments that both the arena and the simulated venues trade: conf/instruments.toml."""

import tomllib
from decimal import Decimal
from pathlib import Path

from trading.instruments import Instruments

_FILE = Path(__file__).parents[3] / "conf" / "instruments.toml"


def instruments_of(venue: str) -> Instruments:
    """Those of ``venue``."""
    return Instruments.from_config(tomllib.loads(_FILE.read_text(), parse_float=Decimal)).for_venue(venue)
