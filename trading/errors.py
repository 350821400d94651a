"""What can go wrong, sorted by what the caller does next.

ArenaError
├── InvalidRequest     the request makes no sense: mend its shape and send it again
├── OrderDenied        our rules deny it: change the order
├── NotAllowed         who asks may not do this: ask somebody who may
├── NotFound           no such thing: look up its name
├── StateConflict      it stands otherwise by now: look at it, then decide
├── Unavailable        nothing was sent: safe to try again later
├── DeadlinePassed     it came too late and nothing was sent: safe to try again
└── OutcomeUnknown     sent, and no answer came: look it up, never send it again

Each carries a ``code`` (stable, documented in docs/http-api.md), a ``message`` that says what to do about it, and ``details`` with the values.
The same three travel over the request sockets and in every HTTP error body.
"""

from collections.abc import Mapping


class ArenaError(Exception):
    """A refusal that somebody can act on; ``details`` holds plain JSON values and Decimals."""

    default_code = "ARENA_ERROR"

    def __init__(self, message: str, *, code: str | None = None, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.message = message
        self.details: dict[str, object] = dict(details or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}: {self.message})"


class InvalidRequest(ArenaError):
    default_code = "INVALID_REQUEST"


class OrderDenied(ArenaError):
    default_code = "ORDER_DENIED"


class NotAllowed(ArenaError):
    default_code = "NOT_ALLOWED"


class NotFound(ArenaError):
    default_code = "NOT_FOUND"


class StateConflict(ArenaError):
    default_code = "STATE_CONFLICT"


class Unavailable(ArenaError):
    default_code = "UNAVAILABLE"


class DeadlinePassed(ArenaError):
    default_code = "EXPIRED"


class OutcomeUnknown(ArenaError):
    default_code = "UNKNOWN"


KINDS: Mapping[str, type[ArenaError]] = {
    kind.__name__: kind for kind in (InvalidRequest, OrderDenied, NotAllowed, NotFound, StateConflict, Unavailable, DeadlinePassed, OutcomeUnknown)
}
