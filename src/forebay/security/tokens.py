"""Access tokens of an issuer (JWT, RFC 7519, 9068): what RFC 8725 warns of is checked before any claim counts.

The issuer's entry in the configuration says algorithm, type and audience; of the token's header nothing is believed but
the name of a key that is here already. No token makes anything fetch anything.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from forebay.security.json_object import BadJson, read_object
from forebay.security.jwk_record import JwkRecord
from forebay.security.roles import TENANT

if TYPE_CHECKING:
    from forebay.security.jwks import PublicKey

TOKEN_BYTES = 8 * 1024
_HEADER_BYTES = 1024
_MOST_SUBJECT_CHARACTERS = 255
_MOST_SCOPES = 256
# `crit` is not among them: an empty one is taken by some libraries. Nor is what would name or carry a key.
_HEADER_MEMBERS = {"alg", "kid", "typ", "x5t", "x5t#S256"}
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]+")
_MISSING = object()


class IssuerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One issuer, by its `name` in the configuration; see the `security.issuers` keys."""

    name: str
    issuer: str
    audience: str
    algorithm: str
    typ: str
    several_audiences: bool = False
    leeway_s: float = 30.0
    lifetime_s: float = 86400.0
    tenant: str = ""
    tenant_claim: str = ""
    scope_claim: str = "scope"
    grants: dict[str, tuple[str, ...]] = {}
    keys: tuple[JwkRecord, ...] = ()


class Issuer:
    """An issuer made ready: its keys by their ids. With `pepper` subjects are written down."""

    def __init__(self, policy: IssuerPolicy, pepper: str) -> None:
        # 11 MB that nobody needs who has no issuers; who has some gets them here, before the first token comes.
        from forebay.security.jwks import loaded, signature_is_good  # noqa: PLC0415

        self.is_good = signature_is_good
        self.policy = policy
        self.pepper = pepper
        self.keys: dict[str, PublicKey] = {record.kid: loaded(record) for record in policy.keys}


class Bearer(msgspec.Struct, frozen=True):
    """Whom a good token speaks for. `id` names the subject without telling who it is; times are epoch seconds."""

    id: str
    tenant: str
    scopes: tuple[str, ...]
    expires_at: float


class BadToken(Exception):
    """The token opens nothing. `reason` is one of a few words, for whoever looks after the service, never for clients.

    `issuer` is set where a key of that issuer is unknown here: it may have new ones.
    """

    def __init__(self, reason: str, issuer: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.issuer = issuer


def check_token(token: bytes, issuers: Mapping[str, Issuer], revoked: Mapping[str, float], now: float) -> Bearer:
    """Whom `token` speaks for at `now`; `issuers` by what their tokens say in `iss`. Raises BadToken."""
    header, claims, signed, signature = _taken_apart(token)
    issued_by = claims.get("iss")
    issuer = issuers.get(issued_by) if isinstance(issued_by, str) else None
    if issuer is None:
        raise BadToken("issuer")
    policy = issuer.policy
    _check_header(header, policy)
    _check_times(claims, policy, now)
    _check_audience(claims, policy)
    key = issuer.keys.get(_text(header, "kid", ""))
    if key is None:
        raise BadToken("key", policy.name)
    if not issuer.is_good(policy.algorithm, signed, signature, key):
        raise BadToken("signature")
    return _bearer(claims, issuer, revoked)


def written_down(pepper: str, issuer: str, kind: str, value: str) -> str:
    """What stands for a token's id (`jti`) or a subject (`sub`) of an issuer: the same each time, and not itself."""
    return hmac.digest(pepper.encode(), f"{issuer}\0{kind}\0{value}".encode(), "sha256").hex()


def _taken_apart(token: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    if len(token) > TOKEN_BYTES:
        raise BadToken("size")
    parts = token.split(b".")
    if len(parts) != 3:
        raise BadToken("form")  # five parts are encrypted, which nobody asked for
    header, payload, signature = (_decoded(part) for part in parts)
    try:
        read = read_object(header, _HEADER_BYTES), read_object(payload, TOKEN_BYTES)
    except BadJson:
        raise BadToken("json") from None
    return *read, token[: token.rindex(b".")], signature


def _decoded(part: bytes) -> bytes:
    """Base64url without padding, in its one spelling: whatever is decoded is encoded to the same bytes again."""
    if not _BASE64URL.fullmatch(part):
        raise BadToken("form")
    try:
        content = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error:
        raise BadToken("form") from None
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part:
        raise BadToken("form")
    return content


def _check_header(header: dict[str, Any], policy: IssuerPolicy) -> None:
    if header.get("alg") != policy.algorithm:
        raise BadToken("algorithm")
    if not header.keys() <= _HEADER_MEMBERS:
        raise BadToken("header")
    typ = header.get("typ")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") != policy.typ.lower():
        raise BadToken("type")


def _check_times(claims: dict[str, Any], policy: IssuerPolicy, now: float) -> None:
    expires_at = _moment(claims, "exp")
    if expires_at is None or now >= expires_at + policy.leeway_s:
        raise BadToken("expired")
    if expires_at - now > policy.lifetime_s + policy.leeway_s:
        raise BadToken("lifetime")
    for name in ("nbf", "iat"):
        at = _moment(claims, name)
        if at is not None and at > now + policy.leeway_s:
            raise BadToken("early")


def _check_audience(claims: dict[str, Any], policy: IssuerPolicy) -> None:
    audience = claims.get("aud")
    if isinstance(audience, list):
        if policy.audience not in audience or not all(isinstance(each, str) for each in audience):
            raise BadToken("audience")
        if len(audience) > 1 and not policy.several_audiences:
            raise BadToken("audience")
    elif audience != policy.audience:
        raise BadToken("audience")


def _bearer(claims: dict[str, Any], issuer: Issuer, revoked: Mapping[str, float]) -> Bearer:
    policy = issuer.policy
    subject = _text(claims, "sub")
    if not subject or len(subject) > _MOST_SUBJECT_CHARACTERS:
        raise BadToken("subject")
    tenant = policy.tenant or _text(claims, policy.tenant_claim)
    if not TENANT.fullmatch(tenant):
        raise BadToken("tenant")
    if revoked:
        _check_revoked(claims, subject, issuer, revoked)
    return Bearer(
        id=f"{policy.name}.{written_down(issuer.pepper, policy.name, tenant, subject)[:16]}",
        tenant=tenant,
        scopes=_scopes(claims, policy),
        expires_at=float(claims["exp"]) + policy.leeway_s,
    )


def _check_revoked(claims: dict[str, Any], subject: str, issuer: Issuer, revoked: Mapping[str, float]) -> None:
    name, pepper = issuer.policy.name, issuer.pepper
    if "jti" in claims and written_down(pepper, name, "jti", _text(claims, "jti")) in revoked:
        raise BadToken("revoked")
    until = revoked.get(written_down(pepper, name, "sub", subject))
    # Whatever the subject was given before it was revoked; a token that does not say when it was made is of before.
    issued_at = _moment(claims, "iat")
    if until is not None and (issued_at is None or issued_at <= until):
        raise BadToken("revoked")


def _scopes(claims: dict[str, Any], policy: IssuerPolicy) -> tuple[str, ...]:
    """What the issuer's words mean here. A word that is not in `grants` means nothing; no word, no right."""
    said = claims.get(policy.scope_claim, "")
    words = said.split(" ") if isinstance(said, str) else said
    if not isinstance(words, list) or len(words) > _MOST_SCOPES or not all(isinstance(word, str) for word in words):
        raise BadToken("scopes")
    return tuple(dict.fromkeys(scope for word in words for scope in policy.grants.get(word, ())))


def _moment(claims: dict[str, Any], name: str) -> float | None:
    """A NumericDate, None where there is none. A text, a truth value or a number out of time is no date."""
    value = claims.get(name, _MISSING)
    if value is _MISSING:
        return None
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= 2**53:
        raise BadToken("time")
    return float(value)


def _text(values: dict[str, Any], name: str, default: str | None = None) -> str:
    value = values.get(name, default)
    if not isinstance(value, str):
        raise BadToken("claim")
    return value
