"""What the venue lists and nobody can read: an order or an execution with a kind or a field that was not known when this was written.

One of somebody else's must not hide the rest of the account, and one of ours must not be passed over: so each is remembered with what its names say,
and whoever looks at a bracket asks here whether something of it is among them.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from brokers.coinbase.answers import Malformed, mapping
from brokers.coinbase.ids import family_of, read_part
from runtime.clock import NS_PER_S

# Of which it is remembered at a time; more are a change of the venue's format, and then nothing is believed.
KEPT_MAX = 10_000
# One that is nobody's here and has not been seen again for so long is forgotten: it has ended, and no list reaches back to it.
FOREIGN_NS = 3600 * NS_PER_S

_NAMES = ("entry_id", "order_id", "client_order_id", "originating_order_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """``key`` is the number of the order, or of the execution, or the next best name. The names are empty where they cannot be read either;
    ``why`` is a sentence for a person, ``seen_ns`` when it was seen last."""

    key: str
    is_execution: bool
    entry_id: str
    order_id: str
    client_order_id: str
    originating_order_id: str
    why: str
    seen_ns: int

    def of(self, by_family: Mapping[str, str], by_order: Mapping[str, str]) -> set[str]:
        """To which brackets it belongs: of those in ``by_family``, and of those whose orders are known in ``by_order``, client ids both."""
        found = {by_order[order_id] for order_id in (self.order_id, self.originating_order_id) if order_id in by_order}
        named = by_family.get(family_of(self.client_order_id)) if self.client_order_id else None
        return found if named is None or read_part(named, self.client_order_id) is None else found | {named}


class UnreadableThings:
    """The orders, or the executions, of one account, until each is read.

    Args:
        boot_ns: CLOCK_BOOTTIME, from a ``runtime.clock.Clock``.
    """

    def __init__(self, boot_ns: Callable[[], int], *, are_executions: bool) -> None:
        self._boot_ns = boot_ns
        self._are_executions = are_executions
        self._found: OrderedDict[str, Unreadable] = OrderedDict()

    def __iter__(self) -> Iterator[Unreadable]:
        return iter(self._found.values())

    def __bool__(self) -> bool:
        return bool(self._found)

    def get(self, key: str) -> Unreadable | None:
        """By the number of the order, or of the execution."""
        return self._found.get(key)

    def of_order(self, order_id: str) -> Unreadable | None:
        """One that belongs to this order."""
        return next((one for one in self._found.values() if one.order_id == order_id), None)

    def note(self, data: object, trouble: Malformed) -> None:
        """``data`` could not be read.

        Raises:
            Malformed: it cannot even be said which order it is, or there are too many: the whole answer is unreadable. An execution without a name
                is let pass: should it be of ours, the executions of its order do not add up to what that says is filled, and nothing is believed.
        """
        what = "execution" if self._are_executions else "order"
        found = mapping(data, what)
        names = {name: value if isinstance(value := found.get(name), str) else "" for name in _NAMES}
        first, second, nameless = ("entry_id", "order_id", "without a number") if self._are_executions else ("order_id", "client_order_id", "")
        key = names[first] or names[second] or nameless
        if not key or (key not in self._found and len(self._found) >= KEPT_MAX):
            raise trouble
        before, now_ns = self._found.get(key), self._boot_ns()
        self._found[key] = (
            replace(before, seen_ns=now_ns)
            if before is not None
            else Unreadable(
                **names, key=key, is_execution=self._are_executions, why=f"{what} {key} at the venue cannot be read ({trouble})", seen_ns=now_ns
            )
        )

    def forget(self, key: str) -> None:
        """It has been read."""
        if self._found:
            self._found.pop(key, None)

    def forget_foreign(self, these: Iterable[Unreadable]) -> None:
        """``these`` are of none of our brackets: of those, what has not been seen for long."""
        now_ns = self._boot_ns()
        for one in these:
            if now_ns - one.seen_ns > FOREIGN_NS and self._found.get(one.key) is one:
                del self._found[one.key]
