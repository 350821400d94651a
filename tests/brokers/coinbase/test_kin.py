"""Orders found by their ties are the orders found by looking at all of them."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from brokers.coinbase.answers import VenueOrder
from brokers.coinbase.family import sort_out
from brokers.coinbase.ids import Part, part_id
from brokers.coinbase.kin import Kin
from brokers.live.venue import Target
from tests.brokers.coinbase.kit import limit
from tests.brokers.coinbase.shapes import CLIENT_ID, venue_order
from trading.venue_refs import StandingLeg, VenueRefs

OTHER = "0" * 8 + CLIENT_ID[8:]
IDS = [f"o{number}" for number in range(8)]
NAMES = [CLIENT_ID, OTHER, "", *(part_id(CLIENT_ID, part, number) for part in Part for number in (1, 2)), part_id(OTHER, Part.CLOSE, 1)]

orders = st.lists(
    st.builds(
        lambda order_id, name, parent, child: venue_order(
            order_id=order_id, client_order_id=name, originating_order_id=parent, attached_order_id=child
        ),
        st.sampled_from(IDS),
        st.sampled_from(NAMES),
        st.sampled_from(["", *IDS]),
        st.sampled_from(["", *IDS]),
    ),
    max_size=8,
    unique_by=lambda one: one.order_id,
)
refs = st.builds(
    lambda known, leg: VenueRefs(client_id=CLIENT_ID, order_refs=tuple(known), stop=StandingLeg(ref=leg, price=Decimal(1)) if leg else None),
    st.lists(st.sampled_from(IDS), max_size=2, unique=True),
    st.sampled_from(["", *IDS]),
)


@given(orders, refs)
def test_it_is_the_same_family(there: Sequence[VenueOrder], known: VenueRefs) -> None:
    target = Target(
        order_id="live-coinbase-1",
        order=limit(),
        refs=known,
        stop_price=Decimal(58000),
        expires_ns=0,
        remaining_units=Decimal(0),
        position_units=Decimal(0),
        created_ns=0,
    )
    assert Kin(there).family(target) == sort_out(CLIENT_ID, known, there)
