"""RFC 8725, attack by attack: of all that a token may say, only a good signature of the pinned kind opens anything."""

from __future__ import annotations

import base64
import json
import socket
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.security.jwt import (
    AUDIENCE,
    CLAIMS,
    HEADER,
    ISSUER,
    KEYS,
    NOW,
    PEPPER,
    STRANGER,
    b64,
    issuers,
    policy,
    public,
    signed,
    token,
)  # fmt: skip

from forebay.security.tokens import TOKEN_BYTES, BadToken, Bearer, check_token, written_down

EXPIRES = int(CLAIMS["exp"])


def checked(given: bytes, known: Any = None, revoked: dict[str, float] | None = None, now: float = NOW) -> Bearer:
    return check_token(given, known or issuers(), revoked or {}, now)


def refused(given: bytes, **how: Any) -> str:
    with pytest.raises(BadToken) as bad:
        checked(given, **how)
    return bad.value.reason


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_good_token_of_each_kind_speaks_for_its_subject(algorithm: str) -> None:
    given = signed(HEADER | {"alg": algorithm}, CLAIMS, KEYS[algorithm], algorithm)
    bearer = checked(given, issuers(policy(algorithm)))
    assert (bearer.tenant, bearer.scopes, bearer.expires_at) == ("acme", ("inference",), EXPIRES + 30.0)
    assert "alice" not in bearer.id


PEM = KEYS["RS256"].raw_value.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)  # fmt: skip
DER = KEYS["RS256"].raw_value.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)  # fmt: skip
SSH = KEYS["RS256"].raw_value.public_key().public_bytes(
    serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)  # fmt: skip


@pytest.mark.parametrize(
    "alg", ["none", "nOnE", "", None, ["RS256"], {"a": 1}, "RS384", "rs256", "HS256", 0, "missing"]
)
def test_no_other_algorithm_than_the_pinned_one_is_looked_at(alg: Any) -> None:
    header = {k: v for k, v in (HEADER | {"alg": alg}).items() if (k, alg) != ("alg", "missing")}
    assert refused(signed(header, CLAIMS)) == "algorithm"
    unsigned = b".".join(b64(json.dumps(each).encode()) for each in (header, CLAIMS)) + b"."
    assert refused(unsigned) == "form"


@pytest.mark.parametrize("secret", [PEM, PEM.strip(), DER, SSH, json.dumps(public()).encode()])
def test_a_public_key_is_nobodys_secret(secret: bytes) -> None:
    """HS256 with the issuer's public key as the secret, in every way that the key is written."""
    forged = signed(HEADER | {"alg": "HS256"}, CLAIMS, secret)
    assert refused(forged) == "algorithm"


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "p2c", "epk", "url"])
def test_what_a_header_brings_along_is_refused_and_nothing_is_fetched(
    member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_args: object, **_named: object) -> None:
        raise AssertionError("a token made something connect")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    values = {"jwk": public(STRANGER), "x5c": ["MIIB"], "crit": ["exp"], "b64": False, "p2c": 10**9}
    said = values.get(member, "https://evil.example/keys")
    assert refused(signed(HEADER | {member: said}, CLAIMS, STRANGER)) == "header"


@pytest.mark.parametrize("crit", [[], ["exp"], ["b64"], "b64", {}, None])
def test_crit_is_refused_whatever_it_names(crit: Any) -> None:
    assert refused(token({"crit": crit})) == "header"


@pytest.mark.parametrize(
    "kid", ["../../dev/null", "' OR 1=1 --", "k1\x00", "x" * 400, "K1", "", "k2", 1, ["k1"], None, {"k1": 1}]
)
def test_a_key_is_looked_up_by_its_name_and_by_nothing_else(kid: Any) -> None:
    with pytest.raises(BadToken) as bad:
        checked(token({"kid": kid}))
    assert bad.value.reason in {"key", "claim"}
    assert bad.value.issuer == ("corp" if bad.value.reason == "key" else "")


def test_a_name_of_a_megabyte_is_too_long_to_be_read() -> None:
    assert refused(token({"kid": "x" * 1_000_000})) == "size"


def test_a_key_of_another_issuer_does_not_sign_for_this_one() -> None:
    other = policy("ES256", name="other", issuer="https://other.example.com")
    forged = signed(HEADER | {"alg": "ES256"}, CLAIMS, KEYS["ES256"], "ES256")
    assert refused(forged, known=issuers(policy(), other)) == "algorithm"


def test_a_stranger_s_signature_and_a_changed_claim_are_refused() -> None:
    assert refused(signed(HEADER, CLAIMS, STRANGER)) == "signature"
    head, _body, signature = token().split(b".")
    richer = b64(json.dumps(CLAIMS | {"scope": "chat list"}).encode())
    assert refused(b".".join((head, richer, signature))) == "signature"


@pytest.mark.parametrize("exp", ["1800000600", True, [EXPIRES], None, -1, {}, 2**55])
def test_an_expiry_is_a_number(exp: Any) -> None:
    assert refused(token(exp=exp)) == "time"


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 400, "-1e999"])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat", "any"])
def test_no_claim_is_a_number_that_parsers_read_differently(claim: str, written: str) -> None:
    claims = json.dumps({k: v for k, v in CLAIMS.items() if k != claim})[:-1] + f', "{claim}": {written}}}'
    assert refused(signed(HEADER, claims.encode())) == "json"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": int(NOW) - 31}, "expired"),
        ({"exp": int(NOW) - 30}, "expired"),
        ({"exp": int(NOW) + 7 * 86400}, "lifetime"),
        ({"nbf": int(NOW) + 31}, "early"),
        ({"iat": int(NOW) + 31}, "early"),
        ({"iat": "1"}, "time"),
        ({"nbf": True}, "time"),
    ],
)
def test_times_count_to_the_second(claims: dict[str, Any], reason: str) -> None:
    assert refused(token(**claims)) == reason


def test_within_the_leeway_clocks_may_differ() -> None:
    assert checked(token(exp=int(NOW) - 29, nbf=int(NOW) + 30, iat=int(NOW) + 30))


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub"])
def test_a_claim_that_must_be_there_must_be_there(claim: str) -> None:
    wanted = {"exp": "expired", "iss": "issuer", "aud": "audience", "sub": "claim"}
    assert refused(token(drop=claim)) == wanted[claim]


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "https://other.example.com"}, "audience"),
        ({"aud": [AUDIENCE, "https://other.example.com"]}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": [AUDIENCE, 1]}, "audience"),
        ({"aud": AUDIENCE + "/"}, "audience"),
        ({"aud": AUDIENCE.upper()}, "audience"),
        ({"iss": "https://evil.example.com"}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"sub": 7}, "claim"),
        ({"sub": ""}, "subject"),
        ({"sub": "x" * 256}, "subject"),
        ({"scope": 7}, "scopes"),
        ({"scope": ["chat", 7]}, "scopes"),
        ({"jti": 7}, "claim"),
    ],
)
def test_a_token_for_somebody_else_or_of_somebody_else_is_refused(claims: dict[str, Any], reason: str) -> None:
    assert refused(token(**claims), revoked={"x": 0.0}) == reason


def test_several_audiences_are_taken_where_the_issuer_is_known_to_write_them() -> None:
    several = issuers(policy(several_audiences=True))
    assert checked(token(aud=[AUDIENCE, "https://other.example.com"]), several)
    assert checked(token(aud=[AUDIENCE])), "a list of one says what a text says"
    assert refused(token(aud=["https://other.example.com"]), known=several) == "audience"


@pytest.mark.parametrize(
    "typ", ["JWT", "id_token", "logout+jwt", "refresh+jwt", "at+jwt ", "", "at", None, ["at+jwt"], "no"]
)
def test_a_token_of_another_type_is_no_access_token(typ: Any) -> None:
    header = {name: value for name, value in (HEADER | {"typ": typ}).items() if (name, typ) != ("typ", "no")}
    assert refused(signed(header, CLAIMS)) == "type"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_a_media_type_is_written_in_three_ways(typ: str) -> None:
    assert checked(token({"typ": typ}))


@pytest.mark.parametrize(
    "claims",
    [
        b'{"iss":"a",' + json.dumps(CLAIMS)[1:].encode(),
        json.dumps(CLAIMS)[:-1].encode() + b',"sub":"root"}',
        json.dumps(CLAIMS)[:-1].encode() + b',"a":{"b":1,"b":2}}',
    ],
)
def test_a_member_that_stands_there_twice_is_refused_before_anything_is_believed(claims: bytes) -> None:
    assert refused(signed(HEADER, claims)) == "json"


def test_a_header_member_that_stands_there_twice_is_refused() -> None:
    assert refused(signed(b'{"alg":"none",' + json.dumps(HEADER)[1:].encode(), CLAIMS)) == "json"


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"1",
        b'"a"',
        b"null",
        b"\xff",
        b"{",
        b'{"a":1}x',
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
        b'{"a":"\\ud800"}',
        b"[" * 4000,
    ],
)
def test_claims_are_one_json_object(content: bytes) -> None:
    assert refused(signed(HEADER, content)) in {"json", "issuer"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t + b"=",
        lambda t: t + b".",
        lambda t: t + b"." + t,
        lambda t: b"." + t,
        lambda t: t.replace(b".", b"..", 1),
        lambda t: t.rpartition(b".")[0],
        lambda t: t.rpartition(b".")[0] + b".",
        lambda t: t + b"\n",
        lambda t: b" " + t,
        lambda t: t.replace(b"-", b"+").replace(b"_", b"/") + b"/",
        lambda t: t[:-1] + bytes([t[-1] ^ 1]),
        lambda t: b".".join([t.partition(b".")[0], b"a", b"b", b"c", b"d"]),
        lambda t: t + b"A" * TOKEN_BYTES,
        lambda _: b"",
        lambda _: b"..",
    ],
)
def test_a_token_has_one_form(damage: Any) -> None:
    assert refused(damage(token())) in {"form", "size", "signature", "json"}


def test_an_encrypted_token_is_no_token() -> None:
    """A compressed or password-encrypted one would cost what its sender likes; none is opened."""
    header = b64(b'{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":1000000000,"zip":"DEF"}')
    assert refused(b".".join((header, b"AA", b"AA", b"AA", b"AA"))) == "form"


def test_a_revoked_token_and_a_revoked_subject_open_nothing() -> None:
    by_id = {written_down(PEPPER, "corp", "jti", "t-1"): NOW + 600}
    by_subject = {written_down(PEPPER, "corp", "sub", "alice@example.com"): NOW}
    assert refused(token(), revoked=by_id) == "revoked"
    assert checked(token(jti="t-2"), revoked=by_id)
    assert refused(token(), revoked=by_subject) == "revoked"
    assert refused(token(drop="iat"), revoked=by_subject) == "revoked"
    assert checked(token(iat=int(NOW) + 1), revoked=by_subject), "what was given after it counts"
    assert checked(token(sub="bob"), revoked=by_subject)


def test_a_key_that_was_rotated_out_opens_nothing_and_names_its_issuer() -> None:
    with pytest.raises(BadToken) as bad:
        checked(token(), issuers(policy(keys=())))
    assert (bad.value.reason, bad.value.issuer) == ("key", "corp")


def test_words_of_the_issuer_mean_what_the_configuration_says_and_nothing_else() -> None:
    assert checked(token(scope="admin * role:admin inference")).scopes == ()
    assert checked(token(scope="chat list chat")).scopes == ("inference", "models:read")
    assert checked(token(scope=["list"])).scopes == ("models:read",)
    assert checked(token(drop="scope")).scopes == ()


@pytest.mark.parametrize("tenant", ["", "Acme", "a/b", "../x", "a" * 65, 7, None, "ä"])
def test_a_tenant_out_of_a_claim_is_a_tenant_s_name(tenant: Any) -> None:
    by_claim = issuers(policy(tenant="", tenant_claim="org"))
    assert checked(token(org="globex"), by_claim).tenant == "globex"
    assert refused(token(org=tenant), known=by_claim) in {"tenant", "claim"}
    assert refused(token(), known=by_claim) == "claim"


def test_two_tenants_never_share_a_subject() -> None:
    by_claim = issuers(policy(tenant="", tenant_claim="org"))
    assert checked(token(org="a"), by_claim).id != checked(token(org="b"), by_claim).id


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 2**31), st.integers(1, 255))
def test_no_bytes_make_it_raise_anything_else_and_no_flipped_bit_passes(noise: bytes, place: int, bits: int) -> None:
    given_ = token()
    flipped = bytearray(given_)
    flipped[place % len(given_)] ^= bits
    for attempt in (noise, noise + b"." + noise + b"." + noise, bytes(flipped)):
        with pytest.raises(BadToken):
            checked(attempt)


def test_deep_nesting_is_refused_whatever_the_stack_allows() -> None:
    limit = sys.getrecursionlimit()
    deep = b'{"a":' + b"[" * (limit * 2) + b"]" * (limit * 2) + b"}"
    assert refused(signed(HEADER, deep)) in {"json", "size", "issuer"}


def test_padding_bits_have_one_spelling() -> None:
    """`QQ` and `QR` decode to the same byte: two spellings of one token would be two tokens to whoever compares."""
    head, body, signature = token().split(b".")
    last = signature[-1:]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for other in alphabet:
        spelled = signature[:-1] + bytes([other])
        same = base64.urlsafe_b64decode(spelled + b"==") == base64.urlsafe_b64decode(signature + b"==")
        if same and bytes([other]) != last:
            assert refused(b".".join((head, body, spelled))) == "form"
