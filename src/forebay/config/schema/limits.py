"""What callers may use: requests, tokens, concurrency, money; and the Valkey that workers count it in together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Port, Seconds, SecretRef, Section

Whole = Annotated[int, Field(ge=1, le=10**12)]
Usd = Annotated[float, Field(gt=0, le=1_000_000, strict=False)]


class Bounds(Section):
    """What one caller may use. What is not named is not bounded."""

    requests_per_minute: Whole | None = None
    """Calls in any 60 s."""
    tokens_per_minute: Whole | None = None
    """Tokens, of prompts and answers, that calls begun in any 60 s may use."""
    concurrency: Whole | None = None
    """Calls at once."""
    usd_per_day: Usd | None = None
    """Money of one day in UTC, by `models.*.price`."""
    usd_per_month: Usd | None = None
    """Money of one calendar month in UTC, by `models.*.price`."""


class Price(Section):
    """What a model's tokens cost."""

    input_usd: Annotated[float, Field(ge=0, le=100_000, strict=False)] = 0.0
    """US dollars for a million tokens of prompts."""
    output_usd: Annotated[float, Field(ge=0, le=100_000, strict=False)] = 0.0
    """US dollars for a million tokens of answers."""


class CallerLimits(Section):
    """Limits of whoever has none of its own, and how tokens are estimated before an engine has counted them."""

    key: Bounds = Bounds()
    """Each key that is not under `tenants.*.keys`."""
    tenant: Bounds = Bounds()
    """Each tenant without `limits` of its own."""
    default_output_tokens: Annotated[int, Field(ge=1, le=10_000_000)] = 1024
    """Reserved for the answer of a call that states no `max_tokens`."""
    prompt_bytes_per_token: Annotated[float, Field(ge=0.5, le=16, strict=False)] = 3.0
    """Reserved for a prompt: its bytes divided by this. What the engine counts replaces it when the call ends."""


class Valkey(Section):
    """Where all workers of all gateways count together. Without it each worker has an even share of every limit."""

    kind: Literal["none", "bundled", "external"] = "none"
    """`bundled`: forebay runs the one that it comes with. `external`: one that is there."""
    host: str = "127.0.0.1"
    """Host of an external one."""
    port: Port = 6390
    """Its port; the bundled one listens there on loopback."""
    password: SecretRef | None = None
    """Password of an external one; the bundled one makes its own."""
    tls: bool = False
    """Whether an external one wants TLS."""
    gateways: Annotated[int, Field(ge=1, le=1000)] = 1
    """Gateways that share it: a lost Valkey leaves each an even share."""
    on_loss: Literal["local_share", "closed"] = "local_share"
    """While it is lost: go on with what each worker holds, then an even share (of money: what it holds alone), or
    refuse every call that has a limit."""
    reply: Seconds = 0.1
    """Silence beyond it counts as loss."""
    lease: Seconds = 3.0
    """How long a worker that vanished keeps what it had taken in advance."""
