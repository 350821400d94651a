"""Closes that carry an id: the same one twice closes once (RULES R4).

"Half of it" sent again after a lost answer would otherwise close half of what is left. The id is written in the transaction of the close, so whoever
repeats it is shown the brackets it concerned, as they stand by then.
"""

import json
from collections.abc import Sequence

from brokers.arguments import CloseRequest, optional
from brokers.ledger import Db
from bus.txn import Txn
from trading.errors import OrderDenied
from trading.money import plain


def find(db: Db, request: CloseRequest, user: str) -> Sequence[int] | None:
    """The orders that were closed under the request's id; None when it has none, or a new one.

    Raises:
        OrderDenied: ``IDEMPOTENCY_MISMATCH``: the id stands for another close.
    """
    close_id = optional(request.client_close_id)
    if close_id is None:
        return None
    row = db.execute("SELECT request, ns FROM close_ids WHERE client_close_id = ? AND placed_by = ?", (close_id, user)).fetchone()
    if row is None:
        return None
    if row[0] != _meaning(request):
        raise OrderDenied(
            "this Idempotency-Key stands for another close: use a new one, or send the same close again",
            code="IDEMPOTENCY_MISMATCH",
            details={"client_close_id": close_id},
        )
    return [int(n) for n in json.loads(row[1])]


def keep(txn: Txn, request: CloseRequest, user: str, ns: Sequence[int], now_ns: int) -> None:
    """Remember that ``ns`` were closed under the request's id, if it has one."""
    close_id = optional(request.client_close_id)
    if close_id is not None:
        txn.execute("INSERT INTO close_ids VALUES (?, ?, ?, ?, ?)", (close_id, user, _meaning(request), json.dumps(list(ns)), now_ns))


def _meaning(request: CloseRequest) -> str:
    """What is asked for, however its numbers were written."""
    units, percent = optional(request.units), optional(request.percent)
    numbers = [None if number is None else str(plain(number)) for number in (units, percent)]
    return json.dumps([request.instrument, optional(request.side), *numbers])
