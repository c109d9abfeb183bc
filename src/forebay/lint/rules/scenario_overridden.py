"""Values of a scenario that the environment overrides."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.config.provenance import Origin
from forebay.core.errors import Finding
from forebay.lint.engines import written_engines, written_names
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("scenario_overridden")
def scenario_overridden(loaded: Loaded) -> Iterator[Finding]:
    """The environment stands above the scenario, which may surprise: production's 96 sequences beat chat's 32."""
    told: set[str] = set()
    for path, engine in written_engines(loaded):
        for flag, key in written_names(engine).items():
            where = (*path, "args", key)
            story = _story(loaded.origin(where))
            top, below = story[0], next((part for part in story if part.layer == "scenario"), None)
            if flag in told or below is None or top.layer != "environment" or top.value == below.value:
                continue
            told.add(flag)
            why = _("{environment} sets {value}; the scenario {scenario} would set {other}").format(
                environment=loaded.config.environment,
                value=top.value,
                scenario=loaded.config.scenario,
                other=below.value,
            )
            fix = _("To keep the scenario's, write {flag}: {other} under engine_defaults.vllm.args")
            fix = fix.format(flag=flag, other=below.value)
            place = loaded.where(where)
            yield Finding(rule="scenario_overridden", severity="note", where=place, why=why, fix=fix)


def _story(origin: Origin) -> list[Origin]:
    return [part for part in (origin, *origin.overrides) if part.layer != "limit"]
