"""What was refused at the door, for the audit log: who, from where, by which rule. What a handler audits itself is not here a second time."""

from aiohttp import web

from arena_gateway.accounts import Accounts
from runtime.http import PRINCIPAL, ApiError, client_address

# Somebody without a token who is told to log in has tried nothing, so TOKEN_REQUIRED is left out; failed logins have entries of their own.
NOTED = frozenset(
    {
        "TOKEN_INVALID", "ROLE_REQUIRED", "LOGIN_REQUIRED", "REFRESH_INVALID", "REGISTRATION_CLOSED", "INVITE_INVALID", "ROLE_NOT_ALLOWED",
        "PASSWORD_TOO_WEAK", "LOGIN_THROTTLED", "ORIGIN_NOT_ALLOWED", "CROSS_SITE", "HOST_NOT_ALLOWED", "THIS_HOST_ONLY",
    }
)  # fmt: skip
HANDLED = ("/brokers/", "/admin/trading-state")  # whose handlers write down what they refuse


class Refusals:
    """Called by the server for each refusal it answers; counted by second, so that a flood is a handful of entries."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def __call__(self, request: web.BaseRequest, error: ApiError) -> None:
        if error.code not in NOTED or (error.code == "ROLE_NOT_ALLOWED" and request.path.startswith(HANDLED)):
            return
        accounts = self._accounts
        principal = request.get(PRINCIPAL)
        accounts.collected.add(
            accounts.clock.wall_ns(),
            principal.user if principal is not None else "(nobody)",
            "refused",
            subject=f"{request.method} {request.path}"[:200],
            outcome=error.code,
            address=client_address(request, accounts.settings),
        )
