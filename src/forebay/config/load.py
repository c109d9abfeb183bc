"""forebay.yaml into a checked configuration: every finding at once, every value with its origin."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import msgspec
from pydantic import ValidationError

from forebay.config import document
from forebay.config.crosscheck import crosscheck
from forebay.config.layers import (
    Facts,
    Profile,
    chosen_environment,
    chosen_profiles,
    layered,
    operators_values,
    profile_names,
)
from forebay.config.nearest import nearest_name
from forebay.config.provenance import Node, Origin, Path, find, leaves, origin, plain, read_path, show_path, step
from forebay.config.resolve import resolve
from forebay.config.schema import Config
from forebay.config.schema.store import Store
from forebay.config.shape import default_of, field_at, keys_at
from forebay.config.templates import laid_over
from forebay.config.validate import locate, validate
from forebay.config.weights import Weights, weights
from forebay.core.errors import ConfigError, Finding, UsageError
from forebay.messages import _, ngettext


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can run. `notes` are findings that do not stop it.

    `weights` are facts about weights by the text that names them, as far as they are known.
    `written` is the tree of values as the layers hold them; `tree` has the engines' defaults merged into the engines.
    """

    config: Config
    path: FilePath
    tree: Node
    written: Node
    profiles: tuple[Profile, ...] = ()
    notes: tuple[Finding, ...] = ()
    weights: dict[str, Weights] = {}

    def origin(self, key: str | Path) -> Origin:
        """Where a value came from: `gateway.timeouts.head`. UsageError where there is no such key."""
        path = self.resolve(key) if isinstance(key, str) else key
        node = find(self.tree, path) or find(self.written, path)
        if node is not None:
            return origin(node)
        field = field_at(path, self.tree)
        if field is None or _value_at(self.config, path) is _NOTHING:
            raise UsageError(_("there is no key {key}").format(key=show_path(path)), fix=self.advice(path))
        return Origin(layer="default", file="", line=0, value=default_of(field))

    def where(self, path: Path) -> str:
        """`forebay.yaml:12: gateway.timeouts.head`, for findings."""
        return locate(self.tree, path)

    @property
    def facts(self) -> Facts | None:
        """What is known about the accelerators; None where `hardware` is not given."""
        return next((part.facts for part in self.profiles if part.facts is not None), None)

    def resolve(self, key: str) -> Path:
        """The path that a dotted key means; UsageError where it is none."""
        return _resolved(key, self.tree)

    def advice(self, path: Path) -> str:
        """What to say about a key that does not exist."""
        beside = nearest_name(str(path[-1]), keys_at(path[:-1], self.tree)) if path else None
        known = tuple(show_path(written) for written, _node in leaves(self.tree))
        guess = show_path((*path[:-1], beside)) if beside else nearest_name(show_path(path), known)
        return _("Did you mean {guess}?").format(guess=guess) if guess else _("`forebay config show` lists every key")


def load(path: FilePath, environment: str | None = None) -> Loaded:
    """Read, layer, check; ConfigError holds all findings. `environment`, UsageError where there is none of that name,
    wins over the file's own.
    """
    file = _parsed(path)
    if environment is not None and environment not in profile_names("environments"):
        refused = _no_environment(environment, "--env")
        raise UsageError(refused.why, where=refused.where, fix=refused.fix)
    chosen = chosen_environment(file, environment)
    values, templates = laid_over(operators_values(file, chosen), path.resolve().parent / "configs", chosen)
    profiles = chosen_profiles(values, chosen)
    written = layered(values, profiles, chosen)
    merged = _merged(written, profiles)
    findings = [*templates, *merged.findings, *_overlay_findings(file, chosen)]
    if merged.config is None or findings:
        raise _refused(path, (*findings, *merged.notes))
    return Loaded(
        config=merged.config,
        path=path,
        tree=merged.tree,
        written=written,
        profiles=tuple(profiles),
        notes=tuple(merged.notes),
        weights=_weights(merged.config, path.resolve().parent),
    )


def load_store(path: FilePath, environment: str | None = None) -> Store:
    """Where keys are kept, whatever is wrong with the rest of the file: a key must be revocable even then.

    Raises ConfigError, with all findings, where that part is wrong.
    """
    file = _parsed(path)
    chosen = chosen_environment(file, environment)
    values, _findings = laid_over(operators_values(file, chosen), path.resolve().parent / "configs", chosen)
    written = step(values, "store")
    try:
        return Store() if written is None else Store.model_validate(plain(written))
    except ValidationError:
        return load(path, environment).config.store


class _Merged(msgspec.Struct, frozen=True):
    config: Config | None
    tree: Node
    findings: list[Finding]
    notes: list[Finding]


def _merged(written: Node, profiles: list[Profile]) -> _Merged:
    """The layers as one configuration. What is written is checked first, so that a mistake is told where it stands."""
    config, findings = validate(written)
    tree, notes = resolve(written, profiles)
    if config is not None:
        config, findings = validate(tree)
    if config is not None:
        found = crosscheck(config, tree)
        findings = [each for each in found if each.severity == "error"]
        notes = [*notes, *(each for each in found if each.severity != "error")]
    return _Merged(config, tree, findings, notes)


def _weights(config: Config, base: FilePath) -> dict[str, Weights]:
    located = [engine.weights for model in config.models.values() for engine in model.engines if engine.kind == "vllm"]
    known = {location: weights(location, base) for location in dict.fromkeys(located)}
    return {location: facts for location, facts in known.items() if facts is not None}


def _parsed(path: FilePath) -> Node:
    try:
        with path.open("rb") as file:
            content = file.read(document.SIZE_LIMIT_BYTES + 1)
        text = content.decode()
    except FileNotFoundError:
        fix = _("Write one with `forebay init`, or name another with --config")
        raise ConfigError(_("there is no such file"), where=str(path), fix=fix) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else _("it is not UTF-8 text")
        raise ConfigError(_("the file cannot be read: {reason}").format(reason=reason), where=str(path)) from error
    root, findings = document.read(text, path.name, "file")
    if not findings and (root is None or not isinstance(root.value, dict)):
        why = _("the file holds no mapping of keys")
        fix = _("Start with `version: 1` and `models:`, or write one with `forebay init`")
        findings = [Finding(rule="config_empty", severity="error", where=path.name, why=why, fix=fix)]
    if root is None or findings:
        raise _refused(path, tuple(findings))
    return root


def _overlay_findings(file: Node, chosen: str) -> list[Finding]:
    """Overlays that are not in use now are checked too: a mistake must not wait for its first production release."""
    overlays = step(file, "environments")
    if overlays is None:
        return []
    if not isinstance(overlays.value, dict):
        why = _("{name} is not a mapping").format(name="environments")
        return [Finding(rule="config_type", severity="error", where=f"{overlays.place}: environments", why=why)]
    findings: list[Finding] = []
    for name, overlay in overlays.value.items():
        findings += _overlay_shape(name, overlay)
        if name in profile_names("environments") and name != chosen and isinstance(overlay.value, dict):
            findings += _other_overlay(file, name, overlay)
    return findings


def _overlay_shape(name: str, overlay: Node) -> list[Finding]:
    where = f"{overlay.place}: environments.{name}"
    if name not in profile_names("environments"):
        return [_no_environment(name, where)]
    if not isinstance(overlay.value, dict):
        why = _("{name} is not a mapping").format(name=f"environments.{name}")
        return [Finding(rule="config_type", severity="error", where=where, why=why)]
    refused = [key for key in ("environment", "environments", "version") if key in overlay.value]
    why = _("this key cannot stand in an overlay")
    fix = _("Write it at the top of the file")
    places = [f"{overlay.value[key].place}: environments.{name}.{key}" for key in refused]
    return [Finding(rule="config_overlay", severity="error", where=place, why=why, fix=fix) for place in places]


def _other_overlay(file: Node, name: str, overlay: Node) -> list[Finding]:
    values = operators_values(file, name)
    profiles = chosen_profiles(values, name)
    merged = _merged(layered(values, profiles, name), profiles)
    lines = {node.place.line for _path, node in leaves(overlay)} | _mapping_lines(overlay)
    return [finding for finding in merged.findings if _line(finding.where) in lines]


def _mapping_lines(node: Node) -> set[int]:
    if not isinstance(node.value, dict):
        return set()
    return {node.place.line}.union(*(_mapping_lines(child) for child in node.value.values()))


def _line(where: str) -> int:
    parts = where.split(":")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


def _refused(path: FilePath, findings: tuple[Finding, ...]) -> ConfigError:
    ordered = tuple(sorted(findings, key=lambda finding: (finding.severity != "error", _line(finding.where))))
    count = sum(finding.severity == "error" for finding in ordered)
    what = ngettext("{file} has {count} error", "{file} has {count} errors", count)
    return ConfigError(what.format(file=path, count=count), findings=ordered)


def _no_environment(name: str, where: str) -> Finding:
    known = profile_names("environments")
    guess = nearest_name(name, known)
    why = _("{value} is none of {choices}").format(value=name, choices=", ".join(known))
    fix = _("Did you mean {guess}?").format(guess=guess) if guess else ""
    return Finding(rule="config_choice", severity="error", where=where, why=why, fix=fix)


_NOTHING = object()


def _value_at(value: Any, path: Path) -> object:
    for part in path:
        if isinstance(value, list | dict):
            try:
                value = value[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                return _NOTHING
        elif hasattr(type(value), "model_fields") and part in type(value).model_fields:
            value = getattr(value, str(part))
        else:
            return _NOTHING
    return value


def _resolved(key: str, tree: Node) -> Path:
    """Read a dotted key; a model's own dots need no quotes where the tree says what is meant."""
    try:
        path = read_path(key)
    except ValueError:
        raise UsageError(_("{key} is not a key").format(key=key), fix=_("Write gateway.timeouts.head")) from None
    joined: list[str | int] = []
    node: Node | None = tree
    rest = list(path)
    while rest:
        taken = _longest(node, rest)
        part = rest[0] if taken == 1 else ".".join(map(str, rest[:taken]))
        joined.append(part)
        node = step(node, part) if node is not None else None
        rest = rest[taken:]
    return tuple(joined)


def _longest(node: Node | None, rest: list[str | int]) -> int:
    if node is None or not isinstance(node.value, dict):
        return 1
    for count in range(len(rest), 0, -1):
        if ".".join(map(str, rest[:count])) in node.value:
            return count
    return 1
