"""The two ways in which Coinbase says no.

``BadRequest`` is an HTTP error: the request could not be read, or names what does not exist. ``Refused`` is an answer of status 200 with
``"success": false``: the request was understood and the venue will not do it. Where the reason stands differs from reason to reason, as it does at
the venue: in ``error``, in ``preview_failure_reason`` or in ``new_order_failure_reason``; the places left over say UNKNOWN_FAILURE_REASON.
"""

UNKNOWN = "UNKNOWN_FAILURE_REASON"

# Reasons that show in ``error`` and in the preview's place; the recorded INSUFFICIENT_FUND is written like this.
_IN_ERROR_AND_PREVIEW = {"INSUFFICIENT_FUND", "INVALID_LIMIT_PRICE_POST_ONLY", "INVALID_PRODUCT_ID"}
# Reasons that only the matching side knows: the preview does not name them.
_IN_NEW_ORDER = {
    "TRADING_DISABLED",
    "UNTRADABLE_PRODUCT",
    "PRODUCT_TRADING_HALTED",
    "ORDER_ENTRY_DISABLED",
    "DUPLICATE_CLIENT_ORDER_ID",
    "COMMANDER_REJECTED_NEW_ORDER",
}

# The gRPC codes behind the names of HTTP errors, which the venue puts beside them.
_CODES = {"INVALID_ARGUMENT": 3, "NOT_FOUND": 5, "PERMISSION_DENIED": 7, "UNAUTHORIZED": 16}


class BadRequest(Exception):
    """An HTTP error. ``status`` with the gateway's error object."""

    def __init__(self, details: str, *, status: int = 400, error: str = "INVALID_ARGUMENT") -> None:
        super().__init__(details)
        self.status = status
        self.error = error
        self.details = details

    def body(self) -> dict[str, object]:
        return {"error": self.error, "code": _CODES.get(self.error, 2), "error_details": self.details, "message": self.details, "details": []}


def not_found(what: str) -> BadRequest:
    return BadRequest(what, status=404, error="NOT_FOUND")


class Refused(Exception):
    """A refusal with status 200; ``reason`` without the prefix PREVIEW_."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message

    @property
    def preview_reason(self) -> str:
        """How the preview names it."""
        return f"PREVIEW_{self.reason}"

    def error_response(self) -> dict[str, object]:
        """The ``error_response`` of a create that was refused."""
        if self.reason in _IN_NEW_ORDER:
            error, preview, new_order = self.reason, UNKNOWN, self.reason
        elif self.reason in _IN_ERROR_AND_PREVIEW:
            error, preview, new_order = self.reason, self.preview_reason, UNKNOWN
        else:
            error, preview, new_order = UNKNOWN, self.preview_reason, UNKNOWN
        return {
            "error": error,
            "message": self.message,
            "error_details": "",
            "preview_failure_reason": preview,
            "new_order_failure_reason": new_order,
        }
