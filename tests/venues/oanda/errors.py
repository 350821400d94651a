"""How v20 says no.

Refusal
├── Malformed   the request is not one: 400, no transaction
└── Rejected    understood and refused: a reject transaction was written and is in the answer
"""

from tests.venues.oanda.wire import Doc

INVALID_PARAMETER = "oanda::rest::core::InvalidParameterException"

_MESSAGES = {
    "ORDER_DOESNT_EXIST": "The Order specified does not exist",
    "TRADE_DOESNT_EXIST": "The Trade specified does not exist",
    "NO_SUCH_ORDER": "The order ID specified does not exist",
    "NO_SUCH_TRADE": "The trade ID specified does not exist",
    "NO_SUCH_POSITION": "The position requested does not exist",
    "NO_SUCH_TRANSACTION": "The transaction ID specified does not exist",
    "UNITS_INVALID": "Order units specified are invalid",
    "UNITS_PRECISION_EXCEEDED": "The units specified contain more precision than is allowed for the Order's instrument",
    "UNITS_LIMIT_EXCEEDED": "The units specified exceeds the maximum number of units allowed",
    "CLIENT_ORDER_ID_ALREADY_EXISTS": "The client Order ID specified is already assigned to another pending Order",
    "PRICE_PRECISION_EXCEEDED": "The price specified contains more precision than is allowed for the instrument",
    "TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST": "The timeInForce is GTD but the gtdTime is in the past",
    "CLOSEOUT_POSITION_DOESNT_EXIST": "The Position requested to be closed out does not exist",
}


class Refusal(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, body: Doc) -> None:
        super().__init__(body.get("errorMessage", ""))
        self.status = status
        self.body = body


class Malformed(Refusal):
    """The request is not one."""

    def __init__(self, field: str, *, status: int = 400) -> None:
        super().__init__(status, {"errorMessage": f"Invalid value specified for '{field}'", "errorCode": INVALID_PARAMETER})


class Rejected(Refusal):
    """Refused for ``reason``; ``transactions`` are the rejects by the keys of the answer, ``related`` what closes it."""

    def __init__(self, reason: str, transactions: Doc, related: Doc, *, status: int = 400) -> None:
        super().__init__(status, {**transactions, **related, "errorMessage": message_of(reason), "errorCode": reason})


def not_found(code: str, last_id: int) -> Refusal:
    """404 for something looked up; nothing was written."""
    return Refusal(404, {"errorMessage": message_of(code), "errorCode": code, "lastTransactionID": str(last_id)})


def message_of(code: str) -> str:
    """A sentence for people; no client may lean on its words."""
    return _MESSAGES.get(code, code.replace("_", " ").capitalize())
