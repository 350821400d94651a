"""What a live account is worth before our quotes have come: what its venue says, where it says it; and one figure for the day and for its limits."""

from dataclasses import replace
from decimal import Decimal

from brokers.live.account import LiveAccount
from brokers.live.venue import VenueAccount
from tests.brokers.live.test_book import book_of
from tests.brokers.paper.kit import INSTRUMENTS
from trading.orders import OrderStatus

NOW = 1


def holding(venue: str = "oanda") -> LiveAccount:
    """Long 100 EUR_USD at OANDA, where no quote has come."""
    account = LiveAccount(venue=venue, instruments=INSTRUMENTS)
    (bracket,) = book_of().state.brackets.values()
    cost = 100 * Decimal("1.1655")
    if venue == "oanda":
        account.book.load(replace(bracket, status=OrderStatus.OPEN, filled_units=Decimal(100), open_cost=cost, entry_value=cost))
    return account


def test_an_account_that_its_venue_values_waits_for_no_quotes_and_is_worth_the_same_to_the_limits() -> None:
    """The limits left the open loss out of what the day had begun with: an order was refused for a loss of 300 that was none."""
    account = holding()
    account.set_funds(VenueAccount(currency="USD", balance=Decimal(1000), equity=Decimal(1300)), NOW)
    seen, exposure = account.view(NOW), account.exposure("EUR_USD")
    assert seen.equity == exposure.equity == Decimal(1300)
    assert (seen.awaited, exposure.awaited) == ((), ())


def test_one_whose_venue_does_not_say_waits_for_the_quotes_of_what_it_holds() -> None:
    account = holding("coinbase")
    account.set_funds(VenueAccount(currency="USD", balance=Decimal(1000), holdings={"BTC": Decimal(1), "NEVERHEARDOF": Decimal(5)}), NOW)
    assert account.view(NOW).awaited == account.exposure("BTC-USD").awaited == ("BTC-USD",)
