"""Which of many orders may be of one bracket: looked up by name and by what they hang on, so that an account with thousands of both is no square."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from brokers.coinbase.answers import VenueOrder
from brokers.coinbase.family import Family, sort_out
from brokers.coinbase.ids import family_of
from brokers.live.venue import Target


class Kin:
    """``orders`` as they are now; whoever adds to them makes another."""

    def __init__(self, orders: Iterable[VenueOrder]) -> None:
        self._by_id: dict[str, VenueOrder] = {}
        self._by_family: defaultdict[str, list[str]] = defaultdict(list)
        self._by_parent: defaultdict[str, list[str]] = defaultdict(list)
        for one in orders:
            self._by_id[one.order_id] = one
            self._by_family[family_of(one.client_order_id)].append(one.order_id)
            if one.originating_order_id:
                self._by_parent[one.originating_order_id].append(one.order_id)

    def family(self, target: Target) -> Family:
        """What ``sort_out`` makes of all of them."""
        refs = target.refs
        legs = [leg.ref for leg in (refs.stop, refs.target) if leg is not None]
        first = self._there([*self._by_family.get(family_of(target.client_id), ()), *refs.order_refs, *legs])
        hanging = [order_id for one in first for order_id in (*self._by_parent.get(one.order_id, ()), one.attached_order_id)]
        return sort_out(target.client_id, refs, [*first, *self._there(hanging)])

    def _there(self, order_ids: Sequence[str]) -> list[VenueOrder]:
        return [self._by_id[order_id] for order_id in dict.fromkeys(order_ids) if order_id in self._by_id]
