"""The latest quote of each instrument and its age, by receipt."""

from decimal import Decimal

from market_data.book import QuoteBook
from tests.market_data.conftest import S, quote


def test_age_counts_from_receipt_whatever_time_the_quote_itself_bears():
    book = QuoteBook(Decimal(10))
    book.receive(quote(-3600 * 24 * 365 * 10), 5 * S)
    assert book.latest["EUR_USD"].age_ms(5 * S + 1_500_000_000) == 1500


def test_a_quote_is_stale_after_the_limit_and_fresh_again_with_the_next():
    book = QuoteBook(Decimal("2.5"))
    book.receive(quote(0), 0)
    assert book.stale(2_500_000_000) == []
    assert book.stale(2_500_000_001) == ["EUR_USD"]
    book.receive(quote(3), 3 * S)
    assert book.stale(3 * S) == []


def test_quotes_are_numbered_by_instrument_so_that_a_reader_sees_what_is_new():
    book = QuoteBook(Decimal(10))
    for name in ("EUR_USD", "GBP_USD", "EUR_USD"):
        book.receive(quote(0, instrument=name), 0)
    assert {name: standing.number for name, standing in book.latest.items()} == {"EUR_USD": 2, "GBP_USD": 1}
    assert book.received == 3
