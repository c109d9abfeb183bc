"""What people's data is processed for, and what is stored of it: declared, compared with what runs, and told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Name, Seconds, Section

Basis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"
]  # fmt: skip
StoreName = Literal[
    "access_log",
    "answers",
    "audit_log",
    "consents",
    "habits",
    "idempotency",
    "keys",
    "questions",
    "spending",
]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$")]
Retention = Annotated[Seconds, Field(ge=60)]


class Purpose(Section):
    """What something is done for, and what makes that lawful."""

    why: Line
    """In words, for the record and for the people."""
    basis: Basis
    """What makes it lawful (GDPR Art. 6, PIPL Art. 13). `consent`: calls for it need the consent of the person that
    they are for, see `forebay privacy consent`; needs `audit.enabled`."""
    people: list[Line] = []
    """Whose data it is, such as `customers`."""
    recipients: list[Line] = []
    """Who gets it, beside the engines of this file."""


class StoreDeclared(Section):
    """One place where forebay keeps something of people."""

    purpose: Name
    """What it is kept for, one of `processing.purposes`."""
    fields: Annotated[list[Line], Field(min_length=1)]
    """What is kept of people: all that forebay keeps there, as `forebay compliance stores` lists it."""
    retention: Retention
    """Longest that it is kept. Where forebay has no other setting for it, this is what removes it."""
    region: Name | None = None
    """Where it lies. A tenant that is bound to a region may be kept nowhere else."""


class Processing(Section):
    """What people's data is processed for. `forebay compliance record` makes the record of processing activities of it
    (GDPR Art. 30, PIPL Art. 55); in production, `check` refuses a store of people's data that is not declared."""

    responsible: str = ""
    """Who decides on the processing, and how they are reached."""
    officer: str = ""
    """Who is in charge of data protection, and how they are reached."""
    purposes: dict[Name, Purpose] = {}
    """Purposes by a name of yours."""
    calls: Name | None = None
    """Purpose of calls that name none in `x-forebay-purpose` and whose tenant has none."""
    stores: dict[StoreName, StoreDeclared] = {}
    """What is kept of people, by the store's name."""
