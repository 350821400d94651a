"""The plan of a replay: which order arrives when, one JSON object a line.

A line is the body of ``POST /brokers/{broker}/orders`` and besides it ``at``, an RFC 3339 time with a zone. It is read as strictly as the gateway
reads a body: unknown fields, fields named twice and numbers that are none are refused, here with the number of the line; numbers are exact. What
the venue would deny (an off-tick price, say) is no fault of the plan: it is denied when it arrives, and journalled. Empty lines are passed over.
Lines may stand in any order; orders of one time arrive in the order of their lines.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from brokers.arguments import read_ticket
from brokers.replay.errors import PlanError
from trading.errors import ArenaError, InvalidRequest, OrderDenied
from trading.instruments import Instruments
from trading.order_checks import check_client_order_id, check_ticket
from trading.orders import OrderTicket, ticket_fields

# The gateway takes no longer body; and a file without line ends must not be read into memory whole.
_LINE_BYTES_MAX = 65_536

_NS_PER_S = 1_000_000_000

# RFC 3339, which lets T and Z be small and T be a space; nine decimals are what nanoseconds hold.
_AT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOrder:
    """One line: when the order arrives, in nanoseconds, and what it asks for. The ticket always has a client_order_id."""

    line: int
    at_ns: int
    at: str
    ticket: OrderTicket

    @property
    def client_order_id(self) -> str:
        return self.ticket.client_order_id or ""


def read_plan(path: Path, *, venue: str, instrument: str, instruments: Instruments) -> list[PlannedOrder]:
    """The orders of ``path`` in the order they arrive.

    An order without a client_order_id gets one made from its line, so that the same plan always gives the same events.

    Raises:
        PlanError: the file cannot be read, a line is no order, or one is about another instrument than ``instrument``.
    """

    def ticket(body: Mapping[str, object]) -> OrderTicket:
        return _ticket(body, venue, instrument, instruments)

    planned = [_read_line(path, line, text, ticket) for line, text in _lines(path)]
    if not planned:
        raise PlanError(path, "holds no order: write one JSON object a line")
    taken = {each.client_order_id for each in planned}
    named = [each if each.client_order_id else _name(each, taken) for each in planned]
    return sorted(named, key=lambda each: each.at_ns)  # stable: lines of one time keep their order


def parse_at(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time, to the last of its up to nine decimals.

    Raises:
        ValueError: it is none, or has no zone.
    """
    found = _AT.fullmatch(text)
    if found is None:
        raise ValueError
    day, clock, decimals, zone = found.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{zone.upper()}")
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _ONE_SECOND
    return seconds * _NS_PER_S + int((decimals or "").ljust(9, "0"))


_ONE_SECOND = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)


def _lines(path: Path) -> Sequence[tuple[int, str]]:
    """The lines that hold something, numbered from 1."""
    found: list[tuple[int, str]] = []
    number = 0
    try:
        with path.open("rb") as file:
            while raw := file.readline(_LINE_BYTES_MAX + 1):
                number += 1
                if len(raw) > _LINE_BYTES_MAX:
                    raise PlanError(path, f"has more than {_LINE_BYTES_MAX} bytes: write one order a line", line=number)
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    found.append((number, text))
    except UnicodeDecodeError:
        raise PlanError(path, "is not text", line=number) from None
    except OSError as error:
        raise PlanError(path, f"cannot be read: {error.strerror}") from error
    return found


def _read_line(path: Path, line: int, text: str, ticket: Callable[[Mapping[str, object]], OrderTicket]) -> PlannedOrder:
    try:
        body = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise PlanError(path, f"is not JSON: {error.msg} at column {error.colno}", line=line) from None
    except (ValueError, RecursionError) as error:
        raise PlanError(path, f"is not JSON that an order can be: {error}", line=line) from None
    if not isinstance(body, dict):
        raise PlanError(path, 'must be a JSON object like {"at": "2014-05-02T12:29:00Z", "instrument": "EUR_USD", …}', line=line)
    at = body.pop("at", None)
    if at is None:
        raise PlanError(path, "at is missing: say when the order arrives, as in 2014-05-02T12:29:00Z", line=line)
    try:
        at_ns = parse_at(at) if isinstance(at, str) else None
    except ValueError:
        at_ns = None
    if at_ns is None:
        raise PlanError(path, f"at is {_shown(at)}: write a time with a zone, as in 2014-05-02T12:29:00Z", line=line)
    try:
        return PlannedOrder(line=line, at_ns=at_ns, at=at, ticket=ticket(body))
    except InvalidRequest as error:
        if error.code == "UNKNOWN_FIELD":
            known = ", ".join(("at", *ticket_fields()))
            raise PlanError(path, f"an order has no field {_shown(error.details['field'])}; it may have {known}", line=line) from None
        raise PlanError(path, error.message, line=line) from None


def _ticket(body: Mapping[str, object], venue: str, instrument: str, instruments: Instruments) -> OrderTicket:
    """Raises InvalidRequest where the gateway would answer 400."""
    ticket = read_ticket(body)
    check_client_order_id(ticket.client_order_id)
    name = ticket.instrument if ticket.instrument is not None else ticket.product_id
    if name is not None and name != instrument:
        raise InvalidRequest(f"orders {_shown(name)}, and the quotes are those of {instrument}: replay each instrument with its own plan")
    try:
        check_ticket(ticket, instruments, venue)
    except OrderDenied:
        pass  # denied, with the same words, when it arrives
    except ArenaError as error:
        raise InvalidRequest(error.message) from None
    return ticket


def _name(order: PlannedOrder, taken: set[str]) -> PlannedOrder:
    name = f"plan-{order.line}"
    while name in taken:
        name += "-"
    taken.add(name)
    return replace(order, ticket=replace(order.ticket, client_order_id=name))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        twice = next(name for index, (name, _) in enumerate(pairs) if any(name == other for other, _ in pairs[:index]))
        raise ValueError(f"it names {_shown(twice)} twice")
    return names


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


def _shown(value: object) -> str:
    """What stands in a file, fit for one line on a terminal."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 80 else text[:77] + "…"
