"""Who asks. The orders socket is guarded by its file permission, so the ``actor`` of a request is believed; without one it is the local trader.

One arena is one desk: whoever may read sees everything. To change something takes the role, to change somebody else's order takes an admin, to trade
with real money takes a grant that only the command line on the host can give (RULES S-B5, S-A9).
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from trading.errors import InvalidRequest, NotAllowed

ROLES = ("viewer", "trader", "admin")
USER_CHARS_MAX = 256
_FIELDS = frozenset({"user", "role", "live", "live_notional_max"})


class Actor(msgspec.Struct, frozen=True, gc=False):
    """``live``: holds a grant for real money, up to ``live_notional_max`` a day in the account's currency, None without a limit.

    ``is_local``: no actor was named, so it is somebody on this host with access to the socket.
    """

    user: str
    role: str
    live: bool
    live_notional_max: Decimal | None = None
    is_local: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


LOCAL = Actor(user="local", role="trader", live=False, is_local=True)


def actor_of(raw: Mapping[str, object] | None) -> Actor:
    """The actor of a request.

    Raises:
        InvalidRequest: ``BAD_ACTOR``: not exactly ``{user, role, live?, live_notional_max?}``.
    """
    if raw is None:
        return LOCAL
    user, role, live, limit = raw.get("user"), raw.get("role"), raw.get("live", False), raw.get("live_notional_max")
    if (
        not isinstance(user, str)
        or not 0 < len(user) <= USER_CHARS_MAX
        or role not in ROLES
        or not isinstance(live, bool)
        or not (limit is None or (type(limit) in {int, float} and limit > 0))  # type: ignore[operator]  # a number by then
        or not raw.keys() <= _FIELDS
    ):
        raise InvalidRequest(
            "actor is {user, role, live, live_notional_max}: role viewer, trader or admin; live true or false; live_notional_max a number",
            code="BAD_ACTOR",
        )
    return Actor(user=user, role=str(role), live=live, live_notional_max=None if limit is None else Decimal(str(limit)))


def require_trader(actor: Actor) -> None:
    """Raises NotAllowed ``ROLE_NOT_ALLOWED`` for a viewer."""
    if actor.role == "viewer":
        raise NotAllowed("a viewer may look but not trade: ask an admin for the trader role", code="ROLE_NOT_ALLOWED", details={"role": actor.role})


def require_host(actor: Actor) -> None:
    """Raises NotAllowed ``ROLE_NOT_ALLOWED`` unless an admin or somebody on this host asks."""
    if not (actor.is_admin or actor.is_local):
        raise NotAllowed("this takes an admin, or the arena command on the host", code="ROLE_NOT_ALLOWED", details={"role": actor.role})


def require_live_grant(actor: Actor, mode: str) -> None:
    """Raises NotAllowed ``LIVE_NOT_GRANTED`` when money is real and the actor holds no grant."""
    if mode == "live" and not actor.live:
        raise NotAllowed(
            "this account trades real money and you hold no grant for it: arena user grant-live, on the host", code="LIVE_NOT_GRANTED", details={}
        )


def require_owner(actor: Actor, placed_by: str, order_id: str) -> None:
    """Raises NotAllowed ``NOT_YOUR_ORDER`` unless the actor placed the order or is an admin."""
    if placed_by != actor.user and not actor.is_admin:
        raise NotAllowed("somebody else placed this order; changing it takes an admin", code="NOT_YOUR_ORDER", details={"order_id": order_id})
