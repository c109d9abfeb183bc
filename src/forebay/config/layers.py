"""The layers of a configuration: defaults < hardware < scenario < environment < file.

Overlays of the operator's own stand in the file itself, under `environments`. A second file beside it was rejected:
its name, mistyped, would be ignored in silence, where a mistyped key is refused; and one file is one thing to review.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import get_args

import msgspec

from forebay.config import document
from forebay.config.arg_names import defaults_with_dashes
from forebay.config.provenance import Layer, Node, Place, find, merge, plain, step, without
from forebay.config.schema.root import Environment, Hardware, Scenario
from forebay.core.errors import ConfigError
from forebay.messages import _

PROFILES = FilePath(__file__).parent.parent / "profiles"
FOLDERS: dict[str, Layer] = {"hardware": "hardware", "scenarios": "scenario", "environments": "environment"}
DEFAULT_ENVIRONMENT = "development"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a kind of hardware can do at most, by flag of vLLM."""

    why: str
    at_most: float | None = None
    never: tuple[str, ...] = ()
    instead: str | None = None


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What rules need to know about a kind of accelerator."""

    gpu: str
    memory_bytes: int = 0
    compute_capability: float = 0.0
    fp8: bool = False
    fp4: bool = False
    bfloat16: bool = True
    newest_release: str | None = None


class Profile(msgspec.Struct, frozen=True):
    """One profile: its values as a layer, its limits and facts where it describes hardware."""

    name: str
    about: str
    values: Node
    limits: dict[str, Limit]
    facts: Facts | None


def profile(folder: str, name: str) -> Profile:
    """Read a profile that forebay ships; ConfigError names what is wrong with it."""
    file = f"profiles/{folder}/{name}.yaml"
    text = (PROFILES / folder / f"{name}.yaml").read_text(encoding="utf-8")
    root, findings = document.read(text, file, FOLDERS[folder])
    if root is None or findings:
        raise ConfigError(_("the profile {file} cannot be read").format(file=file), findings=tuple(findings))
    values = step(root, "values") or Node(value={}, place=Place(layer=FOLDERS[folder], file=file))
    whole = plain(root)
    if not isinstance(whole, dict):
        raise ConfigError(_("the profile {file} cannot be read").format(file=file))
    limits = msgspec.convert(whole.get("limits", {}), dict[str, Limit])
    facts = msgspec.convert(whole["facts"], Facts) if "facts" in whole else None
    return Profile(name, str(whole.get("about", "")), values, limits, facts)


def profile_names(folder: str) -> tuple[str, ...]:
    """Names of the profiles in one folder, in the order of the schema."""
    return {"hardware": get_args(Hardware), "scenarios": get_args(Scenario), "environments": get_args(Environment)}[
        folder
    ]


def chosen_environment(file: Node, named: str | None) -> str:
    """The environment: the one named, else the file's, else development."""
    written = step(file, "environment")
    if named is not None:
        return named
    return written.value if written is not None and isinstance(written.value, str) else DEFAULT_ENVIRONMENT


def operators_values(file: Node, environment: str) -> Node:
    """The operator's file with its own overlay for `environment` laid over it."""
    overlay = find(file, ("environments", environment))
    base = defaults_with_dashes(without(file, "environments"))
    if overlay is not None and isinstance(overlay.value, dict):
        base = merge(base, defaults_with_dashes(overlay))
    return base


def chosen_profiles(values: Node, environment: str) -> list[Profile]:
    """The profiles that the values ask for, lowest first; names that do not exist are left to the schema to refuse."""
    wanted = [("hardware", _named(values, "hardware")), ("scenarios", _named(values, "scenario"))]
    wanted.append(("environments", environment))
    return [profile(folder, name) for folder, name in wanted if name in profile_names(folder)]


def layered(values: Node, profiles: list[Profile], environment: str) -> Node:
    """All layers in one tree, every value with what it overrides."""
    tree = Node(value={}, place=Place(layer="default"))
    for part in profiles:
        tree = merge(tree, part.values)
    tree = merge(tree, values)
    written = step(tree, "environment")
    if written is None or written.value != environment:
        chosen = Node(value=environment, place=Place(layer="file", file="--env"))
        tree = merge(tree, Node(value={"environment": chosen}, place=values.place))
    return tree


def _named(values: Node, key: str) -> str | None:
    node = step(values, key)
    return node.value if node is not None and isinstance(node.value, str) else None
