"""What goes wrong in a fault campaign: a share of all requests, and now and then something worse for a second or two."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import NoReturn

from tests.venues.common.faults import Fault, FaultScript, Kind

# How the share of faults is divided; slow answers hold a connection for long and are kept few.
_MIX: Mapping[Kind, float] = {
    Kind.DROP_BEFORE: 5,
    Kind.DROP_AFTER: 5,
    Kind.ERROR_BEFORE: 4,
    Kind.ERROR_AFTER: 5,
    Kind.BROKEN_JSON: 5,
    Kind.MISSING_FIELDS: 5,
    Kind.SLOW_AFTER: 0.5,
    Kind.SLOW_BEFORE: 0.3,
    Kind.RATE_LIMIT: 0.2,
}
_STREAM_MIX: Mapping[Kind, float] = {
    Kind.STREAM_CUT: 0.002,
    Kind.STREAM_CUT_MID_LINE: 0.002,
    Kind.STREAM_TWICE: 0.05,
    Kind.STREAM_SWAP: 0.03,
}
_WORSE = (Kind.STREAM_MUTE, Kind.MARKET_HALTED, Kind.DROP_BEFORE, Kind.LEG_REFUSED, Kind.PARTIAL_FILL)

_SHUT = frozenset({Kind.MARKET_HALTED, Kind.DROP_BEFORE, Kind.LEG_REFUSED})


class Weather:
    """Over the venue that ``faults`` is the script of. ``share`` of its requests go wrong; what is slow takes ``slow_s``."""

    def __init__(self, faults: FaultScript, share: float, slow_s: float, dice: Random) -> None:
        self._faults = faults
        self._share = share
        self._slow_s = slow_s
        self._dice = dice
        self.is_shut = False  # the venue answers nobody, or takes no exit

    def strike(self) -> None:
        """The usual faults, at random."""
        whole = sum(_MIX.values())
        for kind, weight in _MIX.items():
            self._faults.add(Fault(kind=kind, times=None, share=self._share * weight / whole, seconds=self._slow_s))
        for kind, share in _STREAM_MIX.items():
            self._faults.add(Fault(kind=kind, times=None, share=share))

    async def change(self) -> NoReturn:
        """Now and then something worse, for a few seconds; until cancelled."""
        while True:
            await asyncio.sleep(self._dice.uniform(2, 6))
            worse = self._dice.choice(_WORSE)
            self._faults.clear()
            self._faults.add(Fault(kind=worse, times=3 if worse is Kind.PARTIAL_FILL else None))
            self.strike()
            self.is_shut = worse in _SHUT
            await asyncio.sleep(self._dice.uniform(0.5, 2))
            self._faults.clear()
            self.strike()
            self.is_shut = False
