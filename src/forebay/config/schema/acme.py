"""Certificates from an authority that speaks ACME (RFC 8555): Let's Encrypt, step-ca, a company's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Seconds, SecretRef, Section


class ExternalAccount(Section):
    """Who we are to an authority that knows its customers by other means."""

    id: Annotated[str, Field(min_length=1)]
    """The name of the key that the authority gave."""
    key: SecretRef
    """Where that key lies, in base64url as it was given."""


class Acme(Section):
    """Certificates are obtained and renewed by themselves, for `edge.server_names`. The authority asks over HTTP for
    the proof that a name is ours: `edge.http_port` must be port 80 to it. Needs the extra `acme`."""

    directory: Annotated[str, Field(pattern=r"^https://[^\s]+$")]
    """URL of the authority's directory, such as `https://ca.internal/acme/acme/directory`."""
    ca: str | None = None
    """PEM file of the authority behind that URL. Default: those that this machine trusts."""
    contact: list[Annotated[str, Field(pattern=r"^[^@\s,]+@[^@\s,]+$")]] = []
    """Mail addresses that the authority may write to."""
    terms_agreed: bool = False
    """Whether you agree to the authority's terms of service, where it has some."""
    account_key: SecretRef | None = None
    """Private key of the account (P-256, PEM), for machines that are to share one. Default: one is made and kept in the
    state directory."""
    external_account: ExternalAccount | None = None
    renew_before: Annotated[Seconds, Field(ge=3600)] | None = None
    """How long before its end a certificate is renewed. Default: a third of its life; half where it lives ten days at
    most."""
