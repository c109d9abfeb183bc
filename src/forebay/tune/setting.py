"""A setting of an engine as the ladder sees it, and one change of it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried: the engine's flags and environment as forebay.yaml writes them, its copies, its gateway's keys.

    `args` of an embedded engine are its keys. Copies share the engine's GPU and stand behind a gateway. `gateway` holds
    what forebay.yaml is to have otherwise, by path: `gateway.…`, `model.…` of the model, `engine.…` of the engine.
    """

    args: dict[str, Any] = {}
    env: dict[str, str] = {}
    copies: int = 1
    gateway: dict[str, Any] = {}

    @property
    def digest(self) -> str:
        """Names the setting: two that say the same have the same."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:12]

    def difference(self, before: Setting) -> dict[str, Any]:
        """What this one has otherwise: flag to value, None where it has none; `env.NAME`, `copies`, paths likewise."""
        here, there = _flat(self), _flat(before)
        keys = sorted(here.keys() | there.keys())
        return {key: here.get(key) for key in keys if here.get(key) != there.get(key)}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing done otherwise. None removes a flag or a variable.

    `gain` is what it is usually worth, as a ratio: it orders trials and decides nothing. `precision`: whether answers
    may differ by more than the order of sums.
    """

    stage: str
    name: str
    why: str
    args: dict[str, Any] = {}
    env: dict[str, str | None] = {}
    copies: int | None = None
    gateway: dict[str, Any] = {}
    gain: float = 1.02
    precision: bool = False

    def applied(self, to: Setting) -> Setting:
        """The setting with the change made."""
        return Setting(
            args=_laid(to.args, self.args),
            env=_laid(to.env, self.env),
            copies=to.copies if self.copies is None else self.copies,
            gateway=_laid(to.gateway, self.gateway),
        )

    def alters(self, setting: Setting) -> bool:
        """Whether it makes a difference there."""
        return self.applied(setting) != setting


def _laid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**below, **above}.items() if value is not None}


def _flat(setting: Setting) -> dict[str, Any]:
    return {
        **setting.args,
        **{f"env.{name}": value for name, value in setting.env.items()},
        **({"copies": setting.copies} if setting.copies != 1 else {}),
        **setting.gateway,
    }
