"""Every rule over loaded values, and the rules of single engines over engines that forebay did not write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.core.registry import Registry
from forebay.lint.engines import limited, vllm_engines
from forebay.lint.served import Served

Rule = Callable[[Loaded], Iterable[Finding]]
EngineRule = Callable[[Served], Iterable[Finding]]
SEVERITIES = ("error", "warning", "note")

rules: Registry[Rule] = Registry("lint rule")
"""Rules about a whole forebay.yaml."""
engine_rules: Registry[EngineRule] = Registry("lint rule of engines")
"""Rules about one vLLM engine, of forebay.yaml or of a command line that something else starts."""


def load_rules() -> None:
    """Fill both registries."""
    rules.load("forebay.lint.rules")


def lint(loaded: Loaded) -> tuple[Finding, ...]:
    """The notes of loading and the findings of all rules, errors first."""
    load_rules()
    found = [limited(loaded, note) for note in loaded.notes]
    found += [finding for _name, rule in rules.items() for finding in rule(loaded)]
    return ordered([*found, *lint_engines(vllm_engines(loaded))])


def lint_engines(engines: Iterable[Served]) -> list[Finding]:
    """The findings of the rules of engines, in the order of the engines."""
    load_rules()
    return [finding for served in engines for _name, rule in engine_rules.items() for finding in rule(served)]


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each finding once, errors first."""
    return tuple(sorted(_once(findings), key=lambda finding: SEVERITIES.index(finding.severity)))


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """A profile's value that reaches several engines is told once."""
    kept: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        place = finding.where.partition(": ")[0] if finding.where.startswith("profiles/") else finding.where
        kept.setdefault((finding.rule, place, finding.why), finding)
    return list(kept.values())
