"""The seed's order (100 EUR at 1.1655, stop 1.16, target 1.17) and the bracket that waits for it to trade."""

from decimal import Decimal

from trading.brackets import Bracket, Protection
from trading.instruments import Side
from trading.orders import BracketOrder, OrderStatus

ORDER = BracketOrder(
    instrument="EUR_USD",
    side=Side.BUY,
    units=Decimal(100),
    entry_price=Decimal("1.1655"),
    stop_loss_price=Decimal("1.16"),
    take_profit_price=Decimal("1.17"),
    client_order_id="a1",
)
BRACKET = Bracket(
    order_id="paper-oanda-1",
    n=1,
    order=ORDER,
    placed_by="trader@test",
    mode="paper",
    status=OrderStatus.PENDING,
    protection=Protection.ADAPTER,
    placed_ns=1_760_637_327_021_043_000,
    updated_ns=1_760_637_327_021_043_000,
    ttl_expires_ns=1_760_658_927_021_043_000,
    stop_price=Decimal("1.16"),
)
