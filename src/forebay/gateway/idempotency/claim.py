"""One call's claim on its idempotency key: what it is called, what it asks, what its store may say. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec
import orjson

from forebay.gateway.refusal import Refusal
from forebay.gateway.reuse.answers import Entry
from forebay.gateway.reuse.seal import sealed, unsealed
from forebay.privacy.policy import PrivacyPolicy

HEADER = "idempotency-key"
_LONGEST_BYTES = 255

WORDS = frozenset({"new", "running", "undecided", "mismatch", "finished", "answered", "full", "warming"})
"""What a store says of a key. `undecided`: whoever had it vanished; `finished`: answered, but no answer is kept."""


class Said(NamedTuple):
    """One of WORDS, or `lost`; with `answered` the answer as it was sealed."""

    word: str
    answer: bytes = b""


LOST = Said("lost")
Hear = Callable[[Said], None]


class Claim:
    """`id` names tenant and key, `fingerprint` what is asked, `token` this claim among all that there ever were.

    `rules` names the privacy policy that the call began under. `answer` is what the client was told, its
    content type and body; None for a stream. `awaited`: the call still waits for the store's word.
    """

    __slots__ = ("answer", "awaited", "fingerprint", "id", "renewed_at", "rules", "store", "tenant", "token")

    def __init__(
        self, identity: bytes, tenant: bytes, fingerprint: bytes, token: bytes, store: Store, rules: bytes = b""
    ) -> None:
        self.id = identity
        self.tenant = tenant
        self.fingerprint = fingerprint
        self.token = token
        self.store = store
        self.rules = rules
        self.answer: tuple[bytes, bytes] | None = None
        self.awaited = True
        self.renewed_at = 0.0


class Store(Protocol):
    """Where claims lie. `claim` hears exactly once, never before it returns; the others are told and not waited for."""

    lease_s: float

    def claim(self, claim: Claim, hear: Hear) -> None: ...
    def finish(self, claim: Claim, answer: bytes) -> None: ...
    def free(self, claim: Claim) -> None: ...
    def renew(self, claims: Iterable[Claim]) -> None: ...
    def sweep(self, now: float) -> None: ...
    def close(self) -> None: ...


def identity_of(tenant: str, key: bytes, pepper: str) -> tuple[bytes, bytes]:
    """Names for a tenant's key and for the tenant, which tell neither. Raises Refusal for a key that is too long."""
    if len(key) > _LONGEST_BYTES:
        raise Refusal("invalid_value", f"{HEADER} is longer than {_LONGEST_BYTES} bytes.", param=HEADER)
    owner = _digest(tenant.encode(), pepper)
    return _digest(owner + key, pepper), owner


def rules_of(privacy: PrivacyPolicy | None) -> bytes:
    """A name for a privacy policy, the same in every process."""
    if privacy is None:
        return b""
    return hashlib.blake2b(msgspec.json.encode(privacy, order="deterministic"), digest_size=16).digest()


def fingerprint_of(path: bytes, body: bytes) -> bytes:
    """The same for bodies that mean the same: white space and the order of fields make no difference."""
    written = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(path + b"\0" + written, digest_size=16).hexdigest().encode()


def seal(claim: Claim, expires_at: float, pepper: str) -> bytes:
    """The answer of a claim as it lies in a store, where nobody can change it unseen, nor read it by other rules."""
    content_type, body = claim.answer or (b"", b"")
    return sealed(Entry(body, content_type, streamed=False), claim.id + claim.rules, expires_at, pepper)


def unseal(claim: Claim, stored: bytes, pepper: str) -> tuple[bytes, bytes] | None:
    """Content type and body; None where this is not what was sealed for this key."""
    found = unsealed(stored, claim.id + claim.rules, pepper, streamed=False)
    return None if found is None else (found[0].usage, found[0].body)


def _digest(text: bytes, pepper: str) -> bytes:
    return hashlib.blake2b(text, digest_size=16, key=_secret(pepper)).hexdigest().encode()


@lru_cache(maxsize=4)
def _secret(pepper: str) -> bytes:
    return hashlib.blake2b(pepper.encode(), digest_size=32, person=b"forebay-once").digest()
