"""How the arena's programs call each other's HTTP servers: at which address, and with TLS trusting exactly the certificate that we serve."""

import ssl

from runtime.http_guard import is_loopback
from runtime.settings import HttpSettings, Settings


def gateway_url(settings: Settings) -> str:
    return _url(settings.gateway.host, settings.gateway.port, settings.http)


def dashboard_url(settings: Settings) -> str:
    return _url(settings.dashboard.host, settings.dashboard.port, settings.http)


def market_data_url(settings: Settings) -> str:
    return _url(settings.market_data.host, settings.market_data.port, settings.http)


def own_certificate(http: HttpSettings) -> ssl.SSLContext | bool:
    """What to trust of our own servers: with TLS exactly the certificate we serve, under whatever name we call ourselves on loopback."""
    if not http.tls_cert_file:
        return True
    context = ssl.create_default_context(cafile=http.tls_cert_file)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the leaf itself is the anchor
    return context


def _url(host: str, port: int, http: HttpSettings) -> str:
    """Where one of our own servers is called: what is bound to every address answers on loopback."""
    called = host if is_loopback(host) else "[::1]" if host == "::" else "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - compared, not bound
    if ":" in called and not called.startswith("["):
        called = f"[{called}]"
    return f"{'https' if http.tls_cert_file else 'http'}://{called}:{port}"
