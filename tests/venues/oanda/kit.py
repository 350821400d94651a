"""What the tests of the simulator are written with: an account on a board, and short words for orders."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.venues.common.clock import DrivenClock
from tests.venues.common.faults import Fault, FaultScript
from tests.venues.oanda import placing
from tests.venues.oanda.account import Account, AccountConfig
from tests.venues.oanda.errors import Refusal
from tests.venues.oanda.venue import OandaVenue
from tests.venues.oanda.wire import Doc


@dataclass
class Desk:
    """A venue without its servers: the account, and hands to move the market."""

    venue: OandaVenue
    clock: DrivenClock

    @property
    def account(self) -> Account:
        return self.venue.account

    @property
    def faults(self) -> FaultScript:
        return self.venue.faults

    def quote(self, bid: str, ask: str, *, size: str | None = None, instrument: str = "EUR_USD") -> None:
        left = None if size is None else Decimal(size)
        self.venue.quotes.set(instrument, bid=Decimal(bid), ask=Decimal(ask), bid_size=left, ask_size=left)

    def place(self, **order: Any) -> Doc:
        return placing.place(self.account, {"order": order})

    def strike(self, **fault: Any) -> None:
        self.faults.add(Fault(**fault))

    def types(self, since: int) -> list[str]:
        """The types of the transactions after ``since``, ``ORDER_CANCEL`` and ``ORDER_FILL`` with their reason."""
        return [
            each["type"] + (f" {each['reason']}" if each["type"] in {"ORDER_FILL", "ORDER_CANCEL"} else "") for each in self.account.log.since(since)
        ]


def desk(**config: Any) -> Desk:
    """EUR_USD stands at 1.10000 to 1.10010; the account has 100,000 dollars."""
    clock = DrivenClock()
    made = Desk(OandaVenue(config=AccountConfig(**config), clock=clock), clock)
    made.quote("1.10000", "1.10010")
    return made


def market(units: str, **more: Any) -> Doc:
    return {"type": "MARKET", "instrument": "EUR_USD", "units": units, **more}


def limit(units: str, price: str, **more: Any) -> Doc:
    return {"type": "LIMIT", "instrument": "EUR_USD", "units": units, "price": price, **more}


def bracket(take_profit: str, stop_loss: str) -> Doc:
    return {"takeProfitOnFill": {"price": take_profit}, "stopLossOnFill": {"price": stop_loss}}


def refusal(of: Any) -> tuple[int, str, Doc]:
    """Status, code and body of the refusal that calling ``of`` must raise."""
    with pytest.raises(Refusal) as caught:
        of()
    return caught.value.status, str(caught.value.body.get("errorCode")), caught.value.body
