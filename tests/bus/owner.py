"""An owner in memory: a journal of real body bytes that can be appended to, trimmed, restored from an old copy, and asked for pages."""

from bus.envelope import GENESIS, Event, chain_hash, decode_event, encode_event
from bus.fetch import Fetch, FetchedPage

TS_NS = 1_760_637_327_021_043_000


class FakeOwner:
    def __init__(self, source: str = "oanda", epoch: str = "00000000000000a1") -> None:
        self.source = source
        self.epoch = epoch
        self.first_seq = 1
        self.bodies: dict[int, bytes] = {}
        self.history: dict[tuple[str, int], bytes] = {}  # everything that ever was, by epoch and number
        self._last_hash = GENESIS

    @property
    def last_seq(self) -> int:
        return max(self.bodies, default=0)

    def append(self, kind: str = "order_filled", **payload: object) -> Event:
        seq = self.last_seq + 1
        body = encode_event(self.source, kind, payload or {"n": seq}, TS_NS + seq, epoch=self.epoch, seq=seq, prev=self._last_hash)
        self.bodies[seq] = body
        self.history[self.epoch, seq] = body
        self._last_hash = chain_hash(body)
        return decode_event(body)

    def trim(self, first_seq: int) -> None:
        """Retention: what is below ``first_seq`` is gone; the last event stays."""
        self.first_seq = max(self.first_seq, min(first_seq, self.last_seq))
        self.bodies = {seq: body for seq, body in self.bodies.items() if seq >= self.first_seq}

    def restore(self, epoch: str) -> Event:
        """A new journal begins, as after a restore."""
        self.epoch, self.first_seq, self.bodies, self._last_hash = epoch, 1, {}, GENESIS
        return self.append("source_reset", new_epoch=epoch)

    def roll_back(self, last_seq: int) -> None:
        """Lose the newest events without a new epoch: what must not happen, and what the fork alarm is for."""
        self.bodies = {seq: body for seq, body in self.bodies.items() if seq <= last_seq}
        self._last_hash = chain_hash(self.bodies[last_seq])

    def heartbeat(self, instance: str = "1" * 16) -> dict[str, object]:
        return {"epoch": self.epoch, "first_seq": self.first_seq, "last_seq": self.last_seq, "instance": instance, "status": "ok"}

    def answer(self, fetch: Fetch, events_max: int = 500) -> FetchedPage:
        """What the owner's replay socket says to ``fetch``."""
        events: list[bytes | Event] = []
        if fetch.epoch in {None, self.epoch} and fetch.after <= self.last_seq:
            after = max(0, self.last_seq + fetch.after) if fetch.after < 0 else fetch.after
            first = max(after + 1, self.first_seq)
            events = [self.bodies[seq] for seq in range(first, min(self.last_seq, first + min(fetch.limit, events_max) - 1) + 1)]
        return FetchedPage(epoch=self.epoch, first_seq=self.first_seq, last_seq=self.last_seq, events=events)
