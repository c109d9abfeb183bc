"""A rollout as the snapshot carries it."""

from __future__ import annotations

import msgspec


class RolloutPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a model's engines are the canary and its baseline, and which calls they get.

    `share_ratio` of all calls go to the canary and as many to the baseline, so that the two are asked the same things
    at the same time; a `by_header` call (`x-forebay-release: canary`) and those of `tenants` go to the canary on top.
    `shadow_ratio` of the other calls are sent to it as well, and what it says is dropped. `id` seeds the lot.
    """

    id: str
    canary: tuple[str, ...]
    baseline: tuple[str, ...] = ()
    share_ratio: float = 0.0
    by_header: bool = False
    tenants: tuple[str, ...] = ()
    shadow_ratio: float = 0.0
