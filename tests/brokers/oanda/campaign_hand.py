"""A hand at the simulated OANDA, for the fault campaign."""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from random import Random

from tests.venues.campaign_hands import OWN_MAX, Hand
from tests.venues.oanda import closing, exits, placing
from tests.venues.oanda.account import Account
from tests.venues.oanda.book import Trade, side_of
from tests.venues.oanda.errors import Refusal
from tests.venues.oanda.requests import EXIT_KEYS
from trading.money import ZERO

_STOPS = frozenset({"STOP_LOSS", "TRAILING_STOP_LOSS"})
_FAR = Decimal("0.0080")
_NEAR = Decimal("0.0015")
_TICK = Decimal("0.00001")


class OandaHand(Hand):
    """At ``account``, in EUR_USD."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account
        self._own: set[int] = set()
        self._ids: set[str] = set()
        self._bared: set[int] = set()

    def meddle(self, dice: Random) -> None:
        what = dice.choice((self._close_a_part, self._take_exit_off, self._move_stop, self._cancel_entry, self._trade))
        with suppress(Refusal):
            if what(dice):
                self.done[what.__name__.strip("_")] += 1

    def own_ids(self) -> frozenset[str]:
        return frozenset(self._ids)

    def excused(self) -> frozenset[str]:
        self._bared = {number for number in self._bared if (trade := self._account.open.get(number)) is not None and not _STOPS & set(trade.exits)}
        return frozenset(map(str, self._bared | self._own_trades()))

    def own_units(self) -> Decimal:
        own = self._own_trades()
        return sum((abs(trade.units) for number, trade in self._account.open.items() if number in own), ZERO)

    def touched(self) -> Sequence[str]:
        orders, trades = {str(number) for number in self._own}, {str(number) for number in self._own_trades()}
        found: list[str] = []
        for each in self._account.log.transactions:
            cancelled = each["type"] == "ORDER_CANCEL" and each.get("orderID") in orders and each["reason"].startswith("CLIENT_REQUEST")
            given = each["type"].endswith("_ORDER") and each.get("tradeID") in trades and each["reason"] != "ON_FILL"
            closed = each.get("tradeClose") is not None and each["tradeClose"]["tradeID"] in trades
            if cancelled or given or closed:
                found.append(f"{each['type']} {each['id']} {each['reason']}")
        return found

    # ── what it does ──

    def _close_a_part(self, dice: Random) -> bool:
        trade = self._of_ours(dice)
        if trade is None or abs(trade.units) < 2:
            return False
        closing.close_trade(self._account, str(trade.id), {"units": str(dice.randint(1, int(abs(trade.units)) - 1))})
        return True

    def _take_exit_off(self, dice: Random) -> bool:
        trade = self._of_ours(dice)
        if trade is None or not trade.exits:
            return False
        kind = dice.choice(sorted(trade.exits))
        exits.set_exits(self._account, str(trade.id), {EXIT_KEYS[kind]: None})
        if not _STOPS & set(trade.exits):
            self._bared.add(trade.id)
        return True

    def _move_stop(self, dice: Random) -> bool:
        trade = self._of_ours(dice)
        order = None if trade is None else self._account.orders.get(trade.exits.get("STOP_LOSS", 0))
        if trade is None or order is None or order.request.price is None:
            return False
        market = self._account.market_price("EUR_USD", trade.side.opposite)
        price = ((order.request.price * 3 + market) / 4).quantize(_TICK)
        exits.set_exits(self._account, str(trade.id), {"stopLoss": {"price": str(price)}})
        return True

    def _cancel_entry(self, dice: Random) -> bool:
        entries = [order for order in self._account.pending.values() if not order.request.is_exit and order.id not in self._own]
        if not entries:
            return False
        placing.cancel(self._account, str(dice.choice(entries).id))
        return True

    def _trade(self, dice: Random) -> bool:
        """An order far away, or a position with or without a stop; with a name of its own or without."""
        if len(self._own) >= OWN_MAX:
            return False
        side = dice.choice((1, -1))
        market = self._account.market_price("EUR_USD", side_of(Decimal(side)))
        body: dict[str, object] = {"type": "MARKET", "instrument": "EUR_USD", "units": str(side * dice.randint(1, 50))}
        if dice.random() < 0.5:
            body |= {"type": "LIMIT", "price": str(market - side * _FAR), "timeInForce": "GTC"}
        elif dice.random() < 0.5:
            body["stopLossOnFill"] = {"price": str(market - side * _NEAR)}
        if dice.random() < 0.5:
            name = f"hand-{len(self._own)}"
            body["clientExtensions"] = {"id": name}
            self._ids.add(name)
        created = placing.place(self._account, {"order": body})["orderCreateTransaction"]
        self._own.add(int(created["id"]))
        return True

    # ── whose ──

    def _own_trades(self) -> set[int]:
        orders = (self._account.orders[number] for number in self._own)
        return {order.trade_opened for order in orders if order.trade_opened is not None}

    def _of_ours(self, dice: Random) -> Trade | None:
        """A position that the arena opened."""
        own = self._own_trades()
        trades = [trade for number, trade in self._account.open.items() if number not in own and trade.state == "OPEN"]
        return dice.choice(trades) if trades else None
