"""The websocket's messages: one sequence over all channels, and the orders that the user channel tells of. Pure.

A number that does not follow the last one means that something was lost or came twice; the connection is given up then and its gap read by REST.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.coinbase.answers import Json, Malformed, VenueStatus, items, mapping, number, optional_text, status, text
from runtime.exact_json import NotExactJson, loads

_log = logging.getLogger(__name__)


class StreamBroken(Exception):
    """This connection can no longer be believed: open another."""


class StreamDenied(StreamBroken):
    """The venue says itself that something is wrong with what was asked for: another connection would hear the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNews:
    """What the user channel says of one order: cumulative, so a message that was missed is made up for by the next."""

    order_id: str
    client_order_id: str
    status: VenueStatus
    filled_size: Decimal
    is_triggered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: its channel, the orders in it, and the channels it says are subscribed to."""

    channel: str
    orders: Sequence[OrderNews] = ()
    subscribed: frozenset[str] = frozenset()


class Numbers:
    """Checks that messages are numbered from 0 on without a hole.

    Args:
        is_strict: False only logs what is out of order; for the day on which the venue counts otherwise.
    """

    def __init__(self, *, is_strict: bool = True) -> None:
        self._next = 0
        self._is_strict = is_strict

    def take(self, found: Json) -> None:
        """Raise StreamBroken when ``found`` is not the next message."""
        given = found.get("sequence_num")
        if type(given) is not int:
            raise StreamBroken("a message without a number")
        if given != self._next:
            if self._is_strict:
                raise StreamBroken(f"message {self._next} was due and {given} came")
            _log.warning("a message out of order", extra={"due": self._next, "came": given})
        self._next = given + 1


def read(data: bytes, numbers: Numbers) -> Message:
    """The message in ``data``.

    Raises:
        StreamBroken: not the next one, or not readable. StreamDenied.
    """
    try:
        found = mapping(loads(data), "message")
        if found.get("type") == "error":
            raise StreamDenied(f"the venue says: {optional_text(found, 'message')[:100]}")
        numbers.take(found)
        channel = text(found, "channel")
        events = [mapping(event, "event") for event in items(found, "events")]
        if channel == "user":
            return Message(channel=channel, orders=[news(one) for event in events for one in items(event, "orders")])
        if channel == "subscriptions":
            return Message(channel=channel, subscribed=frozenset(name for event in events for name in mapping(event.get("subscriptions"), "it")))
        return Message(channel=channel)
    except (NotExactJson, Malformed) as error:
        raise StreamBroken(f"a message cannot be read: {error}") from error


def news(data: object) -> OrderNews:
    """One order of the user channel."""
    found = mapping(data, "order")
    return OrderNews(
        order_id=text(found, "order_id"),
        client_order_id=optional_text(found, "client_order_id"),
        status=status(found),
        filled_size=number(found, "cumulative_quantity"),
        is_triggered=optional_text(found, "trigger_status") == "STOP_TRIGGERED",
    )
