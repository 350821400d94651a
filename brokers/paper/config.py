"""What a paper account starts with, and whether it trades on margin."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from runtime.settings import PaperSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperAccountConfig:
    """The opening balance in ``currency``, and what is held besides.

    On margin (OANDA) a position sets a share of its value aside and may be short; without (Coinbase) it is paid in full, and only what is held is
    sold.
    """

    currency: str = "USD"
    balance: Decimal
    holdings: Mapping[str, Decimal] = field(default_factory=dict)
    on_margin: bool

    def __post_init__(self) -> None:
        for name, amount in {self.currency: self.balance, **self.holdings}.items():
            if not amount.is_finite() or amount < 0:
                raise ValueError(f"a paper account cannot start with {amount} {name}")

    @property
    def has_order_book(self) -> bool:
        """Whether limit orders rest in a book and trade at their own price as makers; a dealer on margin fills them at its quote."""
        return not self.on_margin

    @classmethod
    def for_venue(cls, venue: str, settings: PaperSettings) -> "PaperAccountConfig":
        """The account that ``[paper]`` in the settings describes for ``venue``."""
        if venue == "oanda":
            return cls(balance=settings.oanda_balance_usd, on_margin=True)
        return cls(balance=settings.coinbase_balance_usd, holdings={"BTC": settings.coinbase_balance_btc}, on_margin=False)
