"""The account's log over REST: what came after a transaction, without a hole, and what each transaction tells.

Every transaction of an account has the next number, rejects and financing included, so a gap is known for a gap. Pages are small because an answer
has at most a megabyte and a fill a few kilobytes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from brokers.live.venue import Fact, VenueAccount
from brokers.oanda import wire
from brokers.oanda.creations import Creations, Named
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
        self._creations = Creations()
        self._covering = asyncio.Lock()
        self._wanted = 0

    async def newest(self) -> tuple[int, VenueAccount]:
        """The number of the account's last transaction, and its money then."""

        def newest(answer: Json) -> tuple[int, VenueAccount]:
            return wire.counter(answer, "lastTransactionID"), read_account(wire.part(answer, "account"))

        return await self._rest.read("/summary", parse=newest)

    async def pages(self, after: int, until: int, *, is_news: bool = True) -> AsyncIterator[Page]:
        """The transactions numbered ``after + 1`` to ``until`` in ascending order, in pages.

        Old ones (not ``is_news``) leave the stretch alone in which names are looked for: it would begin anew with them.
        """
        for first in range(after + 1, until + 1, PAGE):
            yield await self._page(first, min(first + PAGE - 1, until), is_news=is_news)

    async def named(self, client_id: str, after: int, newest: int) -> Sequence[Named]:
        """Where the log names ``client_id`` above number ``after``, up to ``newest``; what this process has looked at is not read again.

        Raises:
            Malformed: nowhere, but the log came with holes, and it may be in one of them.
        """
        seen = self._creations
        self._wanted = max(self._wanted, newest)
        async with self._covering:
            if seen.after == seen.until:
                seen.begin(newest)
            # Asked anew after each page: the stream reads too, and may have moved the stretch. Whoever reads on does it for all who wait.
            while seen.until < newest or seen.after > after:
                if seen.until < newest:
                    await self._page(seen.until + 1, min(seen.until + PAGE, self._wanted))
                else:  # backwards, so that what was read stays when time runs out
                    await self._page(max(after + 1, seen.after - PAGE + 1), seen.after)
        found = seen.of(client_id, after)
        if not found and seen.has_hole(after):
            raise Malformed("the log came with holes: the order may be in one of them")
        return found

    def looked_at(self, transaction: Json) -> None:
        """The stream has told ``transaction``, the next one."""
        number = wire.counter(transaction, "id")
        self._creations.learn(number, number, [transaction])

    def forget(self) -> None:
        """The log is another one than was read."""
        self._creations.begin(0)
        self._wanted = 0

    async def _page(self, first: int, last: int, *, is_news: bool = True) -> Page:
        def page(answer: Json) -> Page:
            by_number = {wire.counter(each, "id"): each for each in wire.parts(answer, "transactions")}
            found = [by_number[number] for number in sorted(by_number) if first <= number <= last]
            return Page(transactions=found, last=last, is_whole=len(found) == last - first + 1)

        read = await self._rest.read("/transactions/idrange", {"from": str(first), "to": str(last)}, parse=page)
        if is_news:
            self._creations.learn(first, last, read.transactions)
        return read

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
