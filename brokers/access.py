"""What an adapter needs to reach its account, read when it goes live and at no other time; where a venue is, its own package knows."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from runtime.program import CannotStart
from runtime.secret_files import Secret, read_secret

_ACCOUNT_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OandaAccess:
    """A token and the account it is for."""

    token: Secret
    account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinbaseAccess:
    """An API key: its name (``organizations/…/apiKeys/…``) and the private key that signs."""

    key_name: Secret
    key_secret: Secret


Access = OandaAccess | CoinbaseAccess


def read_access(source: str, environ: Mapping[str, str]) -> Access:
    """The credentials of ``source``, whatever they are for.

    Raises:
        CannotStart: one is missing or cannot be trusted.
    """
    if source == "coinbase":
        return CoinbaseAccess(key_name=read_secret(environ, "COINBASE_API_KEY", warn=False), key_secret=read_secret(environ, "COINBASE_API_SECRET"))
    account_id = read_secret(environ, "OANDA_ACCOUNT_ID", warn=False).reveal()  # no secret: the page shows it
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise CannotStart("OANDA_ACCOUNT_ID must look like 101-001-1234567-001")
    return OandaAccess(token=read_secret(environ, "OANDA_API_TOKEN"), account_id=account_id)


def refuse_root(euid: int | None = None) -> None:
    """Raises CannotStart for root: a fault in any library it imports would own the machine and the money."""
    if (os.geteuid() if euid is None else euid) == 0:
        raise CannotStart("refusing to trade real money as root: run the arena as an ordinary user (docs/live.md)")
