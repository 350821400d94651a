"""The transaction stream: what was missed first, then what happens, each transaction once and in the order of its number.

The stream does not replay, so it is opened before the log is read up to now: nothing falls between. From then on every transaction must have the next
number. One that is ahead, or a heartbeat that is, means that something was left out: it is read over REST, together with all up to it, before
anything later is told. One that is not ahead has been told. So lines that come twice, late or swapped change nothing, and a line lost is found by the
next heartbeat. Any trouble ends the stream; the next one begins from the last cursor that was kept.
"""

import logging
from collections.abc import AsyncIterator

from brokers.live.venue import Batch, Fact, Unplaced, VenueRefused
from brokers.oanda import wire
from brokers.oanda.log_reader import LogReader
from brokers.oanda.rest import Rest
from brokers.oanda.wire import Json, Malformed
from runtime.exact_json import NotExactJson, loads
from runtime.outbound import Outbound, StreamRefused

# A heartbeat comes every five seconds; two that are missing are a dead connection. Source: oanda-v20 documentation, "Streaming".
SILENCE_S = 10.0

_FINAL = frozenset({401, 403, 404})

_log = logging.getLogger(__name__)


async def batches(http: Outbound, rest: Rest, log: LogReader, cursor: str) -> AsyncIterator[Batch]:
    """See ``Venue.stream``; ``cursor`` is the number of the last transaction that was kept.

    Raises:
        VenueRefused: the venue will not stream to this token. OutboundError, Malformed, …: whatever ended it.
    """
    try:
        async with http.lines(f"{rest.prefix}/transactions/stream", headers=rest.headers(), silence_s=SILENCE_S) as lines:
            position = _Position(log)
            async for batch in position.catch_up(cursor):
                yield batch
            async for line in lines:
                async for batch in position.follow(_message(line)):
                    yield batch
    except StreamRefused as refused:
        if refused.answer.status in _FINAL:
            raise VenueRefused("STREAM_DENIED", f"the venue answers {refused.answer.status} to the transaction stream") from refused
        raise


class _Position:
    """How far the log has been told."""

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self._last = 0

    async def catch_up(self, cursor: str) -> AsyncIterator[Batch]:
        """All up to now, the last batch saying so."""
        newest, account = await self._log.newest()
        self._last = int(cursor) if cursor else newest
        facts: list[Fact] = []
        if self._last > newest:
            _log.error("the kept cursor is ahead of the venue's log", extra={"cursor": cursor, "newest": newest})
            self._log.forget()
            facts = [Unplaced(text=f"the venue's log ends at {newest} and {cursor} had been read: another account, or one that was reset")]
            self._last = newest
        async for batch in self._read_up_to(newest, is_live=False):
            yield batch
        yield Batch(facts=facts, cursor=str(self._last), account=account)

    async def follow(self, message: Json) -> AsyncIterator[Batch]:
        """What one line tells."""
        is_heartbeat = message.get("type") == "HEARTBEAT"
        key = "lastTransactionID" if is_heartbeat else "id"
        if message.get(key) is None:
            yield Batch(cursor=str(self._last))  # a sign of life; what it should have said is missed by the next number
            return
        number = wire.counter(message, key)
        if is_heartbeat or number > self._last + 1:
            async for batch in self._read_up_to(number, is_live=True):
                yield batch
            if is_heartbeat:
                yield Batch(cursor=str(self._last))
        elif number > self._last:
            facts = await self._log.tell(message)
            self._log.looked_at(message)
            self._last = number
            yield Batch(facts=facts, cursor=str(number))

    async def _read_up_to(self, number: int, *, is_live: bool) -> AsyncIterator[Batch]:
        async for page in self._log.pages(self._last, number):
            facts: list[Fact] = []
            for transaction in page.transactions:
                facts += await self._log.tell(transaction)
            if not page.is_whole:
                _log.error("the venue's log has holes", extra={"after": self._last, "until": page.last})
                facts.append(Unplaced(text=f"the venue's log has holes between {self._last} and {page.last}"))
            self._last = page.last
            yield Batch(facts=facts, cursor=str(page.last), is_live=is_live)


def _message(line: bytes) -> Json:
    """One line of the stream."""
    try:
        value = loads(line)
    except NotExactJson as error:
        raise Malformed(f"a line of the stream cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("a line of the stream is no object")
    return value
