"""What an issuer publishes: only keys for the pinned algorithm, for signatures, strong enough and public."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey
from tests.unit.security.jwt import KEYS, key_set, public

from forebay.security.jwks import SET_BYTES, BadKeySet, usable_keys

GOOD = public()


def why(jwk: Any, algorithm: str = "RS256") -> str:
    records, refused = usable_keys(key_set(jwk), algorithm)
    assert records == ()
    return refused[0]


def test_a_key_for_signatures_is_taken_and_nothing_but_its_public_members() -> None:
    records, refused = usable_keys(key_set(public(use="sig", alg="RS256", key_ops=["verify"], x5c=["MIIB"])), "RS256")
    assert (len(records), refused) == (1, ())
    assert records[0].kid == "k1"
    assert "x5c" not in records[0].jwk


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"use": "enc"}, "use"),
        ({"use": ""}, "use"),
        ({"key_ops": []}, "key_ops"),
        ({"key_ops": ["encrypt"]}, "key_ops"),
        ({"key_ops": "verify"}, "key_ops"),
        ({"alg": "RS512"}, "alg"),
        ({"alg": "RSA-OAEP"}, "alg"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "not a key for RS256"),
        ({"kty": "EC"}, "not a key for RS256"),
        ({"kty": None}, "not a key for RS256"),
        ({"d": "AQAB"}, "private"),
        ({"n": 7}, "members"),
        ({"n": "!"}, "cannot be read"),
        ({"kid": 7}, "id"),
        ({"kid": "a\n"}, "id"),
        ({"kid": "x" * 300}, "id"),
    ],
)
def test_any_other_key_is_left_aside_with_a_reason(change: dict[str, Any], reason: str) -> None:
    assert reason in why(GOOD | change)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_short_rsa_key_is_left_aside() -> None:
    assert "bits" in why(public(RSAKey.generate_key(1024)))


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
def test_an_elliptic_key_has_the_curve_of_its_algorithm(algorithm: str) -> None:
    assert "not a key" in why(public(ECKey.generate_key("P-521")), algorithm)


def test_two_keys_of_one_id_are_none_and_others_stay() -> None:
    other = public(RSAKey.generate_key(2048), kid="k2")
    records, refused = usable_keys(key_set(GOOD, public(RSAKey.generate_key(2048)), other), "RS256")
    assert [record.kid for record in records] == ["k2"]
    assert "twice" in refused[-1]


def test_what_is_unusable_does_not_take_the_usable_along() -> None:
    records, refused = usable_keys(key_set({}, GOOD, public(KEYS["EdDSA"], kid="e")), "RS256")
    assert ([record.kid for record in records], len(refused)) == (["k1"], 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"keys":{}}',
        b"{}",
        b'{"keys":[],"keys":[]}',
        b'{"keys":[' + b"{}," * 64 + b"{}]}",
        b" " * (SET_BYTES + 1),
    ],
)
def test_what_is_no_bounded_set_is_refused(content: bytes) -> None:
    with pytest.raises(BadKeySet):
        usable_keys(content, "RS256")
