"""``python -m brokers oanda`` or ``python -m brokers coinbase``: the process that owns one venue account."""

import asyncio
import logging
import os
import sys
from pathlib import Path

from brokers.base import Broker
from brokers.credentials import NAMES, why_paper
from brokers.host import serve
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from runtime.clock import Clock, SystemClock
from runtime.program import CannotStart, run
from runtime.settings import Settings
from runtime.short_turns import take_short_turns
from trading.instruments import InstrumentError, Instruments


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the account of ``source`` until ``stop`` is set."""
    source = _source()
    try:
        instruments = Instruments.from_config(settings.instruments)
    except InstrumentError as error:
        raise CannotStart(f"{settings.conf.parent / 'instruments.toml'}: {error}") from error
    offset_file = settings.test.clock_offset_file
    clock = SystemClock(Path(offset_file) if offset_file else None)
    broker = _broker(settings, source, instruments, clock)
    await serve(settings, source, stop, broker=broker, instruments=instruments, clock=clock)


def _broker(settings: Settings, source: str, instruments: Instruments, clock: Clock) -> Broker:
    reason = why_paper(source, execution_enabled=settings.execution_enabled, environ=os.environ)
    if reason is None:
        from brokers.going_live import live_broker  # noqa: PLC0415 - paper must not even load what reaches a venue

        return live_broker(source, instruments=instruments, clock=clock, environ=os.environ)
    logging.getLogger(source).info("trading paper", extra={"reason": reason})
    return PaperBroker(venue=source, instruments=instruments, account=PaperAccountConfig.for_venue(source, settings.paper))


def _source() -> str:
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m brokers {'|'.join(NAMES)}")
    return sys.argv[1]


if __name__ == "__main__":
    take_short_turns()
    run(_source(), main)
