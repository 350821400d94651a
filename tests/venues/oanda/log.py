"""The transaction log: one counter for everything that happens to an account, without a hole.

What one request (or one quote) causes is one batch; its transactions follow each other. An order has the id of the transaction that created it, a
trade that of the fill that opened it.
"""

from bisect import bisect_right
from collections.abc import Callable
from itertools import count

from tests.venues.common.clock import VenueClock
from tests.venues.oanda.wire import Doc, Stamp

# The first request of a simulated venue; real ones have eighteen digits too.
_FIRST_REQUEST = 42_000_000_000_000_001


class Log:
    """Every transaction of one account, oldest first."""

    def __init__(self, account_id: str, user_id: int, clock: VenueClock) -> None:
        self.account_id = account_id
        self.user_id = user_id
        self.clock = clock
        self.transactions: list[Doc] = []
        self.last_id = 0
        self._requests = count(_FIRST_REQUEST)
        self._listeners: list[Callable[[Doc], None]] = []

    def listen(self, listener: Callable[[Doc], None]) -> Callable[[], None]:
        """Call ``listener`` with each transaction from now on; the call that comes back ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def batch(self, request_id: str | None = None) -> "Batch":
        """A new batch; one that no request began has no ``requestID``."""
        return Batch(self, request_id)

    def next_request_id(self) -> str:
        return str(next(self._requests))

    def next_id(self) -> int:
        """The id that the next transaction will have."""
        return self.last_id + 1

    def get(self, number: int) -> Doc | None:
        found = self.since(number - 1)[:1]
        return found[0] if found and found[0]["id"] == str(number) else None

    def since(self, number: int) -> list[Doc]:
        """All after ``number``, which is not among them."""
        return self.transactions[bisect_right(self.transactions, number, key=lambda each: int(each["id"])) :]

    def append(self, transaction: Doc) -> None:
        self.last_id = int(transaction["id"])
        self.transactions.append(transaction)
        for listener in list(self._listeners):
            listener(transaction)


class Batch:
    """Transactions with one cause, and one time."""

    def __init__(self, log: Log, request_id: str | None) -> None:
        self._log = log
        self._request_id = request_id
        self.time = Stamp(log.clock.now_ns())
        self.transactions: list[Doc] = []

    def write(self, kind: str, **fields: object) -> Doc:
        """Append a transaction of type ``kind``; fields that are None are left out."""
        number = self._log.next_id()
        transaction: Doc = {
            "id": str(number),
            "accountID": self._log.account_id,
            "userID": self._log.user_id,
            "batchID": self.transactions[0]["id"] if self.transactions else str(number),
            **({"requestID": self._request_id} if self._request_id else {}),
            "time": self.time,
            "type": kind,
            **{name: value for name, value in fields.items() if value is not None},
        }
        self.transactions.append(transaction)
        self._log.append(transaction)
        return transaction

    def related(self) -> Doc:
        """What closes every answer that wrote something."""
        return {"relatedTransactionIDs": [each["id"] for each in self.transactions], "lastTransactionID": str(self._log.last_id)}
