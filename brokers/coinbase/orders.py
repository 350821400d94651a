"""From what we agreed to carry out to what the venue is asked: the bodies of creates, and whether an order that it shows is the one we meant.

A user's price or size is never changed to make it fit. The two prices that are ours to choose, because the venue has no stop at the market on spot,
are limits beyond a trigger: ``stop_entry_limit`` and ``stop_exit_limit``. The body of a create is frozen with its intent, so that what is sent again
is the same, byte for byte.
"""

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal

from brokers.coinbase.answers import Configuration, VenueOrder
from brokers.coinbase.answers import configuration as read_configuration
from runtime.clock import NS_PER_S
from runtime.timestamps import from_text, to_text
from trading.instruments import Side
from trading.money import ceil_to, floor_to, plain
from trading.orders import BracketOrder, EntryType

# How far beyond its trigger a stop entry may still buy or sell: enough for a fast market, not for an empty book. What is left over rests until its
# time is over; it holds nothing, so nothing is at risk.
STOP_ENTRY_BAND = Decimal("0.01")

# How far beyond the stop the resting stop-limit may sell: what the venue's own bracket takes. Beyond it the adapter closes at the market itself.
STOP_EXIT_BAND = Decimal("0.05")

# Entries that the venue may take exits with.
ATTACHABLE = frozenset({EntryType.LIMIT, EntryType.MARKET})

# The venue's created_time against our clock and the time a request may take.
CREATED_SLACK_NS = 120 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """One create, frozen: the id it goes by at the venue, what it is about, and the body exactly as it is sent."""

    client_order_id: str
    product_id: str
    side: Side
    body: bytes

    @property
    def configuration(self) -> Configuration:
        """What the body asks for, read back from the bytes themselves."""
        return read_configuration(json.loads(self.body)["order_configuration"])


def entry_kind(order: BracketOrder) -> str:
    """The venue's name of what ``order`` gets in with."""
    if order.entry_type is EntryType.MARKET:
        return "market_market_ioc"
    return "limit_limit_gtd" if order.entry_type is EntryType.LIMIT else "stop_limit_stop_limit_gtd"


def entry(order: BracketOrder, *, client_order_id: str, tick: Decimal, end_ns: int, attach_exits: bool) -> Create:
    """The create of an entry; with its exits attached where the venue takes that (limit and market entries alone)."""
    configuration: dict[str, object] = {"base_size": digits(order.units)}
    if order.entry_price is not None:
        if order.entry_type is EntryType.LIMIT:
            configuration |= {"limit_price": digits(order.entry_price), "post_only": False}
        else:
            limit = stop_entry_limit(order, tick)
            configuration |= _stop(order.side, limit, order.entry_price)
        configuration["end_time"] = end_time(end_ns)
    attached: dict[str, object] | None = (
        {"trigger_bracket_gtc": {"limit_price": digits(order.take_profit_price), "stop_trigger_price": digits(order.stop_loss_price)}}
        if attach_exits
        else None
    )
    return _create(client_order_id, order.instrument, order.side, {entry_kind(order): configuration}, attached)


def bracket_exit(product_id: str, side: Side, size: Decimal, *, target: Decimal, stop: Decimal, client_order_id: str) -> Create:
    """Both exits of a position as the venue's one order: a limit at the target that turns into a stop."""
    members = {"base_size": digits(size), "limit_price": digits(target), "stop_trigger_price": digits(stop)}
    return _create(client_order_id, product_id, side, {"trigger_bracket_gtc": members})


def stop_exit(product_id: str, side: Side, size: Decimal, *, stop: Decimal, tick: Decimal, client_order_id: str) -> Create:
    """A resting stop alone: what still guards a position when this process does not run."""
    members = {"base_size": digits(size), **_stop(side, stop_exit_limit(side, stop, tick), stop)}
    return _create(client_order_id, product_id, side, {"stop_limit_stop_limit_gtc": members})


def market(product_id: str, side: Side, size: Decimal, *, client_order_id: str) -> Create:
    """Out, at what the market gives."""
    return _create(client_order_id, product_id, side, {"market_market_ioc": {"base_size": digits(size)}})


def stop_entry_limit(order: BracketOrder, tick: Decimal) -> Decimal:
    """The worst price a stop entry may trade at: ``STOP_ENTRY_BAND`` beyond its trigger, but never at or past the take profit."""
    assert order.entry_price is not None
    if order.side is Side.BUY:
        return min(ceil_to(order.entry_price * (1 + STOP_ENTRY_BAND), tick), order.take_profit_price - tick)
    return max(floor_to(order.entry_price * (1 - STOP_ENTRY_BAND), tick), order.take_profit_price + tick)


def stop_exit_limit(side: Side, stop: Decimal, tick: Decimal) -> Decimal:
    """The limit of a stop that exits on ``side``: beyond the trigger, on the grid, above zero."""
    if side is Side.SELL:
        return max(ceil_to(stop * (1 - STOP_EXIT_BAND), tick), tick)
    return floor_to(stop * (1 + STOP_EXIT_BAND), tick)


def venue_id(*parts: str) -> str:
    """The id an order goes by at the venue, a version-5-shaped UUID made of ``parts``: the same parts always give the same id."""
    raw = bytearray(hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).digest())
    raw[6], raw[8] = raw[6] & 0x0F | 0x50, raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def differences(create: Create, found: VenueOrder, *, sent_ns: int) -> list[str]:
    """The names of what ``found`` has otherwise than ``create`` asked: empty when it is the order that was meant.

    ``sent_ns`` is the venue's time before the first byte left. An order of that id made long before is somebody else's, whatever a reply echoed.
    """
    asked, has = create.configuration, found.configuration
    pairs: list[tuple[str, object, object]] = [
        ("client_order_id", create.client_order_id, found.client_order_id),
        ("product_id", create.product_id, found.product_id),
        ("side", create.side, found.side),
        ("kind", asked.kind, has.kind),
        ("base_size", asked.base_size, has.base_size),
        ("limit_price", asked.limit_price, has.limit_price),
        ("stop_price", asked.stop_price, has.stop_price),
    ]
    names = [name for name, wanted, given in pairs if wanted != given]
    if asked.end_ns is not None and (has.end_ns is None or abs(asked.end_ns - has.end_ns) > NS_PER_S):
        names.append("end_time")
    if found.created_ns < sent_ns - CREATED_SLACK_NS:
        names.append("created_time")
    return names


def digits(value: Decimal) -> str:
    """A number as the venue reads it: no exponent, no zeros at its end."""
    return f"{plain(value):f}"


def end_time(ns: int) -> str:
    """A whole second, not before ``ns``: the venue may cut what is below."""
    text = to_text(-(-ns // NS_PER_S) * NS_PER_S)
    assert from_text(text) >= ns
    return text.replace(".000000", "")


def _stop(side: Side, limit: Decimal, trigger: Decimal) -> dict[str, object]:
    direction = "STOP_DIRECTION_STOP_UP" if side is Side.BUY else "STOP_DIRECTION_STOP_DOWN"
    return {"limit_price": digits(limit), "stop_price": digits(trigger), "stop_direction": direction}


def _create(client_order_id: str, product_id: str, side: Side, configuration: dict[str, object], attached: dict[str, object] | None = None) -> Create:
    fields: dict[str, object] = {
        "client_order_id": client_order_id,
        "product_id": product_id,
        "side": str(side),
        "order_configuration": configuration,
    }
    if attached is not None:
        fields["attached_order_configuration"] = attached
    body = json.dumps(fields, separators=(",", ":")).encode()
    return Create(client_order_id=client_order_id, product_id=product_id, side=side, body=body)
