"""Every mistake in a rollout, with its place and its fix; what is written comes back as it was."""

from __future__ import annotations

import pytest

from forebay.config.load import load
from forebay.core.errors import ConfigError
from forebay.release.judge.tolerance import Tolerance
from forebay.release.rollout.bench import tolerance_of
from forebay.release.version import effective, read_config

from .conftest import Write

HEAD = "version: 1\nmodels:\n  m:\n    engines: [{kind: embedded}]\ntenants: {acme: {}}\n"
CASES = {
    "more than all": ("{steps: [{share: 105%}]}", "rollout.steps[0].share", "at most 100%"),
    "nothing": ("{steps: [{share: 0%}]}", "rollout.steps[0].share", "more than 0%"),
    "no unit": ("{steps: [{share: 5}]}", "rollout.steps[0].share", "such as 5%"),
    "no number": ("{steps: [{share: many%}]}", "rollout.steps[0].share", "such as 5%"),
    "equal shares": ("{steps: [{share: 5%}, {share: 5%}]}", "rollout.steps[1].share", "must rise"),
    "falling shares": ("{steps: [{share: 50%}, {share: 5%}]}", "rollout.steps[1].share", "must rise"),
    "unknown tenant": ("{tenants: [acme, nobody]}", "rollout.tenants[1]", "no tenant nobody"),
    "unknown strategy": ("{strategy: purple}", "rollout.strategy", "purple"),
    "unknown tolerance": ("{tolerance: {ttft: 1}}", "rollout.tolerance.ttft", ""),
    "a tolerance below equality": ("{tolerance: {error_odds: 0.5}}", "rollout.tolerance.error_odds", ""),
    "A and B in steps": ("{strategy: ab, steps: [{share: 5%}, {share: 50%}]}", "rollout.steps", "one step"),
    "blue and green in steps": ("{strategy: blue-green, steps: [{share: 5%}]}", "rollout.steps", "no steps"),
    "too few calls": ("{steps: [{share: 5%, least_calls: 1}]}", "rollout.steps[0].least_calls", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_refused(write: Write, case: str) -> None:
    text, where, why = CASES[case]
    with pytest.raises(ConfigError) as caught:
        load(write(f"{HEAD}rollout: {text}"), None)
    (finding,) = caught.value.findings
    assert finding.where.endswith(where)
    assert why in f"{finding.why} {finding.fix}"


def test_without_an_access_log_there_is_nothing_to_judge_by(write: Write) -> None:
    with pytest.raises(ConfigError, match="access log"):
        load(write(f"{HEAD}rollout: {{strategy: canary}}\nobserve: {{log: {{access: false}}}}"), None)


@pytest.mark.parametrize("share", ["5%", "33.3%", "0.01%", "100%", "12.345678%", "7 %"])
def test_a_release_holds_the_share_that_was_written(write: Write, share: str) -> None:
    config = load(write(f"{HEAD}rollout: {{steps: [{{share: {share}}}]}}"), None).config
    assert read_config(effective(config)).rollout == config.rollout


def test_the_judge_gets_the_tolerances_of_the_file_and_its_own_defaults(write: Write) -> None:
    config = load(write(f"{HEAD}rollout: {{tolerance: {{ttft_ratio: 0.5}}}}"), None).config
    assert tolerance_of(config.rollout.tolerance, 50) == Tolerance(ttft_ratio=0.5)
