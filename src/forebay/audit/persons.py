"""How a person is named to what is kept of them. Pure."""

from __future__ import annotations


def person(tenant: str, subject: str) -> str:
    """A subject as keys are kept for it: two tenants may mean different people by one name."""
    return f"{tenant}/{subject}"


def holder(key_id: str) -> str:
    """The person that an API key stands for where a call names nobody else."""
    return f"key:{key_id}"
