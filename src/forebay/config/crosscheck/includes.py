"""The operator's own text within files that forebay writes: what would not stay within its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

ALERTMANAGER = ("routes", "receivers", "inhibit_rules", "time_intervals")
_OURS = ("forebay", "engines")
# What is no brace of a block: strings, and comments to the end of their line.
_NOT_BLOCKS = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|\\.|\$\{\w*\}|(?:^|(?<=[\s;{}]))#[^\n]*', re.DOTALL)
_INCLUDES = re.compile(r"(?:^|[;{}])\s*include\s", re.MULTILINE)
_SECTIONS = re.compile(
    r"^\s*(?:global|defaults|frontend|backend|listen|peers|resolvers|mailers|userlist|cache|program|ring|http-errors"
    r"|crt-store|log-forward|fcgi-app)(?:\s|$)",
    re.MULTILINE,
)


def includes(config: Config, tree: Node) -> Iterator[Finding]:
    """Text that is no YAML or JSON, has the wrong keys, ends its own place, or names files of no release."""
    for key in type(config.edge.include).model_fields:
        path: Path = ("edge", "include", key)
        for why in _edge(key, getattr(config.edge.include, key)):
            yield _finding(tree, path, why)
    ours = config.observe.monitoring
    for name, text in ours.rules.items():
        yield from _listed(tree, ("observe", "monitoring", "rules", name), text, ("groups",))
    names = list(_OURS)
    for name, text in ours.scrapes.items():
        path = ("observe", "monitoring", "scrapes", name)
        yield from _listed(tree, path, text, ("scrape_configs",))
        yield from _twice(tree, path, text, names)
    if ours.alertmanager:
        yield from _listed(tree, ("observe", "monitoring", "alertmanager"), ours.alertmanager, ALERTMANAGER)
    for name, text in ours.dashboards.items():
        yield from _dashboard(tree, ("observe", "monitoring", "dashboards", name), name, text)


def read(text: str) -> Any:
    """YAML as Prometheus and Alertmanager read it; ValueError where it is none."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ValueError(str(error).strip().splitlines()[0]) from error


def _edge(key: str, text: str) -> Iterator[str]:
    if any(not (letter.isprintable() or letter in "\n\t") for letter in text):
        yield _("it holds control characters")
    if key.startswith("nginx"):
        bare = _NOT_BLOCKS.sub("", text)
        depths = [
            bare[: at + 1].count("{") - bare[: at + 1].count("}") for at, letter in enumerate(bare) if letter == "}"
        ]
        if any(depth < 0 for depth in depths) or bare.count("{") != bare.count("}"):
            yield _("its braces do not match: it would not stay in its place")
        if _INCLUDES.search(bare):
            yield _("it includes a file, which no release would hold: write its text here")
    elif key != "haproxy_sections" and (found := _SECTIONS.search(text)):
        yield _("`{word}` begins a section of its own: write it into {place}").format(
            word=found[0].split()[0], place="edge.include.haproxy_sections"
        )


def _listed(tree: Node, path: Path, text: str, keys: tuple[str, ...]) -> Iterator[Finding]:
    """A mapping of these keys, each to a list of mappings."""
    try:
        found = read(text)
    except ValueError as error:
        yield _finding(tree, path, _("this is not YAML: {detail}").format(detail=error))
        return
    lists = found.values() if isinstance(found, Mapping) else ()
    if not isinstance(found, Mapping) or not set(found) <= set(keys) or not all(map(_is_mappings, lists)):
        why = _("it must be a mapping of {keys}, each to a list of mappings").format(keys=", ".join(keys))
        yield _finding(tree, path, why)


def _is_mappings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _twice(tree: Node, path: Path, text: str, names: list[str]) -> Iterator[Finding]:
    """Jobs of one name; `names` are those that there are so far."""
    try:
        found = read(text)
    except ValueError:
        return
    jobs = found.get("scrape_configs", ()) if isinstance(found, Mapping) else ()
    for job in jobs if _is_mappings(jobs) else ():
        name = str(job.get("job_name", ""))
        if not name or name in names:
            yield _finding(tree, path, _("there is a job {name} already").format(name=name or "''"))
        names.append(name)


def _dashboard(tree: Node, path: Path, name: str, text: str) -> Iterator[Finding]:
    try:
        found = json.loads(text)
    except ValueError as error:
        yield _finding(tree, path, _("this is not JSON: {detail}").format(detail=error))
        return
    if not isinstance(found, dict) or name == "forebay":
        yield _finding(tree, path, _("it must be a dashboard, and not be called forebay"))


def _finding(tree: Node, path: Path, why: str) -> Finding:
    return Finding(rule="include", severity="error", where=locate(tree, path), why=why)
