"""The account's REST calls at Coinbase Advanced Trade, each answer a value or one of four exceptions:

    NotSent        (brokers.live.venue) nothing left this machine
    VenueRefused   (brokers.live.venue) the venue's definite no
    InDoubt        (runtime.outbound) it may have happened: 5xx, 4xx, 429, a cut, slow or unreadable answer
    Missing        a look-up of one thing, and the venue says that there is no such thing

An answer to a create is only where to look: its fields may echo the request. What came of it is read back with ``order``.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from brokers.coinbase.answers import (
    Holding,
    Json,
    Malformed,
    VenueFill,
    VenueOrder,
    fill,
    holding,
    items,
    mapping,
    number,
    number_or_zero,
    optional_text,
    order,
    text,
)
from brokers.coinbase.orders import Create
from brokers.coinbase.products import Product, product
from brokers.coinbase.refusals import create_refusal
from brokers.coinbase.rest import WRITE_S_MAX, Missing, Rest, in_path, read_or_doubt
from brokers.coinbase.resting import Resting
from brokers.coinbase.unreadable import Unreadable, UnreadableThings
from brokers.live.throttle import Priority
from runtime.outbound import InDoubt
from runtime.timestamps import to_text

# "OPEN" cannot be asked for with another status, and leaves out what has been taken and is not in the book yet.
ON_THE_WAY = ("PENDING", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED")

CANCELS_MAX = 100  # ids in one request
CANCEL_S_MAX = 1.5  # one that has had no answer by then is asked for again: to cancel twice does no harm

_NS_PER_MS = 1_000_000

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """Where a create that was taken can be looked at; ``attached_order_id`` is empty where no exits were attached."""

    order_id: str
    attached_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The answer to one id of a cancel: the request was taken (not that the order is gone), or why not."""

    order_id: str
    is_taken: bool
    reason: str


class Client:
    """Values in, values out; ``Rest`` signs, paces and sends.

    Args:
        resting: every order that is shown passes through it, so that two looks are two looks whoever makes them.
        boot_ns: CLOCK_BOOTTIME, from a ``runtime.clock.Clock``.
        reads: how soon what only reads is answered.
    """

    def __init__(self, rest: Rest, resting: Resting, boot_ns: Callable[[], int], *, reads: Priority = Priority.READ) -> None:
        self._rest = rest
        self._resting = resting
        self._boot_ns = boot_ns
        self._reads = reads
        self.unreadable = UnreadableThings(boot_ns, are_executions=False)
        self.unreadable_fills = UnreadableThings(boot_ns, are_executions=True)

    def reads_at(self, priority: Priority) -> "Client":
        """The same account, which is read at ``priority``."""
        other = Client(self._rest, self._resting, self._boot_ns, reads=priority)
        other.unreadable, other.unreadable_fills = self.unreadable, self.unreadable_fills
        return other

    async def create(
        self, create: Create, *, priority: Priority = Priority.ORDER, deadline_boot_ns: int | None = None, timeout_s: float = WRITE_S_MAX
    ) -> Created:
        """Send ``create``, once.

        Raises:
            NotSent, VenueRefused, InDoubt.
        """
        try:
            found = await self._rest.post("/orders", create.body, priority=priority, deadline_boot_ns=deadline_boot_ns, timeout_s=timeout_s)
        except Missing:
            raise InDoubt("the venue answered a create with 404") from None
        if found.get("success") is False:
            refusal = create_refusal(found)
            if refusal is not None:
                raise refusal
            raise InDoubt("the venue says no without a reason, or that the id is taken: the order is looked up")
        if found.get("success") is not True:
            raise InDoubt("the venue's answer says neither yes nor no")
        try:
            taken = mapping(found.get("success_response"), "success_response")
            return Created(order_id=text(taken, "order_id"), attached_order_id=optional_text(taken, "attached_order_id"))
        except Malformed as error:
            raise InDoubt(f"the venue took an order and does not say which: {error}") from error

    async def preview(self, create: Create) -> list[str]:
        """The venue's objections to ``create``, none when it would take it; nothing is placed.

        Raises:
            NotSent, InDoubt: it could not be asked.
        """
        fields = {name: value for name, value in json.loads(create.body).items() if name != "client_order_id"}
        try:
            return await self._rest.ask(
                "/orders/preview",
                fields,
                lambda found: [str(error)[:100] for error in items(found, "errs")],
                priority=min(self._reads, Priority.ORDER),
            )
        except Missing:
            raise InDoubt("the venue has no previews") from None

    async def cancel(self, order_ids: Sequence[str]) -> list[Cancelled]:
        """Ask for the end of up to ``CANCELS_MAX`` orders. One that is taken is gone only when its status says so.

        Raises:
            NotSent, InDoubt.
        """
        try:
            found = await self._rest.post("/orders/batch_cancel", {"order_ids": list(order_ids)}, priority=Priority.CANCEL, timeout_s=CANCEL_S_MAX)
        except Missing:
            raise InDoubt("the venue answered a cancel with 404") from None
        return read_or_doubt(lambda answer: [_cancelled(one) for one in items(answer, "results")], found, "the answer to a cancel")

    async def order(self, order_id: str) -> VenueOrder:
        """One order as it stands.

        Raises:
            Missing, NotSent, InDoubt.
        """
        read = await self._rest.get(f"/orders/historical/{in_path(order_id)}", lambda found: self._read(found.get("order")), priority=self._reads)
        if read.order_id != order_id:
            raise InDoubt("the venue showed another order than it was asked for")
        return self._resting.judged(read)

    async def orders(self, *, statuses: Sequence[str] = (), order_ids: Sequence[str] = (), since_ns: int | None = None) -> list[VenueOrder]:
        """All orders of the account in ``statuses``, by ``order_ids``, made at or after ``since_ns``, each once; what is not named is not asked.

        Those that cannot be read are left out, and are ``unreadable`` from then on.

        Raises:
            NotSent, InDoubt.
        """
        query = [*(("order_status", status) for status in statuses), *(("order_ids", order_id) for order_id in order_ids)]
        if since_ns is not None:
            query.append(("start_date", to_text(since_ns)))
        found = await self._list("/orders/historical/batch", "orders", self._read_listed, query)
        return list({one.order_id: self._resting.judged(one) for one in found if one is not None}.values())

    async def working(self) -> list[VenueOrder]:
        """Everything that may still trade. An order that moves from one list to the other meanwhile may be missed: ask for those that matter by id.

        Raises:
            NotSent, InDoubt.
        """
        found = [*await self.orders(statuses=ON_THE_WAY), *await self.orders(statuses=("OPEN",))]
        return list({one.order_id: one for one in found}.values())

    async def fills(self, *, order_ids: Sequence[str] = (), since_ns: int | None = None) -> list[VenueFill]:
        """Executions, oldest first, each once; of ``order_ids``, or of everything traded at or after ``since_ns``.

        Those that cannot be read are left out, and are ``unreadable_fills`` from then on.

        Raises:
            NotSent, InDoubt.
        """
        query = [("order_ids", order_id) for order_id in order_ids]
        if since_ns is not None:
            query.append(("start_sequence_timestamp", to_text(since_ns)))
        found = await self._list("/orders/historical/fills", "fills", self._read_fill, query)
        return sorted({one.entry_id: one for one in found if one is not None}.values(), key=lambda one: (one.time_ns, one.entry_id))

    def forget_foreign(self, these: Sequence[Unreadable]) -> None:
        """``these`` are of none of our brackets: those that have not been seen for long are forgotten."""
        self.unreadable.forget_foreign(these)
        self.unreadable_fills.forget_foreign(these)

    async def holdings(self) -> dict[str, Holding]:
        """What the account has, by currency; several wallets of one currency are added up.

        Raises:
            NotSent, InDoubt.
        """
        total: dict[str, Holding] = {}
        for one in await self._list("/accounts", "accounts", holding, []):
            total[one.currency] = total[one.currency] + one if one.currency in total else one
        return total

    async def product(self, product_id: str) -> tuple[Product, Decimal | None]:
        """One product, and the price it traded at last, None where it has none.

        Raises:
            Missing, NotSent, InDoubt.
        """
        return await self._rest.get(
            f"/products/{in_path(product_id)}", lambda found: (product(found), number_or_zero(found, "price") or None), priority=self._reads
        )

    async def permissions(self) -> Json:
        """``can_view, can_trade, can_transfer, portfolio_uuid, …`` of the key.

        Raises:
            Missing, NotSent, InDoubt.
        """
        return await self._rest.get("/key_permissions", lambda found: found, priority=self._reads)

    async def fee_tier(self) -> Json:
        """``maker_fee_rate``, ``taker_fee_rate`` and more.

        Raises:
            Missing, NotSent, InDoubt.
        """
        return await self._rest.get("/transaction_summary", lambda found: mapping(found.get("fee_tier"), "fee_tier"), priority=self._reads)

    async def time_ns(self) -> int:
        """The venue's clock, nanoseconds since 1970.

        Raises:
            Missing, NotSent, InDoubt.
        """
        return await self._rest.get("/time", lambda found: int(number(found, "epochMillis")) * _NS_PER_MS, priority=self._reads)

    @property
    def is_short(self) -> bool:
        """Whether the venue's limit is nearly used up."""
        return self._rest.is_short

    def stream_token(self) -> str:
        """What a websocket subscription is signed with."""
        return self._rest.stream_token()

    def _read(self, data: object) -> VenueOrder:
        """One order. Raises Malformed, having noted which one it is, where that can be told."""
        try:
            read = order(data)
        except Malformed as trouble:
            self.unreadable.note(data, trouble)
            raise
        self.unreadable.forget(read.order_id)
        return read

    def _read_listed(self, data: object) -> VenueOrder | None:
        """One order among others, None where it cannot be read. Raises Malformed when it cannot be told which one it is."""
        try:
            read = order(data)
        except Malformed as trouble:
            self.unreadable.note(data, trouble)
            return None
        self.unreadable.forget(read.order_id)
        return read

    def _read_fill(self, data: object) -> VenueFill | None:
        """One execution among others, None where it cannot be read. Raises Malformed when it is not even an object."""
        try:
            read = fill(data)
        except Malformed as trouble:
            self.unreadable_fills.note(data, trouble)
            return None
        self.unreadable_fills.forget(read.entry_id)
        return read

    async def _list(self, path: str, name: str, read: Callable[[object], ValueT], query: Sequence[tuple[str, str]]) -> list[ValueT]:
        try:
            return await self._rest.list(path, name, read, query, priority=self._reads)
        except Missing:
            raise InDoubt(f"the venue answered {path} with 404") from None


def _cancelled(data: object) -> Cancelled:
    found = mapping(data, "result")
    taken = found.get("success")
    if not isinstance(taken, bool):
        raise Malformed("success is missing")
    return Cancelled(order_id=text(found, "order_id"), is_taken=taken, reason="" if taken else optional_text(found, "failure_reason"))
