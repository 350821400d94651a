"""Orders that the venue lists and nobody can read: a kind or a field that was not known when this was written.

One of somebody else's must not hide the rest of the account, and one of ours must not be passed over: so each is remembered with what its names say,
and whoever looks at a bracket asks here whether one of its orders is among them.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from brokers.coinbase.answers import Malformed, mapping
from brokers.coinbase.ids import read_part

# Of which it is remembered; more are a change of the venue's format, and then nothing is believed.
KEPT_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """``order_id`` and the other names are empty where they cannot be read either; ``why`` is a sentence for a person."""

    order_id: str
    client_order_id: str
    originating_order_id: str
    why: str

    def is_of(self, client_id: str, order_ids: Collection[str]) -> bool:
        """Whether it belongs to the bracket ``client_id``, whose known orders are ``order_ids``."""
        is_named = bool(self.client_order_id) and read_part(client_id, self.client_order_id) is not None
        return is_named or self.order_id in order_ids or self.originating_order_id in order_ids


class UnreadableOrders:
    """Those of one account, until each is read."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Unreadable] = OrderedDict()

    def __iter__(self) -> Iterator[Unreadable]:
        return iter(self._found.values())

    def get(self, order_id: str) -> Unreadable | None:
        return self._found.get(order_id)

    def note(self, data: object, trouble: Malformed) -> None:
        """``data`` is an order that could not be read.

        Raises:
            Malformed: it cannot even be said which one it is, or there are too many: the whole answer is unreadable.
        """
        found = mapping(data, "order")
        names = {name: value if isinstance(value := found.get(name), str) else "" for name in ("order_id", "client_order_id", "originating_order_id")}
        key = names["order_id"] or names["client_order_id"]
        if not key or (key not in self._found and len(self._found) >= KEPT_MAX):
            raise trouble
        self._found[key] = Unreadable(**names, why=f"order {key} at the venue cannot be read ({trouble})")

    def forget(self, order_id: str) -> None:
        """It has been read."""
        if self._found:
            self._found.pop(order_id, None)
