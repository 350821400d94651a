"""A fresh signature for every request: the short-lived token that a CDP API key makes of what is about to be asked.

The token names the method, the host and the path (without its query) and lives two minutes, so one that leaks is of little use; a websocket
subscription carries one without a request in it. Keys are EC P-256 (ES256, PEM) or Ed25519 (EdDSA, PEM or base64 of the seed). A key is read once
and never written: not in a ``repr``, not in an error, not in a log. Source: vendor's SDK, "CDP API key authentication".
"""

import base64
import binascii
import secrets
from collections.abc import Callable

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# What the venue allows at most. A clock that is more than this far off makes every request unauthorised.
LIFE_S = 120

_SEED_BYTES = 32
_ISSUER = "cdp"


class KeyUnusable(ValueError):
    """The configured secret is no private key that the venue takes. The message says what was expected and nothing of what was given."""


class ApiKey:
    """One API key: ``name`` (``organizations/…/apiKeys/…``) and what it signs with.

    Args:
        name: the key's name, as the venue shows it.
        secret: the private key: a PEM block, its line breaks real or written as backslash n, or the base64 of an Ed25519 seed (32 bytes) or of seed
            and public key (64 bytes).
        nonce: makes the random part of each token; tests hand in their own.
    Raises:
        KeyUnusable: no such key, or of a kind that the venue does not take.
    """

    def __init__(self, name: str, secret: str, *, nonce: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self.name = name.strip()
        if not self.name or any(ord(char) < 0x21 or ord(char) > 0x7E for char in self.name):
            raise KeyUnusable("the name of the API key must be its full name, organizations/…/apiKeys/…, without spaces")
        self._key = _private_key(secret)
        self._nonce = nonce
        self.algorithm = "ES256" if isinstance(self._key, EllipticCurvePrivateKey) else "EdDSA"

    def __repr__(self) -> str:
        return f"ApiKey({self.algorithm})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an API key is never pickled or copied")

    def token(self, now_ns: int, *, method: str | None = None, host: str = "", path: str = "") -> str:
        """A token good for ``LIFE_S`` from ``now_ns`` (wall clock): for one request when ``method`` is given, else for a websocket subscription."""
        now_s = now_ns // 1_000_000_000
        claims: dict[str, object] = {"iss": _ISSUER, "sub": self.name, "nbf": now_s, "exp": now_s + LIFE_S}
        if method is not None:
            claims["uri"] = f"{method} {host}{path.partition('?')[0]}"
        return jwt.encode(claims, self._key, algorithm=self.algorithm, headers={"kid": self.name, "nonce": self._nonce()})


def _private_key(secret: str) -> EllipticCurvePrivateKey | Ed25519PrivateKey:
    text = secret.replace("\\n", "\n").strip().strip("\"'").strip()
    if "-----BEGIN" in text:
        try:
            key = load_pem_private_key(text.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyUnusable("the secret of the API key looks like a PEM block but cannot be read as a private key without a password") from None
        if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
            return key
        if isinstance(key, Ed25519PrivateKey):
            return key
        raise KeyUnusable("the secret of the API key must be an EC P-256 or an Ed25519 key: make an ECDSA key at the venue")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) not in {_SEED_BYTES, 2 * _SEED_BYTES}:
        raise KeyUnusable("the secret of the API key must be a PEM block (ECDSA) or the base64 of an Ed25519 key")
    return Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES])
