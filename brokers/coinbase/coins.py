"""Coins that have left by another way than our exits: sold or sent by hand. Pure.

Spot knows no positions, only coins. A bracket's position is what its orders bought and have not sold; when the account holds fewer coins than all
brackets together should, somebody has disposed of some. Those without a working exit are missed first, the newest before the older: the coins of an
exit are on hold and cannot have gone.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from brokers.coinbase.answers import Holding
from brokers.coinbase.family import Family
from brokers.coinbase.products import Product
from brokers.live.venue import Target
from trading.instruments import Side
from trading.money import ZERO, plain
from trading.venue_refs import taken_from


def held(found: Family, target: Target) -> Decimal:
    """What of a bracket there is to protect or close: what the book holds, with the executions that it has not been told of yet.

    The book may hold less than the orders say, where somebody sold coins by hand; it never holds more.
    """
    known, made_up = set(target.refs.fill_ids), target.refs.made_up
    entries = {one.order_id for one in found.entries}
    units = target.position_units
    for one in sorted(found.fills, key=lambda fill: fill.time_ns):
        if one.entry_id in known:
            continue
        is_entry = one.order_id in entries
        made_up, taken = taken_from(made_up, is_entry=is_entry, units=one.size, at=one.time_ns)
        news = one.size - sum((each.units for each in taken), ZERO)  # the rest of it a comparison has counted already
        units += news if is_entry else -news
    return plain(min(max(units, ZERO), found.position_units))


def missing(
    families: Mapping[str, Family], targets: Sequence[Target], products: Mapping[str, Product], holdings: Mapping[str, Holding]
) -> dict[str, Decimal]:
    """How many coins of each bracket (by client id) are not in the account any more. A currency that the account does not list proves nothing."""
    lacking: dict[str, Decimal] = {}
    shown = [target for target in targets if target.client_id in families]
    longs = [target for target in shown if target.order.side is Side.BUY and families[target.client_id].position_units]
    for base in {products[target.order.instrument].base for target in longs if target.order.instrument in products}:
        if base not in holdings:
            continue
        mine = [target for target in longs if target.order.instrument in products and products[target.order.instrument].base == base]
        gone = sum((families[target.client_id].position_units for target in mine), ZERO) - holdings[base].total
        for target in sorted(mine, key=lambda one: (bool(families[one.client_id].working_exits), -one.created_ns)):
            if gone <= 0:
                break
            lacking[target.client_id] = min(gone, families[target.client_id].position_units)
            gone -= lacking[target.client_id]
    return lacking


def is_dust(target: Target, products: Mapping[str, Product], units: Decimal) -> bool:
    """Whether the venue takes no order of so little, at the lower of the prices that an exit of the bracket could have."""
    product = products[target.order.instrument]
    return units < product.base_min_size or units * min(target.stop_price, target.order.take_profit_price) < product.quote_min_size
