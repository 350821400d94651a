"""Who may register by HTTP (RULES S-B2, S-B3). Pure: the request's head and the settings go in, a refusal or the terms come out.

``auto`` keeps the first version's curl lines working on the machine itself and lets nobody else in: everything must point at a person on this host
with paper money. Known hole: a proxy on this host that adds no forwarding header; so a self-registered user is a paper trader, there are at most ten,
and weak passwords die with the first remote bind or live start.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.http_answers import ApiError
from runtime.http_guard import FORWARDING_HEADERS, is_loopback
from runtime.settings import Settings

USERS_MAX_AUTO = 10
ROLES = ("viewer", "trader")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a registration that was let through goes on."""

    weak_allowed: bool
    invite_needed: bool = False
    users_max: int | None = None


def weak_allowed(settings: Settings) -> bool:
    """Whether weak passwords are good enough: only while nothing but this machine reaches the gateway, and with paper money (S-B5)."""
    return is_loopback(settings.gateway.host) and not settings.http.trusted_proxies and not settings.execution_enabled


def terms(settings: Settings, *, peer: str, host: str, headers: Mapping[str, str], loopback_hosts: frozenset[str]) -> Terms:
    """The terms of a registration that may go on.

    Raises:
        ApiError: 403 REGISTRATION_CLOSED with the command that does it instead.
    """
    mode = settings.auth.registration
    weak = weak_allowed(settings)
    if mode == "open":
        return Terms(weak_allowed=weak)
    if mode == "invite":
        return Terms(weak_allowed=weak, invite_needed=True)
    if mode == "auto" and weak and _from_this_machine(peer, host, headers, loopback_hosts):
        return Terms(weak_allowed=True, users_max=USERS_MAX_AUTO)
    raise closed()


def closed() -> ApiError:
    return ApiError(403, "REGISTRATION_CLOSED", "users are added on the host here: arena user add EMAIL --role trader", {"command": "arena user add"})


def _from_this_machine(peer: str, host: str, headers: Mapping[str, str], loopback_hosts: frozenset[str]) -> bool:
    return (
        is_loopback(peer)
        and host.lower() in loopback_hosts
        and not any(name in headers for name in FORWARDING_HEADERS)
        and headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}
    )
