"""The books of one paper account: settled money, and running sums over its open brackets.

What a bracket adds to the sums is a pure function of the bracket (``share_of``); when one changes, its old share is taken off and its new one put on.
So the sums never drift from the brackets, a restart rebuilds them by adding up, and no question costs more with more orders.

    balance = paid in + Σ realised P&L − Σ fees            (the only money that is stored)
    cash    = balance, and without margin: − Σ cost of open longs + Σ proceeds of open shorts
    equity  = balance + Σ open P&L + what is held besides, at mid
"""

from collections.abc import Mapping
from decimal import Decimal
from operator import add, sub
from typing import NamedTuple

import msgspec

from brokers.paper.config import PaperAccountConfig
from brokers.paper.market import ONE, Market
from trading.brackets import Bracket
from trading.instruments import Instrument, Instruments, Side
from trading.money import ZERO, book, plain


class Share(NamedTuple):
    """What open brackets of one instrument add up to. Costs, values and holds are in the quote currency, ``hold_base`` in base units."""

    long_units: Decimal = ZERO
    long_cost: Decimal = ZERO
    short_units: Decimal = ZERO
    short_cost: Decimal = ZERO
    buy_pending: Decimal = ZERO
    sell_pending: Decimal = ZERO
    pending_value: Decimal = ZERO
    hold_quote: Decimal = ZERO
    hold_base: Decimal = ZERO
    pending_orders: int = 0
    open_trades: int = 0

    def plus(self, other: "Share") -> "Share":
        return Share._make(map(add, self, other))

    def less(self, other: "Share") -> "Share":
        return Share._make(map(sub, self, other))


_NOTHING = Share()


def share_of(bracket: Bracket, instrument: Instrument) -> Share:
    """What ``bracket`` adds to its instrument's sums.

    Holds are what an account without margin keeps back: for a resting buy its price and the taker's fee; for a resting sell what it sells, and what
    buying it back at the stop costs beyond what it brings; for an open long what its exits will sell; for an open short what its stop will pay.
    """
    if bracket.is_final:
        return _NOTHING
    position, remaining = bracket.position_units, bracket.remaining_units
    price, taker = bracket.reserve_price, instrument.taker_fee_rate
    pending_value = remaining * price
    if bracket.order.side is Side.BUY:
        return Share(
            long_units=position,
            long_cost=bracket.open_cost,
            buy_pending=remaining,
            pending_value=pending_value,
            hold_quote=pending_value * (ONE + taker),
            hold_base=position,
            pending_orders=1 if remaining else 0,
            open_trades=1 if position else 0,
        )
    buy_back = bracket.stop_price * (ONE + taker)
    return Share(
        short_units=position,
        short_cost=bracket.open_cost,
        sell_pending=remaining,
        pending_value=pending_value,
        hold_quote=position * buy_back + remaining * max(ZERO, buy_back - price * (ONE - taker)),
        hold_base=remaining,
        pending_orders=1 if remaining else 0,
        open_trades=1 if position else 0,
    )


class Valuation(msgspec.Struct, frozen=True, gc=False):
    """The account at the standing quotes. ``is_complete`` is False while a quote it needs is missing: what it would value is left out.

    ``awaited`` are the instruments whose missing quotes can come. None can for a coin that no instrument of ours converts, which is never counted.
    """

    open_pnl: Decimal
    holdings_value: Decimal
    equity: Decimal
    margin_used: Decimal
    is_complete: bool
    awaited: tuple[str, ...] = ()

    @property
    def excess(self) -> Decimal:
        """How far equity is above half the margin used: below zero, positions are closed out."""
        return self.equity - self.margin_used / 2


class Books:
    """Money of one account; every figure in its currency unless it says otherwise."""

    def __init__(self, config: PaperAccountConfig, instruments: Instruments, market: Market) -> None:
        self.config = config
        self._instruments = instruments
        self._market = market
        self.start(config.currency, config.balance, config.holdings)

    def start(self, currency: str, balance: Decimal, holdings: Mapping[str, Decimal]) -> None:
        """Begin anew with this money and no brackets."""
        self.currency = currency
        self.balance = plain(balance)
        self.own_holdings = {name: plain(amount) for name, amount in holdings.items()}
        self.realized_pnl = ZERO
        self.fees = ZERO
        self.shares: dict[str, Share] = {}

    def change(self, old: Bracket | None, new: Bracket) -> None:
        """Replace what ``old`` added to the sums by what ``new`` adds."""
        name = new.order.instrument
        instrument, share = self._instruments[name], self.share(name)
        if old is not None:
            share = share.less(share_of(old, instrument))
        self.shares[name] = share.plus(share_of(new, instrument))

    def settle(self, realized_pnl: Decimal, fee: Decimal) -> None:
        """Book what one fill realised and cost."""
        self.balance = plain(self.balance + realized_pnl - fee)
        self.realized_pnl = plain(self.realized_pnl + realized_pnl)
        self.fees = plain(self.fees + fee)

    def correct(self, realized_pnl: Decimal, fee: Decimal) -> None:
        """Mend by so much what a fill was booked with; the balance is somebody else's word, and has it already."""
        self.realized_pnl = plain(self.realized_pnl + realized_pnl)
        self.fees = plain(self.fees + fee)

    def share(self, instrument: str) -> Share:
        return self.shares.get(instrument, _NOTHING)

    @property
    def cash(self) -> Decimal:
        """Money at hand, holds not yet taken off."""
        if self.config.on_margin:
            return self.balance
        return plain(self.balance + sum((share.short_cost - share.long_cost for share in self.shares.values()), ZERO))

    @property
    def reserved(self) -> Decimal:
        """Money kept back for resting orders and for buying back shorts."""
        return ZERO if self.config.on_margin else plain(sum((share.hold_quote for share in self.shares.values()), ZERO))

    @property
    def holdings(self) -> dict[str, Decimal]:
        """What is held besides the account's currency, open brackets included; empty on margin, where nothing is owned."""
        held = dict(self.own_holdings)
        if not self.config.on_margin:
            for name, share in self.shares.items():
                base = self._instruments[name].base
                held[base] = held.get(base, ZERO) + share.long_units - share.short_units
        return {name: plain(amount) for name, amount in held.items() if amount or name in self.own_holdings}

    def free_base(self, base: str) -> Decimal:
        """What of ``base`` may still be promised to a sell order."""
        holds = (share.hold_base for name, share in self.shares.items() if self._instruments[name].base == base)
        return self.holdings.get(base, ZERO) - sum(holds, ZERO)

    def valuation(self) -> Valuation:
        """Everything at the standing quotes."""
        held = [name for name, share in self.shares.items() if share.long_units or share.short_units]
        if not held and not self.own_holdings:
            return Valuation(open_pnl=ZERO, holdings_value=ZERO, equity=plain(self.balance), margin_used=ZERO, is_complete=True)
        open_pnl, margin, is_complete = ZERO, ZERO, True
        awaited: set[str] = set()
        for name in held:
            long_pnl, short_pnl, margin_used = self.marked(name)
            if long_pnl is None or short_pnl is None or margin_used is None:
                is_complete = False
                awaited |= self._market.awaited(name, self.currency)
            else:
                open_pnl += long_pnl + short_pnl
                margin += margin_used
        holdings_value = ZERO
        for currency, amount in self.own_holdings.items():
            rate = self._market.rate(currency, self.currency) if amount else ZERO
            if rate is None:
                is_complete = False
                route = self._market.route(currency, self.currency)
                if route is not None:
                    awaited.add(route[0])
            else:
                holdings_value += book(amount * rate)
        return Valuation(
            open_pnl=plain(open_pnl),
            holdings_value=plain(holdings_value),
            equity=plain(self.balance + open_pnl + holdings_value),
            margin_used=plain(margin),
            is_complete=is_complete,
            awaited=tuple(sorted(awaited)) if awaited else (),
        )

    def marked(self, name: str) -> tuple[Decimal, Decimal, Decimal] | tuple[None, None, None]:
        """Open P&L of the longs and of the shorts in one instrument, and its margin; Nones while a quote is missing."""
        share = self.share(name)
        if not share.long_units and not share.short_units:
            return ZERO, ZERO, ZERO
        standing = self._market.standing(name)
        rate = self._market.rate(self._instruments[name].quote, self.currency)
        if standing is None or rate is None:
            return None, None, None
        quote = standing.quote
        return (
            book((share.long_units * quote.bid - share.long_cost) * rate),
            book((share.short_cost - share.short_units * quote.ask) * rate),
            self.margin(self._instruments[name], share.long_units, share.short_units, quote.mid) or ZERO,
        )

    def margin(self, instrument: Instrument, long_units: Decimal, short_units: Decimal, price: Decimal) -> Decimal | None:
        """What is set aside for these units at ``price``: for the larger side alone, since the two cannot both lose. None while no quote converts."""
        if not self.config.on_margin or instrument.margin_rate is None:
            return ZERO
        rate, larger = self._market.rate(instrument.quote, self.currency), max(long_units, short_units)
        if rate is None:
            return None
        return book(larger * price * instrument.margin_rate * rate) if larger else ZERO

    def margin_after(self, instrument: Instrument, side: Side, units: Decimal, price: Decimal) -> Decimal | None:
        """By how much the margin used grows when ``units`` more are held on ``side``."""
        share = self.share(instrument.name)
        long_units, short_units = share.long_units, share.short_units
        before = self.margin(instrument, long_units, short_units, price)
        if side is Side.BUY:
            after = self.margin(instrument, long_units + units, short_units, price)
        else:
            after = self.margin(instrument, long_units, short_units + units, price)
        return None if before is None or after is None else after - before

    def units(self, name: str) -> Decimal:
        """What is held and what rests in one instrument, both sides added up."""
        share = self.share(name)
        return share.long_units + share.short_units + share.buy_pending + share.sell_pending

    def notional(self, name: str) -> Decimal | None:
        """The same as money: what is held at mid, what rests at its price; None while no quote converts."""
        share = self.share(name)
        held, value = share.long_units + share.short_units, share.pending_value
        if not held and not value:
            return ZERO
        rate = self._market.rate(self._instruments[name].quote, self.currency)
        if rate is None:
            return None
        if held:
            standing = self._market.standing(name)
            value += held * standing.quote.mid if standing is not None else share.long_cost + share.short_cost
        return value * rate

    def record(self) -> dict[str, object]:
        """What a store keeps; everything else follows from the brackets."""
        return {
            "currency": self.currency,
            "balance": str(self.balance),
            "realized_pnl": str(self.realized_pnl),
            "fees": str(self.fees),
            "holdings": {name: str(amount) for name, amount in self.own_holdings.items()},
        }

    def restore(self, record: Mapping[str, object]) -> None:
        """Go on from a ``record``; an empty one is an account that has just been opened."""
        self.start(self.config.currency, self.config.balance, self.config.holdings)
        if not record:
            return
        holdings = record["holdings"]
        assert isinstance(holdings, Mapping)
        self.start(str(record["currency"]), Decimal(str(record["balance"])), {name: Decimal(str(amount)) for name, amount in holdings.items()})
        self.realized_pnl = Decimal(str(record["realized_pnl"]))
        self.fees = Decimal(str(record["fees"]))
