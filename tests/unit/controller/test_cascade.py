"""The cascade's keys as workers hold them."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.config.schema import Model
from forebay.controller.cascade import cascade_policy
from forebay.gateway.cascade.policy import Bounds, CascadePolicy


def model(cascade: dict[str, Any] | None) -> Model:
    return Model.model_validate({"engines": [{"kind": "embedded"}], "cascade": cascade})


def test_a_model_without_one_has_no_policy() -> None:
    assert cascade_policy(model(None)) is None


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        (
            {"confidence": {"mean_logprob": -1}, "load": {"waiting": 2, "wait": "250ms", "longest": "4s"}},
            CascadePolicy(first="s", bounds=Bounds(mean_logprob=-1.0), waiting=2, wait_s=0.25, longest_s=4.0),
        ),
        (
            {
                "confidence": {"mean_logprob": -0.5, "self_check": 0.9, "valid_json": False},
                "load": {"saturated": {"self_check": 0.6}},
                "sample_ratio": 0.1,
            },
            CascadePolicy(
                first="s",
                bounds=Bounds(mean_logprob=-0.5, self_check=0.9),
                valid_json=False,
                saturated=Bounds(mean_logprob=-0.5, self_check=0.6),
                sample_ratio=0.1,
            ),
        ),
    ],
)
def test_what_the_second_bounds_do_not_set_stays_as_it_is(written: dict[str, Any], policy: CascadePolicy) -> None:
    assert cascade_policy(model({"first": "s", **written})) == policy
