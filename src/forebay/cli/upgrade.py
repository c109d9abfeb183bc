"""`check --upgrade-to`: what another release of vLLM would change for every engine."""

from __future__ import annotations

from collections.abc import Iterable

from forebay.cli.flags import Flags
from forebay.cli.foreign import Source, foreign_engines
from forebay.cli.wiring import configuration
from forebay.config.arg_names import table
from forebay.core.errors import Finding
from forebay.lint.engines import vllm_engines
from forebay.lint.foreign.argv import read_argv
from forebay.lint.foreign.asked import read_release
from forebay.lint.foreign.check import Engine
from forebay.lint.run import lint_engines, ordered
from forebay.lint.served import Served
from forebay.lint.upgrade import at_release, changed_defaults, new_findings, refused_by, refused_values


def upgrade_findings(flags: Flags, source: Source, target: str) -> tuple[Finding, ...]:
    """Only what changes: flags that go, values that are refused, hardware that is left behind, defaults."""
    release = read_release(target)
    if not source.given:
        return ordered(_changes(vllm_engines(configuration(flags)), release))
    engines, _notes = foreign_engines(source, flags.environment)
    words = [finding for engine in engines for finding in _words(engine, release)]
    return ordered([*words, *_changes((engine.served for engine in engines), release)])


def _changes(engines: Iterable[Served], target: str) -> list[Finding]:
    found: list[Finding] = []
    for served in engines:
        found += [*refused_by(served, target), *refused_values(served, target), *changed_defaults(served, target)]
        found += new_findings(lint_engines([served]), lint_engines([at_release(served, target)]))
    return found


def _words(engine: Engine, target: str) -> list[Finding]:
    """Abbreviations that mean something else or nothing there; other words are compared by their meaning."""
    flags = table(target)
    if flags is None:
        return []
    after = read_argv(engine.launch.words, flags, engine.launch.place, serve=engine.launch.serve)
    known = {(finding.rule, finding.where) for finding in engine.read.findings}
    ambiguous = [finding for finding in after.findings if finding.rule == "flag_ambiguous"]
    return [finding for finding in ambiguous if (finding.rule, finding.where) not in known]
