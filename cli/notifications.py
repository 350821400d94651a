"""Notifications: which events are worth a message, in what words, and how many a minute. Pure, but for the one queue that sending waits in.

Sending may take as long as it likes and fail as often: it happens on a thread of its own behind a bounded queue. What does not fit, and what is over
the rate, is counted and told in the next message that goes out; an alarm is never held back by the rate.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

QUEUE_MAX = 100
MINUTE_S = 60.0
# What a person wants to hear of without asking for more: money, refusals, brakes and alarms.
TYPES = (
    "order_filled", "order_rejected", "order_unknown", "bracket_closed", "trading_state_changed", "protection_lost", "protection_restored",
    "feed_stale", "gap", "reset",
)  # fmt: skip
ALARMS = frozenset({"trading_state_changed", "protection_lost", "order_unknown"})


class Sender(Protocol):
    """``apprise.Apprise``, and the fakes of the tests."""

    def notify(self, body: str, title: str = "") -> Any: ...


def text_of(source: str, kind: str, payload: Mapping[str, Any]) -> tuple[str, str]:
    """(title, body) of one event, in plain words."""
    what = " ".join(str(payload[name]) for name in ("instrument", "side", "units") if payload.get(name) is not None)
    order = f" ({payload['order_id']})" if payload.get("order_id") else ""
    title = f"{'ALARM: ' if kind in ALARMS else ''}{'LIVE ' if payload.get('mode') == 'live' else ''}{source} {kind.replace('_', ' ')}"
    match kind:
        case "order_filled":
            body = f"{what}{order}: {payload.get('leg')} at {payload.get('price')}, realised {payload.get('realized_pnl')}"
        case "bracket_closed":
            body = f"{what}{order}: {payload.get('close_reason')}, {payload.get('realized_pnl')} ({payload.get('r_multiple')} R)"
        case "order_rejected":
            body = f"{what}: {payload.get('code')} {payload.get('message') or ''}"
        case "trading_state_changed":
            body = f"{payload.get('old')} -> {payload.get('new')} by {payload.get('changed_by')}: {payload.get('reason')}"
        case "protection_lost":
            body = f"{what}{order}: {payload.get('position_units')} units without a stop, {payload.get('reason')}"
        case "feed_stale":
            body = f"no fresh prices for {', '.join(payload.get('instruments') or ())}"
        case _:
            body = f"{what}{order}" if what else str(dict(payload))[:500]
    return title, body


class Outbox:
    """Takes messages and never waits; a thread sends them.

    Args:
        per_minute: messages that are no alarm in any 60 s.
        clock: seconds that only go forward.
        complain: told what could not be sent.
    """

    def __init__(self, sender: Sender, *, per_minute: int, clock: Callable[[], float], complain: Callable[[str], None]) -> None:
        self._sender = sender
        self._per_minute = per_minute
        self._clock = clock
        self._complain = complain
        self._sent_at: deque[float] = deque()
        self._queue: queue.Queue[tuple[str, str] | None] = queue.Queue(QUEUE_MAX)
        self.held_back = 0
        self._thread = threading.Thread(target=self._send_all, name="notify", daemon=True)
        self._thread.start()

    def put(self, title: str, body: str, *, alarm: bool = False) -> bool:
        """Whether the message will be sent."""
        now = self._clock()
        while self._sent_at and self._sent_at[0] <= now - MINUTE_S:
            self._sent_at.popleft()
        if not alarm and len(self._sent_at) >= self._per_minute:
            self.held_back += 1
            return False
        more = f"\n({self.held_back} more were held back)" if self.held_back else ""
        try:
            self._queue.put_nowait((title, body + more))
        except queue.Full:
            self.held_back += 1
            return False
        self._sent_at.append(now)
        self.held_back = 0
        return True

    def close(self, seconds_max: float) -> None:
        """Send what waits, for so long at most."""
        try:
            self._queue.put(None, timeout=seconds_max)
        except queue.Full:
            return
        self._thread.join(seconds_max)

    def _send_all(self) -> None:
        while (message := self._queue.get()) is not None:
            title, body = message
            try:
                if not self._sender.notify(body=body, title=title):
                    self._complain(f"not sent: {title}")
            except Exception as error:  # noqa: BLE001  (whatever a service's client raises, the next message is tried)
                self._complain(f"not sent: {title}: {type(error).__name__}")
