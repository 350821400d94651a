"""What the gateway takes: bodies and queries as types. What is not named here is refused by name; null is for absent only where it stands."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Limit = Annotated[int, Meta(ge=1, le=200)]
After = Annotated[str, Meta(min_length=1, max_length=32)]
Email = Annotated[str, Meta(min_length=3, max_length=255)]
Password = Annotated[str, Meta(min_length=1, max_length=256)]


class RegisterBody(msgspec.Struct, forbid_unknown_fields=True):
    """``invite`` is needed where registration is by invite; its role then counts."""

    email: Email
    password: Password
    role: str = "viewer"
    invite: str | None = None


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    email: Email
    password: Password


class RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    refresh_token: str


class LogoutBody(msgspec.Struct, forbid_unknown_fields=True):
    refresh_token: str | None = None


class ApiKeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """``scopes``: read, paper, live:oanda, live:coinbase. ``expires_days`` null: never."""

    name: Name
    scopes: list[str]
    expires_days: int | None = None


class IntrospectBody(msgspec.Struct, forbid_unknown_fields=True):
    # A JSON string has at most 256 characters elsewhere; a token is longer, so this body is read with a limit of its own.
    token: str


class ModifyBody(msgspec.Struct, forbid_unknown_fields=True):
    """Absent is unchanged, null is refused, units are fixed. ``entry_price`` and ``ttl_min`` (from now) only before any fill."""

    entry_price: Decimal | UnsetType = UNSET
    stop_loss_price: Decimal | UnsetType = UNSET
    take_profit_price: Decimal | UnsetType = UNSET
    trailing_stop_distance: Decimal | UnsetType = UNSET
    ttl_min: Decimal | UnsetType = UNSET


class TradingStateBody(msgspec.Struct, forbid_unknown_fields=True):
    """``cancel`` ends unfilled entries, ``flatten`` closes positions; ``broker`` absent means all of them."""

    state: Literal["ACTIVE", "REDUCING", "HALTED"]
    cancel: bool = False
    flatten: bool = False
    reason: Annotated[str, Meta(max_length=200)] = ""
    broker: Name | None = None


class OrdersQuery(msgspec.Struct):
    """``status`` may be several, with commas."""

    status: Annotated[str, Meta(max_length=200)] | None = None
    instrument: Name | None = None
    client_order_id: Name | None = None
    limit: Limit = 50
    after: After | None = None


class AllOrdersQuery(msgspec.Struct):
    """``limit`` counts for each broker."""

    status: Annotated[str, Meta(max_length=200)] | None = None
    instrument: Name | None = None
    client_order_id: Name | None = None
    limit: Limit = 50
    after: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class CancelAllQuery(msgspec.Struct):
    instrument: Name | None = None


class PositionsQuery(msgspec.Struct):
    instrument: Name | None = None


class CloseQuery(msgspec.Struct):
    """``units`` or ``percent`` of what is open; neither closes all of it."""

    side: Literal["BUY", "SELL"] | None = None
    units: Decimal | None = None
    percent: Decimal | None = None


class TradesQuery(msgspec.Struct):
    instrument: Name | None = None
    limit: Limit = 50
    after: After | None = None


class FillsQuery(msgspec.Struct):
    instrument: Name | None = None
    order_id: Name | None = None
    limit: Limit = 50
    after: After | None = None


class EquityQuery(msgspec.Struct):
    limit: Limit = 50
    after: After | None = None


class AllListQuery(msgspec.Struct):
    """``limit`` counts for each broker; the equity curve knows no instrument."""

    instrument: Name | None = None
    limit: Limit = 50
    after: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class KeyQuery(msgspec.Struct):
    key_id: Name | None = None


class AuditQuery(msgspec.Struct):
    before: Annotated[int, Meta(ge=1, le=2**62)] | None = None  # what a row can be numbered
    limit: Limit = 50
    actor: Annotated[str, Meta(max_length=256)] | None = None
    action: Name | None = None


class HistoryQuery(msgspec.Struct):
    """``after`` is a cursor or ``start``; ``before`` pages backwards from a cursor. Neither: the newest. The rest filters, several with commas."""

    after: Annotated[str, Meta(max_length=1024)] | None = None
    before: Annotated[str, Meta(max_length=1024)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    types: Annotated[str, Meta(max_length=1024)] | None = None
    sources: Annotated[str, Meta(max_length=1024)] | None = None
    instruments: Annotated[str, Meta(max_length=1024)] | None = None
