"""Which TCP ports the bus opens, and to whom. Decided from the settings and the lists of keys; nothing is opened here.

Whoever may subscribe reads everything, so the plain port is there only where anybody on this machine may read (S-B7): loopback, paper, and
``auth.read`` not ``token``. Where reading takes a token, and for any address beyond loopback, the port speaks CURVE to the clients on the list of
subscribers and to nobody else. Publishers stay on ``run/bus-pub.sock``; ``bus.pub_port`` adds a port for those on the list of publishers, always with
CURVE, as whoever may publish can speak as any source (S-Z2).
"""

import ipaddress
from dataclasses import dataclass

from bus.curve import KeyRing
from runtime.program import CannotStart
from runtime.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """``(host, port)`` for subscribers and for publishers, None where that side has no port; ``curve``: subscribers need a key."""

    subscribers: tuple[str, int] | None = None
    publishers: tuple[str, int] | None = None
    curve: bool = False


def doors(settings: Settings, ring: KeyRing) -> Doors:
    """The ports to open.

    Raises:
        CannotStart: an address beyond this machine, or a port for publishers, and no client's key that could use it.
    """
    host = settings.bus.sub_host
    publishers = None
    if settings.bus.pub_port:
        if not ring.clients("publishers"):
            raise CannotStart(
                f"ARENA_BUS__PUB_PORT={settings.bus.pub_port} would take events from other programs, and no key may: "
                "arena keys add NAME --publisher, or unset it"
            )
        publishers = (host, settings.bus.pub_port)
    has_keys = bool(ring.clients("subscribers"))
    if not is_loopback(host):
        if not has_keys:
            raise CannotStart(
                f"ARENA_BUS__SUB_HOST={host} would show every event to the network: make a CURVE key for each client first (arena keys add NAME), "
                "or set it to 127.0.0.1"
            )
        return Doors(subscribers=(host, settings.bus.sub_port), publishers=publishers, curve=True)
    if reads_take_a_token(settings):
        return Doors(subscribers=(host, settings.bus.sub_port) if has_keys else None, publishers=publishers, curve=True)
    return Doors(subscribers=(host, settings.bus.sub_port), publishers=publishers)


def reads_take_a_token(settings: Settings) -> bool:
    """Whether the HTTP servers ask readers who they are, so that the bus must too."""
    beyond = not (is_loopback(settings.gateway.host) and is_loopback(settings.dashboard.host)) or bool(settings.http.trusted_proxies)
    return settings.auth.read == "token" or settings.execution_enabled or beyond


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine alone; a name other than localhost is not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
