"""An issuer's published keys: which of them may check a signature of the one algorithm that the issuer is pinned to."""

from __future__ import annotations

import warnings
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from forebay.security.json_object import BadJson, read_object
from forebay.security.jwk_record import JwkRecord

SET_BYTES = 256 * 1024
_MOST_KEYS = 64
_MOST_KID_CHARACTERS = 256
_LEAST_RSA_BITS = 2048
_MOST_RSA_BITS = 8192
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}

FAMILIES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""Algorithms that an issuer may be pinned to, with their kind of key and its curve. No HMAC: an issuer's public key
must never be anybody's secret."""

PublicKey = RSAKey | ECKey | OKPKey


class BadKeySet(ValueError):
    """What was published is no set of keys."""


def usable_keys(content: bytes, algorithm: str) -> tuple[tuple[JwkRecord, ...], tuple[str, ...]]:
    """The keys of a JWK set that may check `algorithm`, and why the others may not. Raises BadKeySet.

    A key of another kind, for encryption, or with `key_ops` that leave `verify` out is left aside. Two keys of one id
    are none: which of them was meant is nobody's to guess.
    """
    try:
        found = read_object(content, SET_BYTES).get("keys")
    except BadJson as error:
        raise BadKeySet(str(error)) from None
    if not isinstance(found, list) or len(found) > _MOST_KEYS:
        raise BadKeySet(f"no list of at most {_MOST_KEYS} keys")
    records, refused = [], []
    for number, each in enumerate(found, 1):
        why = _why_not(each, algorithm)
        if why:
            refused.append(f"key {number}: {why}")
        else:
            public = {name: each[name] for name in ("kty", *_PUBLIC[each["kty"]])}
            records.append(JwkRecord(each.get("kid", ""), msgspec.json.encode(public).decode()))
    ids = [record.kid for record in records]
    twice = {kid for kid in ids if ids.count(kid) > 1}
    refused += [f"the id {kid[:64]!r} stands there twice" for kid in sorted(twice)]
    return tuple(record for record in records if record.kid not in twice), tuple(refused)


def loaded(record: JwkRecord) -> PublicKey:
    """The key, ready to check signatures."""
    key = import_key(msgspec.json.decode(record.jwk, type=dict[str, str | list[str]]))
    assert isinstance(key, RSAKey | ECKey | OKPKey)  # noqa: S101  usable_keys takes no others
    return key


def signature_is_good(algorithm: str, signed: bytes, signature: bytes, key: PublicKey) -> bool:
    """Whether `signature` is the key's under `algorithm`, which is the issuer's and never the token's choice."""
    try:
        return bool(JWSRegistry.algorithms[algorithm].verify(signed, signature, key))
    except (JoseError, ValueError):
        return False


def _why_not(jwk: Any, algorithm: str) -> str:
    if not isinstance(jwk, dict):
        return "no object"
    return _shape(jwk, algorithm) or _purpose(jwk, algorithm) or _strength(jwk, algorithm)


def _shape(jwk: dict[str, Any], algorithm: str) -> str:
    kind, curve = FAMILIES[algorithm]
    if jwk.get("kty") != kind or (curve and jwk.get("crv") != curve):
        return f"not a key for {algorithm}"
    if not _PRIVATE.isdisjoint(jwk):
        return "it holds a private key"
    if not all(isinstance(jwk.get(name), str) for name in _PUBLIC[kind]):
        return "members are missing"
    kid = jwk.get("kid", "")
    if not isinstance(kid, str) or len(kid) > _MOST_KID_CHARACTERS or not (kid.isprintable() or not kid):
        return "its id is no short text"
    return ""


def _purpose(jwk: dict[str, Any], algorithm: str) -> str:
    if jwk.get("use", "sig") != "sig":
        return "`use` is not `sig`"
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return "`key_ops` leaves `verify` out"
    if jwk.get("alg", algorithm) != algorithm:
        return f"`alg` is not {algorithm}"
    return ""


def _strength(jwk: dict[str, Any], algorithm: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a weak key is refused below, in our own words
            key = import_key({name: jwk[name] for name in ("kty", *_PUBLIC[jwk["kty"]])})
            JWSRegistry.algorithms[algorithm].check_key(key)
    except (JoseError, ValueError, TypeError, KeyError):
        return "it cannot be read"
    if isinstance(key, RSAKey) and not _LEAST_RSA_BITS <= key.raw_value.key_size <= _MOST_RSA_BITS:
        return f"an RSA key has {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} bits"
    return ""
