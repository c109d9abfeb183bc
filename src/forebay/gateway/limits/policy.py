"""What a worker holds about limits: bounds by caller, prices by model, and where the shared counts lie."""

from __future__ import annotations

from typing import Literal

import msgspec

NANO_USD = 1_000_000_000
"""Money is counted in whole 10⁻⁹ USD, so that no sum of prices ever rounds."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What one caller may use; None is no bound."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    nano_usd_per_day: int | None = None
    nano_usd_per_month: int | None = None


class Price(msgspec.Struct, frozen=True):
    """Nano-USD a token."""

    input: int = 0
    output: int = 0


class ValkeyRef(msgspec.Struct, frozen=True, kw_only=True):
    """The Valkey that workers share. `reply_s`: silence beyond it is taken for a loss."""

    host: str
    port: int
    password: str | None = None
    tls: bool = False
    reply_s: float = 0.1
    lease_s: float = 3.0
    on_loss: Literal["local_share", "closed"] = "local_share"


class LimitsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`shares` is how many workers divide a limit among them where no Valkey tells who has what."""

    key_default: Bounds = Bounds()
    tenant_default: Bounds = Bounds()
    keys: dict[str, Bounds] = {}
    tenants: dict[str, Bounds] = {}
    models: dict[str, Bounds] = {}
    prices: dict[str, Price] = {}
    prompt_bytes_per_token: float = 3.0
    default_output_tokens: int = 1024
    shares: int = 1
    valkey: ValkeyRef | None = None
