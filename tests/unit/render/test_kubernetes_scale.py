"""KEDA asks for as many copies as forebay would: the same signals, thresholds, bounds and times."""

from __future__ import annotations

import math
from typing import Any

import pytest

from forebay.config.schema.scale import EngineScale
from forebay.core.errors import ConfigError
from forebay.render.containers import EngineContainer
from forebay.render.kubernetes_scale import scaled_object
from forebay.scale.policy import Load, Rules, Scaler

ENGINE = EngineContainer(
    name="chat-1", model="chat", index=0, image="i", argv=(), env={}, gpus=(0,), weights="", max_outstanding=64,
    start_s=900.0, stop_s=30.0,
)  # fmt: skip


def spec(**scale: Any) -> dict[str, Any]:
    found = scaled_object("chat", ENGINE, EngineScale(**{"least": 1, "most": 6, **scale}), ("apps/v1", "Deployment"))
    return dict(found["spec"])


def threshold(found: dict[str, Any], word: str) -> float:
    (told,) = (each["metadata"] for each in found["triggers"] if word in each["metadata"].get("query", ""))
    assert told["ignoreNullValues"] == "false", "a source that is lost must not look like one without calls"
    assert "vector(0)" not in told["query"]
    return float(told["threshold"])


@pytest.mark.parametrize("ready", [1, 2, 5])
@pytest.mark.parametrize("calls", [0, 1, 47, 48, 49, 96, 97, 1000])
@pytest.mark.parametrize("kv", [0.0, 0.4, 0.89, 0.95])
def test_it_asks_for_as_many_copies_as_forebay_would(ready: int, calls: int, kv: float) -> None:
    found = spec(calls=48, kv=0.9)
    # An average over copies: what is asked for does not depend on how many there are.
    by_calls = math.ceil(calls / threshold(found, "num_requests_running"))
    by_cache = math.ceil(ready * kv / threshold(found, "kv_cache_usage_perc"))
    asked = max(found["minReplicaCount"], min(found["maxReplicaCount"], max(by_calls, by_cache)))
    scaler = Scaler(Rules(least=1, most=6, calls=48.0, kv_ratio=0.9, up_s=0.0), ready, 0.0)
    scaler.decide(Load(at_s=0.0, wall_s=0.0, calls=calls, ready=ready, kv_ratio=kv))
    assert max(scaler.copies, ready) == max(asked, ready)


def test_its_times_and_bounds_are_the_files() -> None:
    found = spec(least=2, most=6, up="30s", down="5m")
    assert (found["minReplicaCount"], found["maxReplicaCount"]) == (2, 6)
    behavior = found["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 30
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 300


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ({"days": ["mon", "fri"], "start": "08:30", "end": "19:00"}, "30 8 * * 1,5", "0 19 * * 1,5"),
        ({"days": ["sat", "sun"], "start": "22:00", "end": "06:00"}, "0 22 * * 0,6", "0 6 * * 0,1"),
        ({"days": ["mon"], "start": "08:00", "end": "08:00"}, "0 8 * * 1", "59 7 * * 2"),
        ({"days": ["sun"], "start": "00:00", "end": "00:00"}, "0 0 * * 0", "59 23 * * 0"),
    ],
)
def test_a_part_of_the_week_is_one_for_it_too(window: dict[str, Any], start: str, end: str) -> None:
    (cron,) = (
        each["metadata"]
        for each in spec(windows=[window | {"least": 3}], zone="Asia/Shanghai")["triggers"]
        if each["type"] == "cron"
    )
    assert cron == {"timezone": "Asia/Shanghai", "start": start, "end": end, "desiredReplicas": "3"}


def test_calls_that_no_copy_ever_has_are_refused() -> None:
    """The gateway queues what a copy cannot hold, where the cluster does not see it; and an HPA tolerates a tenth."""
    assert threshold(spec(calls=58), "num_requests_running") == 58
    with pytest.raises(ConfigError, match="the gateway the others"):
        spec(calls=59)
