"""Who may reach a server at all, decided from the request's head alone. Pure: a head goes in, a refusal or nothing comes out.

* The Host must be one of ours (S-W1): a page that rebinds its own name to loopback is told 421.
* A change must not come from a foreign page (S-W3): Origin, when present, is ours, and Sec-Fetch-Site is neither cross-site nor same-site.
* A stream is not opened for a cross-site page (S-W4), whose slots would be ours to pay.
* A bind beyond loopback is refused at start without ``http.allow_remote`` and TLS or trusted proxies (S-B1).
* Reads need no token only on loopback and in paper (S-B7).
"""

import ipaddress
from collections.abc import Iterable, Mapping

from runtime.http_answers import ApiError
from runtime.program import CannotStart
from runtime.settings import HttpSettings, Settings

WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - binds that are no name anybody is called by
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-IP", "Via")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name or address to bind, or a peer's address) is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def check_bind(host: str, http: HttpSettings, *, setting: str) -> None:
    """Return when ``host`` may be bound.

    Raises:
        CannotStart: it is reachable from other machines, and nothing protects what travels.
    """
    if is_loopback(host):
        return
    if not http.allow_remote:
        raise CannotStart(f"{setting}={host} would listen beyond this machine: set it to 127.0.0.1, or set ARENA_HTTP__ALLOW_REMOTE=true on purpose")
    if not (http.tls_cert_file and http.tls_key_file) and not http.trusted_proxies:
        raise CannotStart(
            f"{setting}={host} would send passwords and tokens in clear text: set ARENA_HTTP__TLS_CERT_FILE and ARENA_HTTP__TLS_KEY_FILE, "
            "or name the proxies that do TLS in ARENA_HTTP__TRUSTED_PROXIES"
        )


def reads_are_open(settings: Settings, host: str) -> bool:
    """Whether this server answers reads without a token (S-B7). ``auth.read = open`` drops the paper condition, never the loopback one."""
    if not is_loopback(host) or settings.http.trusted_proxies:
        return False  # behind a proxy that forwards from elsewhere, loopback says nothing about who asks
    return settings.auth.read == "open" or (settings.auth.read == "auto" and not settings.execution_enabled)


class HeadGuard:
    """The checks on a request's head that every route shares.

    Args:
        host: what the server binds.
        port: the port it has bound, known only then.
    """

    def __init__(self, host: str, port: int, http: HttpSettings) -> None:
        self.tls = bool(http.tls_cert_file)
        scheme = "https" if self.tls else "http"
        own = {*LOOPBACK_NAMES, *(() if host in WILDCARDS else (f"[{host}]" if ":" in host else host,))}
        self.loopback_hosts = frozenset(_with_port(LOOPBACK_NAMES, port, scheme))
        self._hosts = frozenset({*_with_port(own, port, scheme), *(name.lower() for name in http.allowed_hosts)})
        # A name without a port in allowed_hosts stands for the name on any port: behind a proxy the public port is not ours to know.
        self._names = frozenset(name.lower() for name in http.allowed_hosts if ":" not in name)
        self.own_origins = frozenset(f"{scheme}://{name}" for name in self._hosts)
        self._origins = self.own_origins | {origin.lower() for origin in http.allowed_origins}

    def host_is_ours(self, host: str | None) -> bool:
        if host is None:
            return False
        if host in self._hosts:
            return True
        lowered = host.lower()
        return lowered in self._hosts or lowered.rpartition(":")[0] in self._names or lowered in self._names

    def origin_is_ours(self, origin: str) -> bool:
        lowered = origin.lower()
        return lowered in self._origins or lowered.partition("://")[2].partition(":")[0] in self._names

    def check_change(self, headers: Mapping[str, str]) -> None:
        """Refuse a change that a foreign page sends."""
        origin = headers.get("Origin")
        if origin is not None and not self.origin_is_ours(origin):
            raise ApiError(403, "ORIGIN_NOT_ALLOWED", "a page of another origin may not change anything here", {"origin": origin[:200]})
        if headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
            raise ApiError(403, "CROSS_SITE", "a page of another site may not change anything here")

    @staticmethod
    def check_stream(headers: Mapping[str, str]) -> None:
        """Refuse a stream that a page of another site opens."""
        if headers.get("Sec-Fetch-Site") == "cross-site":
            raise ApiError(403, "CROSS_SITE", "a page of another site may not open a stream here")


def _with_port(names: Iterable[str], port: int, scheme: str) -> set[str]:
    """``name:port``, and the bare name where the port is the scheme's own, as browsers then leave it out."""
    listed = {f"{name}:{port}" for name in names}
    return listed | set(names) if _DEFAULT_PORTS[scheme] == port else listed
