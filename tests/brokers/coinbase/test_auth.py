"""Tokens: what they claim, which keys make them, and that no key is ever shown."""

import base64
import copy
import logging
import pickle

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from brokers.coinbase.auth import LIFE_S, ApiKey, KeyUnusable

NAME = "organizations/7c5ad5b5-6d1f-4c3e-9a53-000000000001/apiKeys/7c5ad5b5-6d1f-4c3e-9a53-00000000000a"
NOW_NS = 1_790_000_000_123_456_789
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def seed() -> bytes:
    return ED_KEY.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def public() -> bytes:
    return ED_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


FORMS = {
    "EC PEM": (pem(EC_KEY, PrivateFormat.TraditionalOpenSSL), "ES256"),
    "EC PKCS8": (pem(EC_KEY), "ES256"),
    "EC with written line breaks": (pem(EC_KEY).replace("\n", "\\n"), "ES256"),
    "EC in quotes": (f'"{pem(EC_KEY)}"', "ES256"),
    "Ed25519 PEM": (pem(ED_KEY), "EdDSA"),
    "Ed25519 seed": (base64.b64encode(seed()).decode(), "EdDSA"),
    "Ed25519 seed and public key": (base64.b64encode(seed() + public()).decode(), "EdDSA"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_key_signs_what_its_public_key_verifies(form: str) -> None:
    secret, algorithm = FORMS[form]
    key = ApiKey(NAME, secret)
    token = key.token(NOW_NS, method="GET", host="api.coinbase.com", path="/api/v3/brokerage/accounts")
    verify = EC_KEY.public_key() if algorithm == "ES256" else ED_KEY.public_key()
    options = {"verify_exp": False, "verify_nbf": False}
    claims = jwt.decode(token, verify, algorithms=[algorithm], options=options)  # type: ignore[arg-type]  # these options are theirs
    now_s = NOW_NS // 10**9
    assert claims == {
        "iss": "cdp",
        "sub": NAME,
        "nbf": now_s,
        "exp": now_s + LIFE_S,
        "uri": "GET api.coinbase.com/api/v3/brokerage/accounts",
    }
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"], header["typ"]) == (algorithm, NAME, "JWT")
    assert len(header["nonce"]) == 32


def test_the_query_is_no_part_of_what_is_signed() -> None:
    token = ApiKey(NAME, pem(EC_KEY)).token(NOW_NS, method="GET", host="h", path="/orders?limit=1&cursor=x")
    assert jwt.decode(token, options={"verify_signature": False})["uri"] == "GET h/orders"


def test_a_subscription_is_signed_without_a_request() -> None:
    token = ApiKey(NAME, pem(EC_KEY)).token(NOW_NS)
    assert "uri" not in jwt.decode(token, options={"verify_signature": False})


def test_no_two_tokens_are_the_same() -> None:
    key = ApiKey(NAME, base64.b64encode(seed()).decode())
    assert key.token(NOW_NS) != key.token(NOW_NS)


UNUSABLE = {
    "nothing": "",
    "text": "not a key",
    "base64 of too little": base64.b64encode(b"x" * 31).decode(),
    "base64 of too much": base64.b64encode(b"x" * 65).decode(),
    "a broken PEM": "-----BEGIN EC PRIVATE KEY-----\nSECRETSECRET\n-----END EC PRIVATE KEY-----",
    "another curve": pem(ec.generate_private_key(ec.SECP384R1())),
    "RSA": pem(rsa.generate_private_key(65537, 2048)),
    "a public key": EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_what_is_no_key_of_the_venue_is_refused_without_being_shown(what: str) -> None:
    with pytest.raises(KeyUnusable) as refusal:
        ApiKey(NAME, UNUSABLE[what])
    chain = f"{refusal.value!r} {refusal.value.__cause__!r}"
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
    for line in UNUSABLE[what].splitlines():
        assert not line or line not in chain


@pytest.mark.parametrize("name", ["", "  ", "with space", "line\nbreak"])
def test_a_name_that_cannot_travel_in_a_header_is_refused(name: str) -> None:
    with pytest.raises(KeyUnusable):
        ApiKey(name, pem(EC_KEY))


def test_a_key_shows_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    key = ApiKey(NAME, pem(EC_KEY))
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("%s %r %s", key, key, {"key": key})
    assert repr(key) == "ApiKey(ES256)"
    assert NAME not in caplog.text
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(key)
