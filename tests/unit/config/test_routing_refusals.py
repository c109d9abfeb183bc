"""Every mistake in the routing keys, with the exact finding."""

from __future__ import annotations

import pytest

from forebay.config.load import load
from forebay.config.schema.routing import PickerName, ScorerName
from forebay.core.errors import ConfigError
from forebay.gateway.routing import load as load_policies
from forebay.gateway.routing import pickers, scorers

from .conftest import Write

MODEL = "version: 1\nmodels:\n  m:\n    engines: [{kind: external, url: 'http://h:1'%s}]\n    routing: {%s}\n"
CASES = {
    "unknown policy": ("", "scorers: {prefx: 1}", "config_choice", "Did you mean prefix?"),
    "unknown picker": ("", "pick: power_of_to", "config_choice", "Did you mean power_of_two?"),
    "weight no number": ("", "scorers: {prefix: high}", "config_type", None),
    "weight not a number": ("", "scorers: {prefix: .nan}", "config_type", None),
    "negative weight": ("", "scorers: {prefix: -1}", "config_range", "Write 0 or more"),
    "imbalance below one": ("", "imbalance: 0.5", "config_range", "Write 1 or more"),
    "engine weight no number": (", weight: much", "pick: weighted", "config_type", None),
    "warm-up without unit": (", warm_up: 30", "pick: best", "config_value", None),
    "scores nobody looks at": ("", "pick: turn, scorers: {prefix: 1}", "routing_scorers", None),
    "adapter called like its model": (", adapters: [m]", "pick: best", "adapter_clash", None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_refused(write: Write, case: str) -> None:
    engine, routing, rule, fix = CASES[case]
    with pytest.raises(ConfigError) as caught:
        load(write(MODEL % (engine, routing)), None)
    (finding,) = caught.value.findings
    assert finding.rule == rule, finding
    assert finding.fix == (fix or finding.fix)
    assert finding.where.startswith("forebay.yaml:")


def test_the_schema_names_the_policies_there_are() -> None:
    load_policies()
    assert set(ScorerName.__args__) == set(scorers)
    assert set(PickerName.__args__) == set(pickers)
