"""``python -m brokers oanda`` or ``python -m brokers coinbase``: the process that owns one venue account."""

import asyncio
import logging
import os
import sys
from pathlib import Path

from brokers.credentials import NAMES, why_paper
from brokers.host import serve
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from runtime.clock import SystemClock
from runtime.program import CannotStart, run
from runtime.settings import Settings
from trading.instruments import InstrumentError, Instruments


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the account of ``source`` until ``stop`` is set."""
    source = _source()
    reason = why_paper(source, execution_enabled=settings.execution_enabled, environ=os.environ)
    if reason is None:
        raise CannotStart(f"the credentials for {source} are complete, but this version cannot trade live there: unset EXECUTION_ENABLED for paper")
    logging.getLogger(source).info("trading paper", extra={"reason": reason})
    try:
        instruments = Instruments.from_config(settings.instruments)
    except InstrumentError as error:
        raise CannotStart(f"{settings.conf.parent / 'instruments.toml'}: {error}") from error
    account = PaperAccountConfig.for_venue(source, settings.paper)
    broker = PaperBroker(venue=source, instruments=instruments, account=account)
    offset_file = settings.test.clock_offset_file
    clock = SystemClock(Path(offset_file) if offset_file else None)
    await serve(settings, source, stop, broker=broker, instruments=instruments, clock=clock)


def _source() -> str:
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m brokers {'|'.join(NAMES)}")
    return sys.argv[1]


if __name__ == "__main__":
    run(_source(), main)
