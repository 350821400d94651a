"""When a consumer asks an owner: soon after it missed something, not all consumers at once, ever more slowly while nobody answers. Pure; R24, R25.

* ``want``: something is missing. Ask after a random delay of up to 250 ms, and never within 100 ms of the last time.
* ``retry``: the owner did not answer. Ask again after 0.1 s, 0.2 s … 2 s, and at once (with jitter) when it is heard.
* A heartbeat that is ahead may have overtaken an event of the same moment; when the event is not there 250 ms later, ask.
* No heartbeat for 3 s is a silence: ask every 2 s until one is heard.

Times are nanoseconds of a clock that does not step.
"""

from collections.abc import Callable

MS = 1_000_000
JITTER_NS_MAX = 250 * MS
AHEAD_NS_MAX = 250 * MS
SILENCE_NS_MAX = 3_000 * MS  # three beats
POLL_NS = 2_000 * MS
BACKOFF_NS_MIN, BACKOFF_NS_MAX = 100 * MS, 2_000 * MS  # the longest wait bounds the healing time after an owner's return
SPACING_NS = 100 * MS  # messages can be forged: they must not make us hammer the owner


class Asking:
    """The times at which one follower asks. It starts wanting to ask at once."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.is_silent = False
        self._jitter = jitter
        self._is_out = False  # one page at a time
        self._due_ns: int | None = 0
        self._sent_ns = -SPACING_NS
        self._backoff_ns = 0
        self._heard_ns: int | None = None
        self._ahead: tuple[int, int] | None = None  # (a heartbeat's last_seq, when to act on it)

    @property
    def wake_ns(self) -> int | None:
        """When something is next to be done; None when only a message can change that."""
        times = [None if self._is_out else self._due_ns, self._ahead[1] if self._ahead else None]
        if self._heard_ns is not None and not self.is_silent:
            times.append(self._heard_ns + SILENCE_NS_MAX)
        return min((time for time in times if time is not None), default=None)

    def want(self, now_ns: int) -> None:
        due = max(now_ns + self._random_ns(), self._sent_ns + SPACING_NS)
        if self._due_ns is None or due < self._due_ns:
            self._due_ns = due

    def at_once(self, now_ns: int) -> None:
        self._due_ns = now_ns

    def retry(self, now_ns: int) -> None:
        self._is_out = False
        self._backoff_ns = min(max(BACKOFF_NS_MIN, 2 * self._backoff_ns), BACKOFF_NS_MAX)
        self._due_ns = now_ns + min(self._backoff_ns + self._random_ns(), BACKOFF_NS_MAX)

    def sent(self, now_ns: int) -> None:
        """The owner is being asked: nothing more is due until it answers."""
        self._is_out = True
        self._due_ns = None
        self._sent_ns = now_ns

    def answered(self, now_ns: int) -> None:
        self._is_out = False
        self._backoff_ns = 0
        self._ahead = None
        self._due_ns = now_ns + POLL_NS if self.is_silent else None

    def heard(self, now_ns: int) -> bool:
        """A heartbeat came; True when it ends a silence."""
        was_silent, self.is_silent = self.is_silent, False
        self._heard_ns = now_ns
        if self._backoff_ns:  # it lives: do not wait out the rest
            self._backoff_ns = 0
            self.want(now_ns)
        return was_silent

    def ahead(self, seq: int, now_ns: int) -> None:
        """A heartbeat said ``seq``, which has not come yet."""
        if self._ahead is None:
            self._ahead = (seq, now_ns + AHEAD_NS_MAX)

    def silence_begins(self, now_ns: int) -> bool:
        """Whether a silence begins now; from then on the owner is asked itself."""
        if self._heard_ns is None:
            self._heard_ns = now_ns
        if self.is_silent or now_ns - self._heard_ns < SILENCE_NS_MAX:
            return False
        self.is_silent = True
        self.at_once(now_ns)
        return True

    def is_due(self, next_seq: int, now_ns: int) -> bool:
        """Whether to ask now, with ``next_seq`` being what is waited for."""
        if self._ahead and now_ns >= self._ahead[1]:
            if self._ahead[0] >= next_seq:
                self.want(now_ns)
            self._ahead = None
        return not self._is_out and self._due_ns is not None and now_ns >= self._due_ns

    def _random_ns(self) -> int:
        return int(JITTER_NS_MAX * self._jitter())
