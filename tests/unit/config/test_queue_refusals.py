"""Every mistake in the classes of calls, with its place and its fix."""

from __future__ import annotations

import pytest

from forebay.config.load import load
from forebay.controller.queue import queue_policy
from forebay.core.errors import ConfigError
from forebay.gateway.queue.policy import QueueClass, QueuePolicy

from .conftest import Write

HEAD = "version: 1\nmodels:\n  m:\n    engines: [{kind: embedded}]\n"
CASES = {
    "two of one name": ("gateway: {queue: {classes: [{name: a}, {name: a}]}}", "gateway.queue.classes[1].name", None),
    "default of no class": (
        "gateway: {queue: {classes: [{name: a}, {name: b}], default: c}}",
        "gateway.queue.default",
        "Write one of: a, b",
    ),
    "tenant of no class": ("tenants: {t: {priority: high}}", "tenants.t.priority", "Add it there"),
    "nothing left over": (
        "gateway: {queue: {classes: [{name: a, reserved: 0.5}, {name: b, reserved: 0.5}]}}",
        "gateway.queue.classes",
        None,
    ),
    "longer than any": (
        "gateway: {queue: {wait: 10s, classes: [{name: a, wait: 20s}]}}",
        "gateway.queue.classes[0].wait",
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_refused(write: Write, case: str) -> None:
    text, where, fix = CASES[case]
    with pytest.raises(ConfigError) as caught:
        load(write(HEAD + text), None)
    (finding,) = caught.value.findings
    assert (finding.rule, finding.where) == ("queue_classes", f"forebay.yaml:5: {where}")
    assert finding.fix == (fix or finding.fix)


@pytest.mark.parametrize(
    "classes", ["[{name: a, weight: 0}]", "[{name: a, reserved: 1}]", "[{name: a, weight: .nan}]", "[{weight: 2}]"]
)
def test_a_value_out_of_bounds_is_refused(write: Write, classes: str) -> None:
    with pytest.raises(ConfigError):
        load(write(f"{HEAD}gateway: {{queue: {{classes: {classes}}}}}"), None)


def test_classes_and_tenants_reach_the_workers(write: Write) -> None:
    text = (
        "gateway: {queue: {reject_early: false, classes: [{name: high, weight: 8, reserved: 0.2, wait: 5s}, "
        "{name: low, calls: 9}]}}\ntenants: {acme: {priority: high}, other: {}}\n"
    )
    assert queue_policy(load(write(HEAD + text), None).config) == QueuePolicy(
        classes=(
            QueueClass(name="high", weight=8, reserved_ratio=0.2, wait_s=5.0),
            QueueClass(name="low", calls=9),
        ),
        default="low",
        tenants={"acme": "high"},
        reject_early=False,
    )


def test_without_classes_all_calls_are_alike(write: Write) -> None:
    assert queue_policy(load(write(HEAD), None).config) == QueuePolicy()
