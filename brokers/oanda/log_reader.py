"""The account's log over REST: what came after a transaction, without a hole, and what each transaction tells.

Every transaction of an account has the next number, rejects and financing included, so a gap is known for a gap. Pages are small because an answer
has at most a megabyte and a fill a few kilobytes.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from brokers.live.venue import Fact, VenueAccount
from brokers.oanda import wire
from brokers.oanda.memory import Memory, Missing
from brokers.oanda.objects import read_account, read_order, read_trade
from brokers.oanda.rest import NotThere, Rest
from brokers.oanda.transactions import facts_of, unreadable
from brokers.oanda.wire import Json, Malformed

PAGE = 100

# A transaction may need its order and its trade read first; more is a venue that contradicts itself.
_READS_MAX = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Transactions up to number ``last``. One that is not whole says nothing about what is not in it."""

    transactions: Sequence[Json]
    last: int
    is_whole: bool


class LogReader:
    """Reads the log of the account that ``rest`` is for, and keeps ``memory`` supplied."""

    def __init__(self, rest: Rest, memory: Memory) -> None:
        self._rest = rest
        self._memory = memory

    async def newest(self) -> tuple[int, VenueAccount]:
        """The number of the account's last transaction, and its money then."""

        def newest(answer: Json) -> tuple[int, VenueAccount]:
            return wire.counter(answer, "lastTransactionID"), read_account(wire.part(answer, "account"))

        return await self._rest.read("/summary", parse=newest)

    async def pages(self, after: int, until: int) -> AsyncIterator[Page]:
        """The transactions numbered ``after + 1`` to ``until`` in ascending order, in pages."""
        for first in range(after + 1, until + 1, PAGE):
            last = min(first + PAGE - 1, until)

            def page(answer: Json, first: int = first, last: int = last) -> Page:
                by_number = {wire.counter(each, "id"): each for each in wire.parts(answer, "transactions")}
                found = [by_number[number] for number in sorted(by_number) if first <= number <= last]
                return Page(transactions=found, last=last, is_whole=len(found) == last - first + 1)

            yield await self._rest.read("/transactions/idrange", {"from": str(first), "to": str(last)}, parse=page)

    async def transaction(self, number: str) -> Json:
        """One transaction by its number."""

        def one(answer: Json) -> Json:
            found = wire.part(answer, "transaction")
            if wire.identity(found, "id") != number:
                raise Malformed("the venue answered with another transaction")
            return found

        return await self._rest.read(f"/transactions/{number}", parse=one)

    async def tell(self, transaction: Json) -> Sequence[Fact]:
        """The facts of ``transaction``; of one that cannot be read, that the account has to be compared."""
        try:
            for _ in range(_READS_MAX):
                try:
                    return facts_of(transaction, self._memory)
                except Missing as missing:
                    await self._learn(missing)
            raise Malformed("it names orders and trades that do not fit together")
        except (Malformed, NotThere) as error:
            return [unreadable(transaction, error)]

    async def _learn(self, missing: Missing) -> None:
        if missing.order_id:
            order = await self._rest.read(f"/orders/{missing.order_id}", parse=lambda answer: read_order(wire.part(answer, "order")))
            self._memory.keep_order(order.known)
            return
        trade, as_of = await self._rest.read(
            f"/trades/{missing.trade_id}",
            parse=lambda answer: (read_trade(wire.part(answer, "trade")), wire.counter(answer, "lastTransactionID")),
        )
        self._memory.keep_trade(trade.known(as_of))
