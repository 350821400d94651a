"""The amount of a live grant: what one user may send into the market in a day, counted where orders are placed (RULES S-B5).

The limit comes with every request, in its actor; the count is kept here, in the source's own store, in the same transaction as the order it is
about, on the one thread that places orders. So it holds over restarts, over several gateways and over orders that race each other, and a repeat,
which is answered from the store before anybody asks here, does not count twice.

What counts: an entry, at its price (a market entry at the quote) times its units in the account's currency, on the day it was placed; a change of
its price upwards, by what it adds, for whoever makes it. What an entry certainly did not trade is given back when the entry is over: cancelled,
expired or refused units; what turns up at the venue all the same counts again. Doubt is never over: UNKNOWN counts, and so for good does what was
given up as never having reached the venue. Closing a position is not limited. The day is that of ``risk.day_zone`` and ``risk.day_turn``; a clock
set back opens no new one.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from brokers import grant_ledger
from brokers.actors import Actor
from brokers.base import Mark
from brokers.desk import Desk
from brokers.grant_ledger import Charge
from brokers.ledger import Db
from trading.errors import OrderDenied
from trading.money import ZERO, book, plain
from trading.orders import BracketOrder
from trading.sessions import trading_day

LIMIT_CODE = "LIVE_NOTIONAL_PER_DAY_MAX"


def check(desk: Desk, db: Db, actor: Actor, order: BracketOrder, *, marks: Mapping[str, Mark], now_ns: int) -> Charge | None:
    """What placing ``order`` counts for ``actor``; None in paper.

    Raises:
        OrderDenied: LIVE_NOTIONAL_PER_DAY_MAX, with ``limit``, ``value`` (the day with this order) and ``used``; QUOTE_NEEDED when it is limited and
            nothing says what the order is worth.
    """
    if desk.broker.mode != "live":
        return None
    return _checked(desk, db, actor, desk.limits.notional(order, broker=desk.broker, marks=marks), now_ns)


def check_change(
    desk: Desk, db: Db, actor: Actor, *, before: BracketOrder, after: BracketOrder, marks: Mapping[str, Mark], now_ns: int
) -> Charge | None:
    """What changing ``before`` into ``after`` counts; None in paper and for what adds nothing.

    Raises:
        OrderDenied: as for ``check``.
    """
    if desk.broker.mode != "live" or after.entry_price == before.entry_price:
        return None
    value, old = (desk.limits.notional(order, broker=desk.broker, marks=marks) for order in (after, before))
    if value is not None and old is not None and value <= old:
        return None
    return _checked(desk, db, actor, None if value is None or old is None else value - old, now_ns)


def _checked(desk: Desk, db: Db, actor: Actor, value: Decimal | None, now_ns: int) -> Charge:
    limit, currency = actor.live_notional_max, desk.broker.account(now_ns).currency
    if value is None and limit is not None:
        raise OrderDenied(
            "your grant for real money is limited, and no quote says yet what this order is worth: try again when prices run",
            code="QUOTE_NEEDED",
            details={"limit": limit, "value": None},
        )
    charge = Charge(user=actor.user, day=_today(desk, db, actor.user, now_ns), notional=book(value or ZERO))
    before = grant_ledger.used(db, charge.user, charge.day)
    total = before + charge.notional
    if limit is not None and total > limit:
        raise OrderDenied(
            f"with this order your entries of today would come to {round(total, 2)} {currency}, and your grant for real money allows {limit} a "
            f"day: {round(max(limit - before, ZERO), 2)} are left",
            code=LIMIT_CODE,
            details={"limit": limit, "value": plain(total), "used": plain(before)},
        )
    return charge


def _today(desk: Desk, db: Db, user: str, now_ns: int) -> date:
    today = trading_day(now_ns, desk.limits.settings.day_zone, desk.limits.settings.day_turn)
    return max(today, grant_ledger.latest_day(db, user) or today)
