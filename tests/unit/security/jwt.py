"""An issuer under test: its key, its published set, and tokens as it, or an attacker, would write them."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from forebay.security.jwks import usable_keys
from forebay.security.tokens import Issuer, IssuerPolicy

NOW = 1_800_000_000.0
ISSUER = "https://login.example.com/realm"
AUDIENCE = "https://models.example.com"
PEPPER = "0" * 64
KEYS: dict[str, Any] = {
    "RS256": RSAKey.generate_key(2048),
    "PS384": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
}
STRANGER = RSAKey.generate_key(2048)
HEADER: dict[str, Any] = {"alg": "RS256", "kid": "k1", "typ": "at+jwt"}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "alice@example.com",
    "exp": int(NOW) + 600,
    "iat": int(NOW) - 5,
    "jti": "t-1",
    "scope": "openid chat",
}


def public(key: Any = None, **members: Any) -> dict[str, Any]:
    """The key as an issuer publishes it."""
    return {**(key or KEYS["RS256"]).as_dict(private=False), "kid": "k1"} | members


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def policy(algorithm: str = "RS256", **changes: Any) -> IssuerPolicy:
    fields: dict[str, Any] = {
        "name": "corp",
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithm": algorithm,
        "typ": "at+jwt",
        "tenant": "acme",
        "grants": {"chat": ("inference",), "list": ("models:read",)},
        "keys": usable_keys(key_set(public(KEYS[algorithm])), algorithm)[0],
    }
    return IssuerPolicy(**fields | changes)


def issuers(*policies: IssuerPolicy) -> dict[str, Issuer]:
    return {each.issuer: Issuer(each, PEPPER) for each in policies or (policy(),)}


def b64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def signed(
    header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, key: Any = None, alg: str = "RS256"
) -> bytes:
    """A token whose header and claims are these bytes, whatever they say, signed by `key` with `alg`."""
    parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, claims)]
    head = b".".join(b64(part) for part in parts)
    if isinstance(key, bytes):
        return head + b"." + b64(hmac.digest(key, head, "sha256"))
    signature = JWSRegistry.algorithms[alg].sign(head, key if key is not None else KEYS["RS256"])
    return head + b"." + b64(signature)


def token(header: dict[str, Any] | None = None, drop: str = "", **claims: Any) -> bytes:
    """A good token but for what is named here."""
    said = {name: value for name, value in (CLAIMS | claims).items() if name != drop}
    return signed(HEADER | (header or {}), said)
