"""Which brackets have their exits made from here, after a fill: while nobody tells of fills, they are what must not go unseen."""

from brokers.live.account import LiveAccount
from brokers.live.plan import comes_with_exits
from trading.brackets import ARENA, Bracket


class AfterFill:
    """Those of one account; called on the writer thread."""

    def __init__(self, account: LiveAccount) -> None:
        self._account = account
        self._open: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._open)

    def restart(self) -> None:
        """The book was read anew, or what the venue can do is known only now."""
        self._open.clear()
        for bracket in self._account.state.brackets.values():
            self.note(bracket)

    def note(self, bracket: Bracket) -> None:
        """``bracket`` has changed."""
        if not bracket.is_final and bracket.origin == ARENA and not comes_with_exits(bracket, self._account.capability(bracket.instrument)):
            self._open.add(bracket.n)
        else:
            self._open.discard(bracket.n)
