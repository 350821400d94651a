"""Which account of the venue a store's live orders are at.

A venue's numbers mean something within one account only: every OANDA account counts its orders, trades and fills from 1. So a store that traded a
practice account and now trades a real one takes nothing of the first for the second's: orders below the tenancy's first n belong to earlier accounts.
While one of those is still open at its venue the store stays with that account. A paper account in between changes nothing.
"""

from collections.abc import Mapping
from typing import Any

from brokers import ledger
from brokers.ledger import Db
from runtime.program import CannotStart
from trading.brackets import ARENA, Bracket

KEY = "live_account"
AT_WORK_KEY = "account_at_work"


def refuse_open_elsewhere(db: Db, account_id: str) -> None:
    """To be asked before a live start at ``account_id``.

    Raises:
        CannotStart: orders of ours are still open at another account.
    """
    before = ledger.get_state(db, KEY)
    if before is None or before["account_id"] == account_id:
        return
    left = [bracket for bracket in ledger.orders_not_final(db) if _is_of(bracket, before)]
    if left:
        raise CannotStart(
            f"this store has {len(left)} open order(s) at account {before['account_id']} ({left[0].order_id} first), and the credentials are for "
            f"account {account_id}: start with those of {before['account_id']} and close them, or use another ARENA_HOME for {account_id}"
        )


def take_over(db: Db, account_id: str, next_n: int) -> None:
    """The store is at ``account_id`` from here on: what it places there begins at ``next_n``, unless it was there already."""
    before = ledger.get_state(db, KEY)
    if before is None or before["account_id"] != account_id:
        # The first account of a store has its orders from the beginning.
        ledger.set_state(db, KEY, {"account_id": account_id, "first_n": next_n if before is not None else 1})


def is_another(db: Db, mode: str, account_id: str) -> bool:
    """Whether the store worked for another account before, real or paper; from here on it works for this one."""
    now, before = f"{mode}:{account_id}", ledger.get_state(db, AT_WORK_KEY)
    if before != now:
        ledger.set_state(db, AT_WORK_KEY, now)
    return before is not None and before != now


def first_n(db: Db) -> int:
    """Live orders below it are of earlier accounts."""
    now = ledger.get_state(db, KEY)
    return 1 if now is None else int(now["first_n"])


def _is_of(bracket: Bracket, tenancy: Mapping[str, Any]) -> bool:
    """Whether ``bracket`` is ours at that account; what a stranger placed there is no reason to stay."""
    return bracket.mode == "live" and bracket.origin == ARENA and bracket.n >= int(tenancy["first_n"])
