"""The two cookies of a login, and the token against forged requests that goes with them.

``arena_session_<port>`` holds ``<id>.<refresh token>``, ``arena_access_<port>`` the access token; both HttpOnly, SameSite=Strict, Path=/, gone when
the browser closes. A browser keeps cookies by host and not by port, so the port is in the name: two arenas on one machine do not log each other
out. For the same reason a cookie alone changes nothing: a change needs the CSRF token too, which only our own page can read (S-A8). That token is a
keyed hash of the login's id; no list of logins is kept, so a restart of the dashboard logs nobody out (docs/decisions/010-dashboard-session.md).
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from aiohttp import web

from runtime.settings import Settings

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,4096}")
CSRF_HEADER = "X-CSRF-Token"
# Refreshed this long before it ends, so that what is sent with it is not refused on the way.
RENEW_BEFORE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What one browser holds: the login's own id, and the gateway's two tokens. ``access`` is empty when only the refresh token is left."""

    login_id: str
    access: str
    refresh: str

    def __repr__(self) -> str:
        return "Login([redacted])"

    @property
    def csrf_token(self) -> str:
        digest = hashlib.blake2b(b"arena dashboard csrf", key=self.login_id.encode(), digest_size=24).digest()
        return base64.urlsafe_b64encode(digest).decode()

    def csrf_token_is(self, presented: str) -> bool:
        return hmac.compare_digest(self.csrf_token.encode(), presented.encode("utf-8", "replace"))

    def with_tokens(self, access: str, refresh: str) -> "Login":
        return Login(login_id=self.login_id, access=access, refresh=refresh)


def new_login(access: str, refresh: str) -> Login | None:
    """A login with an id of its own; None where the tokens cannot stand in a cookie."""
    if _TOKEN.fullmatch(access) is None or _TOKEN.fullmatch(refresh) is None:
        return None
    return Login(login_id=secrets.token_urlsafe(16), access=access, refresh=refresh)


class Cookies:
    """The cookies of one dashboard: how they are named, read and set."""

    def __init__(self, settings: Settings) -> None:
        # Where trusted proxies are named they do the TLS (S-B1).
        self._secure = bool(settings.http.tls_cert_file or settings.http.trusted_proxies)
        prefix = "__Host-" if self._secure else ""
        self.session_name = f"{prefix}arena_session_{settings.dashboard.port}"
        self.access_name = f"{prefix}arena_access_{settings.dashboard.port}"

    def read(self, request: web.BaseRequest) -> Login | None:
        """The login that ``request`` presents; None without one, or with one of another shape."""
        login_id, _, refresh = request.cookies.get(self.session_name, "").partition(".")
        if _ID.fullmatch(login_id) is None or _TOKEN.fullmatch(refresh) is None:
            return None
        access = request.cookies.get(self.access_name, "")
        return Login(login_id=login_id, access=access if _TOKEN.fullmatch(access) else "", refresh=refresh)

    def present(self, request: web.BaseRequest) -> bool:
        """Whether the browser holds any cookie of ours, good or not."""
        return self.session_name in request.cookies or self.access_name in request.cookies

    def setting(self, login: Login) -> list[str]:
        """The Set-Cookie headers that put ``login`` into the browser."""
        return [self._header(self.session_name, f"{login.login_id}.{login.refresh}"), self._header(self.access_name, login.access)]

    def clearing(self) -> list[str]:
        """The Set-Cookie headers that take both out of it."""
        return [self._header(name, "") + "; Max-Age=0" for name in (self.session_name, self.access_name)]

    def _header(self, name: str, value: str) -> str:
        return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if self._secure else ''}"
