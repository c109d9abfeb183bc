"""Invariant: whatever header and claims an issuer's own key signs, only those count that say exactly what the
configuration wants, each member once; and bytes that the key did not sign never count.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from forebay.security.jwk_record import JwkRecord
from forebay.security.tokens import BadToken, Issuer, IssuerPolicy, check_token

# The key pair of RFC 8037, appendix A.
_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
_KEY = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsERJxWl7MmkZcDusAxyuf2A0", "x": _X})
_NOW = 1_800_000_000.0
_POLICY = IssuerPolicy(
    name="i",
    issuer="https://i",
    audience="a",
    algorithm="Ed25519",
    typ="at+jwt",
    tenant="t",
    grants={"chat": ("inference",)},
    keys=(JwkRecord("k", json.dumps({"kty": "OKP", "crv": "Ed25519", "x": _X})),),
)
_ISSUERS = {_POLICY.issuer: Issuer(_POLICY, "0" * 64)}


def check(content: bytes) -> None:
    header, _nul, claims = content.partition(b"\0")
    signed = b".".join((_b64(header), _b64(claims)))
    signature = JWSRegistry.algorithms["Ed25519"].sign(signed, _KEY)
    try:
        bearer = check_token(signed + b"." + _b64(signature), _ISSUERS, {}, _NOW)
    except BadToken:
        pass
    else:
        said, claimed = _once(header), _once(claims)
        assert said["alg"] == "Ed25519"
        assert said["kid"] == "k"
        assert said.keys() <= {"alg", "kid", "typ", "x5t", "x5t#S256"}
        assert said["typ"].lower() in {"at+jwt", "application/at+jwt"}
        assert claimed["iss"] == "https://i"
        assert claimed["aud"] in ("a", ["a"])
        assert type(claimed["sub"]) is str
        assert _NOW - 30 < claimed["exp"] <= _NOW + 86430
        assert bearer.scopes in ((), ("inference",))
    for forged in (content, signed + b"." + _b64(bytes(64)), signed + b"." + _b64(signature[::-1])):
        try:
            check_token(forged, _ISSUERS, {}, _NOW)
        except BadToken:
            continue
        raise AssertionError("what nobody signed was believed")


def _b64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _once(content: bytes) -> dict[str, Any]:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(found)) == len(found)
        return dict(found)

    value = json.loads(content, object_pairs_hook=pairs)
    assert type(value) is dict
    return value
