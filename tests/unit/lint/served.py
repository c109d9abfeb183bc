"""Engines for the tables of rules: a command line, on hardware, of a model."""

from __future__ import annotations

from pathlib import Path

from forebay.config.weights import Weights, weights, weights_of_config
from forebay.core.errors import Finding
from forebay.lint.foreign.asked import Asked, read_hardware
from forebay.lint.foreign.check import engines, findings
from forebay.lint.foreign.compose import launches_of_compose
from forebay.lint.foreign.script import launches_of_command, launches_of_script
from forebay.lint.run import ordered

GOLDEN = Path(__file__).parent / "golden"
QUIET = "--host 127.0.0.1 --shutdown-timeout 9"


def judged(
    command: str, hardware: str = "", model: str = "", release: str | None = "0.33.0", kind: str = "command"
) -> tuple[Finding, ...]:
    """Every finding about a command, or about the text of a script or compose file."""
    read = {"script": launches_of_script, "compose": launches_of_compose}
    if kind == "command":
        launches, notes = launches_of_command(command)
    else:
        launches, notes = read[kind](command, "file")
    return ordered([*notes, *findings(engines(launches, asked(hardware, model, release)))])


def asked(hardware: str = "", model: str = "", release: str | None = "0.33.0") -> Asked:
    name, facts, gpus = read_hardware(hardware) if hardware else (None, None, 0)

    def facts_of(named: str) -> Weights | None:
        if model:
            return weights_of_config(GOLDEN / f"{model}.json", named)
        return weights(named, Path("/nowhere")) if named else None

    return Asked(weights=facts_of, release=release, hardware=name, facts=facts, gpus=gpus)


def rules_of(found: tuple[Finding, ...], *severities: str) -> set[str]:
    return {finding.rule for finding in found if not severities or finding.severity in severities}
