"""Errors of the other rooms as HTTP: what the caller does next decides the status, the code travels unchanged.

503 and 504 mean that nothing reached the broker, so the same request may be sent again; what may have reached it is 202 UNKNOWN.
"""

import logging
import sqlite3
from collections.abc import Mapping

from runtime.http_answers import ApiError
from trading.errors import (
    ArenaError,
    DeadlinePassed,
    InvalidRequest,
    NotAllowed,
    NotFound,
    OrderDenied,
    OutcomeUnknown,
    StateConflict,
    Unavailable,
)

STATUS_OF_KIND: Mapping[type[ArenaError], int] = {
    InvalidRequest: 400,
    NotAllowed: 403,
    NotFound: 404,
    StateConflict: 409,
    OrderDenied: 422,
    Unavailable: 503,
    DeadlinePassed: 504,
    OutcomeUnknown: 202,
}
# Refusals whose kind says what to do next, and whose status says it more exactly.
STATUS_OF_CODE: Mapping[str, int] = {
    "LOGIN_THROTTLED": 429,
    "LOGIN_BUSY": 429,
    "RATE_LIMITED": 429,
    "REGISTRATION_CLOSED": 403,
    "INVITE_INVALID": 403,
}
_RETRY_AFTER_S = 1

log = logging.getLogger(__name__)


def api_error(error: ArenaError) -> ApiError:
    """``error`` with its status, and ``Retry-After`` where coming back helps."""
    kind = next((kind for kind in STATUS_OF_KIND if isinstance(error, kind)), Unavailable)
    status = STATUS_OF_CODE.get(error.code, STATUS_OF_KIND[kind])
    headers = {}
    if status in {429, 503}:
        after = error.details.get("retry_after_s", _RETRY_AFTER_S)
        headers["Retry-After"] = str(max(1, int(after))) if isinstance(after, int) else str(_RETRY_AFTER_S)
    return ApiError(status, error.code, error.message, error.details, headers)


def translate(error: Exception) -> ApiError | None:
    """For the server's last door: an ArenaError as HTTP, a users store that cannot be written as 503, None for anything else (a bug, 500)."""
    if isinstance(error, ArenaError):
        return api_error(error)
    if isinstance(error, sqlite3.OperationalError):  # a full disk, or somebody holds the lock: trading goes on, logins do not
        log.error("the users store cannot be used", extra={"error": str(error)})
        return ApiError(503, "USERS_STORE_DOWN", "users cannot be read or written right now: try again", headers={"Retry-After": "2"})
    return None
