"""Where the state lies that several machines of a service share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Port, Seconds, SecretRef, Section


class Postgres(Section):
    """A PostgreSQL (14 or newer) that holds the keys of all machines of a service. Reached directly, or through a
    pooler in session mode."""

    host: Annotated[str, Field(min_length=1)]
    """Its host. Several between commas: the one that takes writes is used."""
    port: Port = 5432
    """Its port."""
    database: Annotated[str, Field(min_length=1)] = "forebay"
    """Name of the database."""
    user: Annotated[str, Field(min_length=1)] = "forebay"
    """Who we are there."""
    password: SecretRef | None = None
    """Password of the user."""
    tls: bool = True
    """Whether it is asked over TLS, its certificate checked for its host's name. Without it the password is never sent
    in the clear."""
    ca: str | None = None
    """PEM file of the authority behind its certificate. Default: those that this machine trusts."""
    tables: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "forebay"
    """Name of the schema with our tables: services that share a database, but no keys, need schemas of their own."""
    pepper: SecretRef
    """The secret that keys are digested with, the same on every machine: 64 hex digits, such as those in the `pepper`
    of the first machine's state directory."""
    reply: Annotated[Seconds, Field(ge=1, le=60)] = 5.0
    """Silence beyond it counts as loss."""
    poll: Annotated[Seconds, Field(ge=0.2, le=60)] = 2.0
    """How often machines look for changes that they were not told of. Told they are at once."""
    grace: Annotated[Seconds, Field(ge=10, le=604_800)] = 3600.0
    """How long gateways go on with the keys known last while PostgreSQL is lost. After that calls with a key or a token
    are refused: nobody can tell then whether it was revoked."""


class Store(Section):
    """Where keys, and tokens that were revoked, are kept. Default: in the state directory, for one machine."""

    postgres: Postgres | None = None
    """Where several machines share them."""

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Where the secrets lie that it needs."""
        found = () if self.postgres is None else (self.postgres.password, self.postgres.pepper)
        return tuple(ref for ref in found if ref is not None)
