"""What a command or a quote changed: the rows to write and the events to journal, in one transaction."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trading.brackets import Bracket, Fill, Trade
from trading.events import EventDraft


class Changes(NamedTuple):
    """Everything since the last look, events in the order they happened, each bracket once as it stands now.

    ``account`` is the account's record (text and integers, fit for a store) when it changed, else None.
    """

    brackets: Sequence[Bracket] = ()
    events: Sequence[EventDraft] = ()
    fills: Sequence[Fill] = ()
    trades: Sequence[Trade] = ()
    account: Mapping[str, object] | None = None

    def __bool__(self) -> bool:
        return bool(self.brackets or self.events or self.fills or self.trades or self.account is not None)
