"""Quality probes: fixed prompts whose answers must hold something, read from a file and judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from forebay.core.errors import ConfigError
from forebay.messages import _
from forebay.release.judge.measures import Finding
from forebay.release.rollout.state import Probe

_MOST = 200
_KEYS = frozenset(Probe.__struct_fields__)
NAME = "quality probes"


class Asked(msgspec.Struct, frozen=True):
    """A probe and what both sides said to it; None where a side did not answer."""

    probe: Probe
    canary: str | None
    baseline: str | None


def read(path: Path) -> tuple[Probe, ...]:
    """The probes of a file, a list of mappings; ConfigError where it is no such file."""
    try:
        found: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConfigError(_("the quality probes cannot be read: {why}").format(why=error), where=str(path)) from error
    if not isinstance(found, list) or not 0 < len(found) <= _MOST:
        raise ConfigError(_("quality probes are a list of 1 to {most}").format(most=_MOST), where=str(path))
    return tuple(_probe(each, f"{path}: [{index}]") for index, each in enumerate(found))


def judged(asked: Sequence[Asked], most_rise: float) -> Finding:
    """Whether the canary fails more of the probes that the baseline passes than it may."""
    silent = [each for each in asked if each.canary is None or each.baseline is None]
    if silent:
        return Finding(NAME, "insufficient data", f"{len(silent)} of {len(asked)} were not answered by both sides")
    worse = [each for each in asked if not _passes(each, each.canary) and _passes(each, each.baseline)]
    said = f"{len(worse)} of {len(asked)} that the baseline passes fail at the canary"
    change = len(worse) / len(asked)
    if change > most_rise:
        return Finding(NAME, "fail", f"{said}: {_named(worse)}", change)
    return Finding(NAME, "pass", said, change)


def _passes(each: Asked, answer: str | None) -> bool:
    probe, text = each.probe, answer or ""
    if probe.agrees and " ".join(text.split()) != " ".join((each.baseline or "").split()):
        return False
    if probe.holds and probe.holds.casefold() not in text.casefold():
        return False
    return not probe.matches or re.search(probe.matches, text) is not None


def _named(worse: Sequence[Asked]) -> str:
    """By their prompts, which are the operator's own; never what was answered."""
    names = [each.probe.prompt if len(each.probe.prompt) <= 40 else f"{each.probe.prompt[:37]}..." for each in worse]
    return "; ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _probe(given: object, where: str) -> Probe:
    fix = _("Write a `prompt` with `holds`, `matches` or `agrees`")
    if isinstance(given, dict) and (unknown := sorted(set(map(str, given)) - _KEYS)):
        raise ConfigError(_("a quality probe has no {keys}").format(keys=", ".join(unknown)), where=where, fix=fix)
    try:
        probe = msgspec.convert(given, Probe)
        re.compile(probe.matches)
    except (msgspec.ValidationError, re.error) as error:
        raise ConfigError(_("this is no quality probe: {why}").format(why=error), where=where, fix=fix) from error
    if not (probe.prompt and (probe.holds or probe.matches or probe.agrees) and 1 <= probe.max_tokens <= 4096):
        raise ConfigError(_("this quality probe expects nothing"), where=where, fix=fix)
    return probe
