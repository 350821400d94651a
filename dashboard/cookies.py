"""The cookie of a login, and the token against forged requests that goes with it.

``arena_session_<port>`` holds ``<id>.<refresh token>.<access token>``: HttpOnly, SameSite=Strict, Path=/, gone when the browser closes. A browser
keeps cookies by host and not by port, so the port is in the name: two arenas on one machine do not log each other out. For the same reason a cookie
alone changes nothing: a change needs the CSRF token too, which only our own page can read (S-A8). That token is a keyed hash of the login's id; no
list of logins is kept, so a restart of the dashboard logs nobody out (docs/decisions/010-dashboard-session.md).
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
_REFRESH = re.compile(r"[A-Za-z0-9_~+/=-]{16,512}")
_ACCESS = re.compile(r"[A-Za-z0-9._~+/=-]{16,3072}")  # a browser keeps at most 4 KiB a cookie, name and all
CSRF_HEADER = "X-CSRF-Token"
# Refreshed this long before it ends, so that what is sent with it is not refused on the way.
RENEW_BEFORE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What one browser holds: the login's own id, and the gateway's two tokens."""

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
    if _ACCESS.fullmatch(access) is None or _REFRESH.fullmatch(refresh) is None:
        return None
    return Login(login_id=secrets.token_urlsafe(16), access=access, refresh=refresh)


class Cookies:
    """The cookie of one dashboard: how it is named, read and set."""

    def __init__(self, settings: Settings) -> None:
        # Where trusted proxies are named they do the TLS (S-B1).
        self._secure = bool(settings.http.tls_cert_file or settings.http.trusted_proxies)
        self.name = f"{'__Host-' if self._secure else ''}arena_session_{settings.dashboard.port}"

    def read(self, request: web.BaseRequest) -> Login | None:
        """The login that ``request`` presents; None without one, or with one of another shape."""
        login_id, _, tokens = request.cookies.get(self.name, "").partition(".")
        refresh, _, access = tokens.partition(".")
        if _ID.fullmatch(login_id) is None or _REFRESH.fullmatch(refresh) is None or _ACCESS.fullmatch(access) is None:
            return None
        return Login(login_id=login_id, access=access, refresh=refresh)

    def present(self, request: web.BaseRequest) -> bool:
        """Whether the browser holds a cookie of ours, good or not."""
        return self.name in request.cookies

    def setting(self, login: Login) -> str:
        """The Set-Cookie header that puts ``login`` into the browser."""
        return self._header(f"{login.login_id}.{login.refresh}.{login.access}")

    def clearing(self) -> str:
        """The Set-Cookie header that takes it out."""
        return self._header("") + "; Max-Age=0"

    def _header(self, value: str) -> str:
        return f"{self.name}={value}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if self._secure else ''}"
