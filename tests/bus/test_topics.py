"""bus/topics.py: a subscription to one name never catches another."""

import pytest

from bus.topics import event_topic, heartbeat_topic, quote_topic, source_prefix


def test_topics_are_what_the_protocol_says() -> None:
    assert event_topic("oanda", "order_filled") == b"oanda.order_filled."
    assert quote_topic("oanda", "EUR_USD") == b"quote.oanda.EUR_USD."
    assert quote_topic("coinbase", "BTC-USD") == b"quote.coinbase.BTC-USD."
    assert heartbeat_topic("gateway") == b"gateway.heartbeat."


def test_no_topic_is_the_beginning_of_another() -> None:
    assert not quote_topic("oanda", "EUR_USDT").startswith(quote_topic("oanda", "EUR_USD"))
    assert not event_topic("oanda2", "order_filled").startswith(source_prefix("oanda"))
    assert event_topic("oanda", "order_filled").startswith(source_prefix("oanda"))


@pytest.mark.parametrize("name", ["", "Oanda", "oanda.x", "oa nda", "1a", "ö", "a" * 33, "oanda\n"])
def test_a_name_that_could_be_read_as_another_topic_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        event_topic(name, "order_filled")
    with pytest.raises(ValueError):
        event_topic("oanda", name)
    with pytest.raises(ValueError):
        source_prefix(name)


@pytest.mark.parametrize("instrument", ["", "eur_usd", "EUR.USD", "EUR_USD_X", "EUR_USD\n", "A" * 17])
def test_an_instrument_that_is_none_is_refused(instrument: str) -> None:
    with pytest.raises(ValueError):
        quote_topic("oanda", instrument)
