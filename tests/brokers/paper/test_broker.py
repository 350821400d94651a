"""The engine as the service sees it: what the loop asks of it without a lock, and what a store brings back."""

from dataclasses import replace

import pytest

from brokers.base import Mark, Snapshot
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from runtime.settings import PaperSettings
from tests.brokers.paper.kit import INSTRUMENTS, T0, D, order, quote
from trading.brackets import Bracket, Protection
from trading.changes import Changes
from trading.orders import BracketOrder, CloseReason
from trading.quotes import Quote


@pytest.fixture
def broker() -> PaperBroker:
    return PaperBroker(venue="oanda", instruments=INSTRUMENTS, account=PaperAccountConfig(balance=D(100_000), on_margin=True))


def mark(shown: Quote) -> Mark:
    return Mark(quote=shown, age_ns=0, is_fresh=True)


def decide(broker: PaperBroker, bid: str, ask: str, at: int = 0, **more: str) -> Changes:
    """One quote through the writer's half: decide and record."""
    shown = quote(bid, ask, at=at, **more)
    broker.on_quote(shown, now_ns=T0 + at, fresh=True)
    return broker.drain()


def decide_last_wanted(broker: PaperBroker, bid: str, ask: str, at: int = 0) -> None:
    """A quote that is wanted for whatever reason, and has decided."""
    shown = quote(bid, ask, at=at)
    assert broker.wants(shown)
    broker.on_quote(shown, now_ns=T0 + at, fresh=True)
    broker.drain()


def filled(broker: PaperBroker, new: BracketOrder, shown: Quote) -> Bracket:
    """Place an order and show it a quote; what that made of it."""
    order_id = broker.place(new, placed_by="ann", now_ns=T0).brackets[0].order_id
    broker.on_quote(shown, now_ns=T0, fresh=True)
    bracket = broker.bracket(order_id)
    assert bracket is not None
    return bracket


def test_a_quote_is_wanted_when_it_could_change_something(broker: PaperBroker) -> None:
    decide(broker, "1.38600", "1.38610")
    assert not broker.wants(quote("1.38400", "1.38410"))
    broker.place(order(), placed_by="ann", now_ns=T0)
    broker.drain()
    assert broker.wants(quote("1.38490", "1.38500"))
    decide(broker, "1.38600", "1.38610", at=1)
    decide_last_wanted(broker, "1.38600", "1.38610", at=2)
    assert not broker.wants(quote("1.38600", "1.38610", at=3))
    assert broker.wants(quote("1.38490", "1.38500", at=4))


def test_a_quote_behind_a_wanted_one_is_wanted_until_that_has_decided(broker: PaperBroker) -> None:
    """The first fills the entry, the second is past the new stop: judged by the ranges of before the fill it would have been left out."""
    decide(broker, "1.38600", "1.38610")
    broker.place(order(), placed_by="ann", now_ns=T0)
    decide_last_wanted(broker, "1.38600", "1.38610")
    fills, crashes = quote("1.38490", "1.38500", at=1), quote("1.38500", "1.38510", at=2)
    assert broker.wants(fills)
    assert broker.wants(crashes), "the fill has not been decided yet"
    broker.on_quote(fills, now_ns=T0 + 1, fresh=True)
    broker.drain()
    assert broker.wants(quote("1.38501", "1.38511", at=3)), "the second is still to come"
    broker.on_quote(crashes, now_ns=T0 + 2, fresh=True)
    broker.drain()
    third = quote("1.38501", "1.38511", at=3)
    assert broker.wants(third)
    broker.on_quote(third, now_ns=T0 + 3, fresh=True)
    broker.drain()
    assert not broker.wants(quote("1.38502", "1.38512", at=4))


def test_a_feed_that_holds_orders_up_is_wanted_once(broker: PaperBroker) -> None:
    """To say so; after that its quotes are nothing to us until it is adopted or the account reset."""
    decide(broker, "1.38600", "1.38610")
    broker.place(order(), placed_by="ann", now_ns=T0)
    broker.drain()
    foreign = quote("1.30000", "1.30010", feed="simulated")
    assert broker.wants(foreign)
    broker.on_quote(foreign, now_ns=T0, fresh=True)
    assert [event.type for event in broker.drain().events] == ["feed_stale"]
    assert not broker.wants(quote("1.30000", "1.30010", at=5, feed="simulated"))
    broker.adopt_feed("simulated", T0)
    broker.drain()
    assert broker.wants(quote("1.30000", "1.30010", at=6, feed="simulated"))


def test_marks_value_the_account_and_decide_nothing(broker: PaperBroker) -> None:
    broker.place(order("BUY", "100", None, kind="market"), placed_by="ann", now_ns=T0)
    decide(broker, "1.38490", "1.38500")
    broker.mark([mark(quote("1.37000", "1.37010", at=1)), mark(quote("1.30000", "1.30010", at=2, feed="simulated"))])
    assert broker.account(T0).open_pnl == D("-1.5")
    assert not broker.drain()
    assert broker.position_count == 1


def test_after_a_mark_beyond_the_range_the_next_quote_is_wanted() -> None:
    """A mark so low that a close-out is due: the ranges rest on it from then on."""
    broker = PaperBroker(venue="oanda", instruments=INSTRUMENTS, account=PaperAccountConfig(balance=D(10_000), on_margin=True))
    decide(broker, "1.38480", "1.38490")
    broker.place(order("BUY", "200000", None, "1.20000", "1.60000", kind="market"), placed_by="ann", now_ns=T0)
    decide(broker, "1.38490", "1.38500", at=1)
    broker.mark([mark(quote("1.30000", "1.30010", at=2))])
    broker.drain()
    assert broker.wants(quote("1.30000", "1.30010", at=3))


def test_a_store_that_took_a_change_back_takes_it_back_here_too(broker: PaperBroker) -> None:
    """Restored from what the store holds, the order that was not written is gone and its n is free."""
    decide(broker, "1.38600", "1.38610")
    kept = broker.place(order(ref="kept"), placed_by="ann", now_ns=T0).brackets[0]
    record = broker.drain().account
    broker.place(order(ref="lost"), placed_by="ann", now_ns=T0)
    broker.restore(Snapshot(brackets=[kept], account=record or {}, next_n=2), T0)
    assert [bracket.client_order_id for bracket in broker.open_brackets()] == ["kept"]
    assert broker.place(order(), placed_by="ann", now_ns=T0).brackets[0].n == 2
    assert broker.next_expiry_ns == kept.ttl_expires_ns


def test_size_that_only_a_fill_taken_back_had_used_up_is_there_again(broker: PaperBroker) -> None:
    """100 offered and 100 bid. 30 bought and stored; 20 sold of them and 50 more bought, and neither stored: 70 are offered again, and 100 bid."""
    shown = quote("1.38490", "1.38500", sizes=("100", "100"))
    kept = filled(broker, order("BUY", "30", None, kind="market"), shown)
    record = broker.drain().account
    broker.close("EUR_USD", side=None, units=D(20), percent=None, placed_by="ann", reason=CloseReason.MANUAL, now_ns=T0)
    filled(broker, order("BUY", "50", None, kind="market"), shown)
    broker.restore(Snapshot(brackets=[kept], account=record or {}, next_n=2), T0)
    assert filled(broker, order("BUY", "100", None, kind="market"), shown).filled_units == D(70)
    assert filled(broker, order("SELL", "150", None, "1.39000", "1.38000", kind="market"), shown).filled_units == D(100)


def test_size_that_a_stored_bracket_used_up_stays_gone_when_it_has_ended(broker: PaperBroker) -> None:
    """40 of 100 bought and sold again, all of it stored; then a group is taken back: 60 are offered, for the 40 were traded."""
    shown = quote("1.38490", "1.38500", sizes=("100", "100"))
    filled(broker, order("BUY", "40", None, kind="market"), shown)
    broker.close("EUR_USD", side=None, units=None, percent=D(100), placed_by="ann", reason=CloseReason.MANUAL, now_ns=T0)
    broker.on_quote(shown, now_ns=T0, fresh=True)
    record = broker.drain().account
    broker.restore(Snapshot(brackets=[], account=record or {}, next_n=2), T0)
    assert filled(broker, order("BUY", "100", None, kind="market"), shown).filled_units == D(60)


def test_orders_of_a_live_account_in_the_same_store_are_left_alone(broker: PaperBroker) -> None:
    ours = broker.place(order(), placed_by="ann", now_ns=T0).brackets[0]
    live = replace(ours, order_id="live-oanda-7", n=7, mode="live", protection=Protection.VENUE)
    broker.restore(Snapshot(brackets=[ours, live], next_n=8), T0)
    assert [bracket.order_id for bracket in broker.open_brackets()] == ["paper-oanda-1"]
    assert (broker.open_count, broker.position_count) == (1, 0)


def test_accounts_begin_as_the_settings_say() -> None:
    settings = PaperSettings(oanda_balance_usd=D(5), coinbase_balance_usd=D(7), coinbase_balance_btc=D(2))
    assert PaperAccountConfig.for_venue("oanda", settings) == PaperAccountConfig(balance=D(5), on_margin=True)
    assert PaperAccountConfig.for_venue("coinbase", settings) == PaperAccountConfig(balance=D(7), holdings={"BTC": D(2)}, on_margin=False)


@pytest.mark.parametrize("balance", ["-1", "NaN", "Infinity"])
def test_an_account_cannot_begin_with_less_than_nothing(balance: str) -> None:
    with pytest.raises(ValueError, match="cannot start with"):
        PaperAccountConfig(balance=D(balance), on_margin=True)
