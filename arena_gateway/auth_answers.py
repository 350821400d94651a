"""What the gateway answers about users, tokens, keys and the audit log, as types for the OpenAPI document."""

from typing import Any, Literal, NotRequired, TypedDict


class UserView(TypedDict):
    user_id: str
    email: str
    role: str
    live: list[str]
    weak_password: bool
    disabled: bool
    created_at: str


class UserAnswer(TypedDict):
    ok: Literal[True]
    user: UserView


class UsersAnswer(TypedDict):
    ok: Literal[True]
    users: list[UserView]


class TokensAnswer(TypedDict):
    ok: Literal[True]
    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    refresh_token: str


class TokenView(TypedDict):
    """``kind`` is login or api_key; scopes are null for a login."""

    kind: str
    expires_at: str | None
    scopes: list[str] | None


class MeAnswer(TypedDict):
    ok: Literal[True]
    user: UserView
    token: TokenView


class OkAnswer(TypedDict):
    ok: Literal[True]


class ApiKeyView(TypedDict):
    key_id: str
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class ApiKeysAnswer(TypedDict):
    ok: Literal[True]
    api_keys: list[ApiKeyView]


class ApiKeyMadeAnswer(TypedDict):
    """``secret`` is shown this once."""

    ok: Literal[True]
    api_key: ApiKeyView
    secret: str


class IntrospectionAnswer(TypedDict):
    """``active`` false says nothing else."""

    active: bool
    user: NotRequired[str]
    user_id: NotRequired[str]
    role: NotRequired[str]
    live: NotRequired[list[str]]
    scopes: NotRequired[list[str] | None]
    token_id: NotRequired[str]
    expires_ns: NotRequired[int | None]


class AuditEntryView(TypedDict):
    n: int
    at: str
    actor: str
    action: str
    subject: str
    outcome: str
    address: str
    details: dict[str, Any]


class AuditAnswer(TypedDict):
    ok: Literal[True]
    entries: list[AuditEntryView]
    next: int | None
