"""Time that passes without waiting."""

import asyncio

from runtime.clock import ManualClock


class PassingTime:
    """A ``sleep`` that moves ``clock`` on at once and remembers how long it was asked for."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._clock.advance(seconds)
        await asyncio.sleep(0)
