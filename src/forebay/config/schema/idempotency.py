"""What clients may repeat without its being done twice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Bytes, Seconds, Section


class Idempotency(Section):
    """Of the calls that carry the same `Idempotency-Key`, at most one is answered by a generation, for each tenant.

    Claims lie in the Valkey of the section `valkey`; without one in a file that the workers of one machine share.
    """

    enabled: bool = True
    """Whether the header means anything; calls without it never pay for it."""
    keep: Annotated[Seconds, Field(ge=1)] = 3600.0
    """How long a key is remembered after its call ended."""
    answer: Annotated[Bytes, Field(le=512 * 1024)] = 64 * 1024
    """Largest whole answer that is kept, to be given again; after a larger one, or a stream, a repeated key is 409."""
    memory: Bytes = 32 * 1024 * 1024
    """Most that all kept answers take; the oldest leave first."""
    keys: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Keys of one tenant that are remembered at once; further ones are refused."""
