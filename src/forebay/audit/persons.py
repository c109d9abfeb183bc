"""How a person is named to what is kept of them. Pure."""

from __future__ import annotations

import hashlib

_MOST_CHARACTERS, _DIGEST_CHARACTERS = 512, 64


def person(tenant: str, subject: str) -> str:
    """A subject as keys are kept for it: two tenants may mean different people by one name."""
    return f"{tenant}/{named(subject)}"


def named(subject: str) -> str:
    """A subject as a record names it, in valid Unicode: of a long one the beginning and a digest, so that it is nobody
    else's. What is so named is named the same again."""
    valid = subject.encode(errors="replace").decode()
    if len(valid) <= _MOST_CHARACTERS:
        return valid
    digest = hashlib.sha256(valid.encode()).hexdigest()
    return valid[: _MOST_CHARACTERS - _DIGEST_CHARACTERS] + digest


def holder(key_id: str) -> str:
    """The person that an API key stands for where a call names nobody else."""
    return f"key:{key_id}"
