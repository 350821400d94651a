"""What the parts of the adapter share: the client, what ``open`` found, and what is going on at this moment.

No order is kept here. ``names`` only remembers whose family an id's first characters are, so that the stream can address what it tells; whoever is
not in it is looked up by the core. ``replacing`` holds the orders that are being taken off to make room for others, so that their end is not told as
an end.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from brokers.coinbase.client import Client
from brokers.coinbase.ids import Part, family_of, read_part
from brokers.coinbase.looking import Looking
from brokers.coinbase.products import Product
from brokers.coinbase.reading import Reading
from brokers.live.venue import Fact
from runtime.clock import Clock
from trading.instruments import Side

# Brackets whose orders the stream can name at once; of older ones it says that something happened.
NAMES_MAX = 50_000
# Orders that are being replaced, and were lately.
REPLACING_MAX = 1000


class Ability(IntEnum):
    """How the exits of one product and side can stand; each includes those below it."""

    HELD = 0
    STOP = 1
    BRACKET = 2
    ATTACHED = 3


class Names:
    """Client ids by what all orders of their brackets have in common."""

    def __init__(self) -> None:
        self._by_family: OrderedDict[str, str] = OrderedDict()
        self._entries: OrderedDict[str, str] = OrderedDict()

    def add(self, client_id: str) -> None:
        """Brackets of this name exist, or are about to."""
        self._by_family[family_of(client_id)] = client_id
        self._by_family.move_to_end(family_of(client_id))
        while len(self._by_family) > NAMES_MAX:
            self._by_family.popitem(last=False)

    def note_entry(self, order_id: str, client_order_id: str) -> None:
        """What an entry is called: the exits that are attached to it name only its venue id."""
        self._entries[order_id] = client_order_id
        while len(self._entries) > NAMES_MAX:
            self._entries.popitem(last=False)

    def name_of_entry(self, order_id: str) -> str | None:
        """What the entry is called; None when that is not known here."""
        return self._entries.get(order_id)

    def of_entry(self, order_id: str) -> str:
        """The bracket whose entry this is; empty for any other order, and where that is not known here."""
        name = self._entries.get(order_id, "")
        client_id = self.find(name) or ""
        part = read_part(client_id, name) if client_id else None
        return client_id if part is not None and part[0] is Part.ENTRY else ""

    def find(self, client_order_id: str) -> str | None:
        """The bracket that an order of this name belongs to; None for one that is not known, or somebody else's."""
        client_id = self._by_family.get(family_of(client_order_id))
        return client_id if client_id is not None and read_part(client_id, client_order_id) is not None else None


@dataclass(slots=True, kw_only=True)
class Context:
    """One per adapter."""

    client: Client
    guard: Reading  # what a position that may be without its stop waits for
    looking: Looking
    clock: Clock
    products: dict[str, Product] = field(default_factory=dict)
    abilities: dict[tuple[str, Side], Ability] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    must_reopen: bool = False
    replacing: OrderedDict[str, None] = field(default_factory=OrderedDict)
    kept_ns: OrderedDict[str, int] = field(default_factory=OrderedDict)  # since when (CLOCK_BOOTTIME) what was read of an order before counts no more
    aside: deque[Fact] = field(default_factory=lambda: deque(maxlen=REPLACING_MAX))  # what a call that failed has to tell, through the stream

    def ability(self, product_id: str, side: Side) -> Ability:
        """How exits of a bracket of ``side`` can stand; nothing is taken for granted."""
        return self.abilities.get((product_id, side), Ability.HELD)

    def lower(self, product_id: str, side: Side, ability: Ability) -> None:
        """The venue would not have what a preview had promised: the core is told, by a stream that ends and a new ``open``."""
        self.abilities[product_id, side] = min(ability, self.ability(product_id, side))
        self.must_reopen = True

    def promised(self, product_id: str) -> Ability:
        """What the core was told of the product: what its buys can."""
        return self.ability(product_id, Side.BUY)

    def replace(self, order_ids: Iterable[str]) -> None:
        """These are taken off on purpose: their end is not news."""
        for order_id in order_ids:
            self.replacing[order_id] = None
        while len(self.replacing) > REPLACING_MAX:
            self.replacing.popitem(last=False)

    def keep(self, order_ids: Iterable[str]) -> None:
        """They were not replaced after all, or it is not known: their end is told like any other, and nothing that was read of them before."""
        for order_id in order_ids:
            self.replacing.pop(order_id, None)
            self.kept_ns[order_id] = self.clock.boot_ns()
            self.kept_ns.move_to_end(order_id)
        while len(self.kept_ns) > REPLACING_MAX:
            self.kept_ns.popitem(last=False)
