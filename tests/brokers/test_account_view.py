"""views.account_view: what is shown of an account travels, however large the account is."""

from decimal import Decimal

from brokers.views import account_view
from bus.codec import to_wire
from trading.accounts import Account


def test_an_account_of_billions_is_shown_to_fifteen_digits() -> None:
    """Sixteen do not travel as a number: such an account could not be looked at, and its adapter's heartbeat ended it."""
    rich, zero = Decimal("1234567890.123456"), Decimal(0)
    account = Account(
        venue="coinbase", mode="paper", currency="USD", balance=rich, cash=rich, reserved=zero, open_pnl=zero, equity=rich, margin_used=zero,
        margin_available=zero, holdings={"BTC": Decimal("123456789.12345678")}, holdings_value=zero, realized_pnl=zero, fees=zero, pending_orders=0,
        open_trades=0, as_of_ns=0, stale=False,
    )  # fmt: skip
    shown = account_view(account, "paper")
    assert to_wire(shown["balance"]) == 1234567890.12346
    assert to_wire(shown["equity"]) == 1234567890.12346
    assert {name: to_wire(amount) for name, amount in shown["holdings"].items()} == {"BTC": 123456789.123457}
