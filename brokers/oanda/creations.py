"""Which client ids the log has named, and over which stretch of it: so that many orders in doubt need the log read once, not once each.

The stretch is without a gap: every number in it has been looked at by this process. Only about a stretch can be said that an id is not in it, and
only where no number was missing from it. Pure; nothing of it outlives the process.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from brokers.oanda import wire
from brokers.oanda.transactions import client_id_of
from brokers.oanda.wire import Json

# A busy year of one account. Beyond, everything is forgotten and read again when it is asked for.
KEPT_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Named:
    """A transaction that carries a client id: the creation of an order, or the refusal of one."""

    number: str
    is_refusal: bool


class Creations:
    """Belongs to one event loop. ``after`` and ``until`` bound the stretch: numbers above the first, up to the second."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self.begin(0)

    def begin(self, at: int) -> None:
        """Forget everything; the stretch is empty and begins after ``at``."""
        self.after = self.until = at
        self._named: dict[str, list[Named]] = {}
        self._holes: set[int] = set()

    def learn(self, first: int, last: int, transactions: Iterable[Json]) -> None:
        """``transactions`` are all that the log has from ``first`` to ``last``. What does not adjoin the stretch begins a new one."""
        if first > self.until + 1 or last < self.after or len(self._named) >= self._kept_max:
            self.begin(first - 1)
        missing = set(range(first, last + 1))
        for transaction in transactions:
            missing.discard(wire.counter(transaction, "id"))
            self._name(transaction)
        self._holes = (self._holes - set(range(first, last + 1))) | missing
        self.after, self.until = min(self.after, first - 1), max(self.until, last)

    def of(self, client_id: str, after: int) -> list[Named]:
        """Where ``client_id`` is named above number ``after``, oldest first."""
        return [named for named in self._named.get(client_id, []) if int(named.number) > after]

    def has_hole(self, after: int) -> bool:
        """Whether a number above ``after`` was missing: the id that is looked for could have been there."""
        return any(number > after for number in self._holes)

    def _name(self, transaction: Json) -> None:
        extensions = transaction.get("clientExtensions")
        client_id = client_id_of(extensions) if isinstance(extensions, dict) else ""
        if not client_id:
            return
        named = Named(wire.identity(transaction, "id"), wire.text_or(transaction, "type").endswith("_REJECT"))
        known = self._named.setdefault(client_id, [])
        if named not in known:
            known.append(named)
            known.sort(key=lambda each: int(each.number))
