"""Access tokens: JWTs that only this gateway signs and that are read by the narrowest rules that accept our own (RULES S-A4 to S-A6).

HS256 alone, one header form, one set of claims, canonical base64url, at most 4 KiB. PyJWT checks the signature and the times; what it would let
through unless told (no exp, a foreign issuer, another typ, a claim given twice, a time as text) is checked here. Every refusal is the same one.
"""

import base64
import binascii
import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from runtime.program import CannotStart

KEY_BYTES_MIN = 32
TOKEN_CHARS_MAX = 4 * 1024
LEEWAY_S = 10
LIFE_S_MAX = 1_440 * 60
ISSUER = "rbot-arena"
AUDIENCE = "rbot-arena"
TYPE = "at+jwt"

_CLAIMS = frozenset({"exp", "iat", "nbf", "iss", "aud", "sub", "jti", "sid", "ver"})
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_S_PER_NS = 1_000_000_000


class TokenRefused(Exception):
    """The token is not one of ours, or not good any more; the text is for the log, never for who sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a good token says: who (``user_id``), of which login (``session_id``), under which version of the user's rights, until when."""

    user_id: str
    session_id: str
    token_id: str
    token_version: int
    issued_s: int
    expires_s: int


class SigningKey:
    """The one key, with the ``kid`` that names it. Its value shows in no repr."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < KEY_BYTES_MIN:
            raise CannotStart(f"the signing key has {len(secret)} bytes and needs {KEY_BYTES_MIN}: remove the file and a good one is made")
        self._secret = secret
        self.kid = hashlib.sha256(b"kid" + secret).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"

    def issue(self, *, user_id: str, session_id: str, token_version: int, now_ns: int, life_s: int) -> tuple[str, Claims]:
        """A new token and what it says."""
        now_s = now_ns // _S_PER_NS
        claims = Claims(
            user_id=user_id,
            session_id=session_id,
            token_id=secrets.token_hex(12),
            token_version=token_version,
            issued_s=now_s,
            expires_s=now_s + life_s,
        )
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "jti": claims.token_id,
            "ver": token_version,
            "iat": now_s,
            "nbf": now_s,
            "exp": claims.expires_s,
        }
        return jwt.encode(payload, self._secret, algorithm="HS256", headers={"typ": TYPE, "kid": self.kid}), claims

    def read(self, token: str, *, now_ns: int) -> Claims:
        """The claims of ``token``.

        Raises:
            TokenRefused: whatever is wrong with it.
        """
        if len(token) > TOKEN_CHARS_MAX or not _FORM.fullmatch(token):
            raise TokenRefused("not three parts of base64url")
        head, body, signature = token.split(".")
        header = _strict_json(head)
        if header != {"alg": "HS256", "typ": TYPE, "kid": self.kid}:
            raise TokenRefused("another header than ours")
        _decode_canonical(signature)
        try:
            jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={
                    "require": ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"],
                    # The times are checked below, against the clock that is handed in.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.PyJWTError as error:
            raise TokenRefused(type(error).__name__) from None
        return _claims(_strict_json(body), now_ns // _S_PER_NS)


def _claims(payload: dict[str, Any], now_s: int) -> Claims:
    if set(payload) != _CLAIMS:
        raise TokenRefused("another set of claims than ours")
    issued, not_before, expires, version = (payload[name] for name in ("iat", "nbf", "exp", "ver"))
    if any(type(value) is not int or value < 0 for value in (issued, not_before, expires, version)):
        raise TokenRefused("a time or version that is no whole number")
    if any(type(payload[name]) is not str or not payload[name] for name in ("sub", "jti", "sid", "iss", "aud")):
        raise TokenRefused("a name that is no text")
    if not issued <= expires <= issued + LIFE_S_MAX or not_before > now_s + LEEWAY_S or issued > now_s + LEEWAY_S:
        raise TokenRefused("times that we never issue")
    if expires + LEEWAY_S <= now_s:
        raise TokenRefused("expired")
    return Claims(
        user_id=payload["sub"],
        session_id=payload["sid"],
        token_id=payload["jti"],
        token_version=version,
        issued_s=issued,
        expires_s=expires,
    )


def _decode_canonical(part: str) -> bytes:
    """The bytes of a base64url part that is written the one way there is to write them."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise TokenRefused("not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise TokenRefused("base64url with bits to spare")
    return raw


def _strict_json(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode_canonical(part).decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise TokenRefused("a part that is not JSON") from None
    if type(value) is not dict:
        raise TokenRefused("a part that is no object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def load_signing_key(path: Path) -> SigningKey:
    """The key in ``path``, made (32 random bytes, for its owner alone) when there is none.

    Raises:
        CannotStart: it is too short, or other users can read it.
    """
    if not path.exists():
        _make_key(path)
    status = path.stat()
    if status.st_mode & 0o077:
        raise CannotStart(f"{path} can be read by other users: chmod 600 {path}, and remove it if it may have leaked (everyone logs in again)")
    if status.st_uid != os.geteuid():
        raise CannotStart(f"{path} belongs to another user: start the gateway as its owner")
    return SigningKey(path.read_bytes())


def _make_key(path: Path) -> None:
    """Whole or not at all, and only once even when two gateways start together: the second link fails and the first key stands."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES_MIN))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
