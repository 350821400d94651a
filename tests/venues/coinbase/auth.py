"""Who is asking: the JWT of every request and subscription, checked as strictly as the venue does.

A token is signed with ES256 or EdDSA by the key its ``kid`` names, carries a ``nonce`` that was not seen before, is issued by ``cdp`` for that same
key, lives no more than two minutes, and, for REST, is made out to exactly this method, host and path, without the query.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from runtime.clock import NS_PER_S

LIFE_S_MAX = 120
# How far the client's clock may be off.
SKEW_S_MAX = 60
TOKEN_BYTES_MAX = 4096

PublicKey = EllipticCurvePublicKey | Ed25519PublicKey


class Unauthorized(Exception):
    """The token is none of ours; the message says why, and is for the simulator's own log: the venue says only Unauthorized."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key pair as the venue hands it out: ``name`` and the private half as PEM. Only the simulator, and a test, ever hold both."""

    name: str
    secret: str
    public: PublicKey

    @property
    def algorithm(self) -> str:
        return "ES256" if isinstance(self.public, EllipticCurvePublicKey) else "EdDSA"

    def __repr__(self) -> str:
        return f"ApiKey({self.name}, {self.algorithm})"


def make_key(name: str, *, algorithm: str = "ES256") -> ApiKey:
    """A fresh key of ``ES256`` or ``EdDSA``."""
    private: EllipticCurvePrivateKey | Ed25519PrivateKey
    private = generate_private_key(SECP256R1()) if algorithm == "ES256" else Ed25519PrivateKey.generate()
    form = PrivateFormat.TraditionalOpenSSL if algorithm == "ES256" else PrivateFormat.PKCS8
    return ApiKey(name=name, secret=private.private_bytes(Encoding.PEM, form, NoEncryption()).decode(), public=private.public_key())


def load_keys(path: Path) -> list[ApiKey]:
    """Keys of a file in the form the venue hands them out, ``{"name", "privateKey"}``, or a list of them."""
    found = json.loads(path.read_text())
    keys = []
    for each in found if isinstance(found, list) else [found]:
        private = load_pem_private_key(each["privateKey"].encode(), password=None)
        assert isinstance(private, EllipticCurvePrivateKey | Ed25519PrivateKey)
        keys.append(ApiKey(name=each["name"], secret=each["privateKey"], public=private.public_key()))
    return keys


class Gatekeeper:
    """Knows the keys and every nonce that is still alive."""

    def __init__(self, keys: list[ApiKey]) -> None:
        self._keys = {key.name: key for key in keys}
        self._nonces: dict[str, int] = {}

    def check(self, token: str, *, now_ns: int, uri: str | None) -> str:
        """The name of the key that signed ``token``.

        Args:
            uri: ``GET host/path`` of a request; None for a subscription, whose token names none.
        Raises:
            Unauthorized: with the reason.
        """
        if len(token) > TOKEN_BYTES_MAX:
            raise Unauthorized("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise Unauthorized(f"no token: {error}") from None
        key = self._keys.get(str(header.get("kid")))
        if key is None:
            raise Unauthorized(f"no key {header.get('kid')!r}")
        claims = self._verified(token, key)
        self._check_claims(claims, key, uri=uri, now_s=now_ns // NS_PER_S)
        self._spend_nonce(header, now_s=now_ns // NS_PER_S)
        return key.name

    @staticmethod
    def _verified(token: str, key: ApiKey) -> Mapping[str, Any]:
        # Times are checked below, against the venue's clock and not the machine's.
        options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        try:
            claims: Mapping[str, Any] = jwt.decode(token, key.public, algorithms=[key.algorithm], options=options)  # type: ignore[arg-type]  # PyJWT's own type is wider
        except jwt.InvalidTokenError as error:
            raise Unauthorized(f"signature: {error}") from None
        return claims

    @staticmethod
    def _check_claims(claims: Mapping[str, Any], key: ApiKey, *, uri: str | None, now_s: int) -> None:
        if claims.get("iss") != "cdp" or claims.get("sub") != key.name:
            raise Unauthorized("iss must be cdp and sub the key's name")
        start, end = claims.get("nbf"), claims.get("exp")
        if type(start) is not int or type(end) is not int:
            raise Unauthorized("nbf and exp are whole seconds")
        if not start < end <= start + LIFE_S_MAX:
            raise Unauthorized("a token lives at most two minutes")
        if now_s < start - SKEW_S_MAX or now_s >= end:
            raise Unauthorized(f"valid from {start} until {end}, and it is {now_s}")
        if uri is not None and claims.get("uri") != uri:
            raise Unauthorized(f"made out to {claims.get('uri')!r}, used for {uri!r}")

    def _spend_nonce(self, header: Mapping[str, Any], *, now_s: int) -> None:
        nonce = header.get("nonce")
        if not isinstance(nonce, str) or not nonce:
            raise Unauthorized("no nonce")
        # Nonces stand in the order of their ends, as good as; one that is dead is forgotten when it comes to the front.
        while self._nonces and next(iter(self._nonces.values())) <= now_s:
            del self._nonces[next(iter(self._nonces))]
        if nonce in self._nonces:
            raise Unauthorized("this nonce was used before")
        self._nonces[nonce] = now_s + LIFE_S_MAX + SKEW_S_MAX
