"""The `scale` keys of an engine as KEDA's ScaledObject: it asks for as many copies as forebay would."""

from __future__ import annotations

import json
import math

from forebay.config.schema.scale import EngineScale, ScaleWindow
from forebay.core.errors import ConfigError
from forebay.engines.spread import calls_for_a_copy
from forebay.messages import _
from forebay.render.containers import EngineContainer
from forebay.render.kubernetes_objects import Object, thing

KEDA = "keda.sh/v1alpha1"
_POLL_S = 15
_DAY_MINUTES = 1440
# KEDA's HPA looks back for an hour at most.
_LONGEST_S = 3600
# An HPA leaves the number as it is while it is wrong by a tenth at most.
_TOLERATED = 1.1


def scaled_object(part: str, engine: EngineContainer, scale: EngineScale, target: tuple[str, str]) -> Object:
    """The greatest of what its triggers ask for, within the same bounds; `target` is of that API and kind.

    An HPA that one trigger does not answer takes no copy away, so each answers nothing where nothing is known.
    """
    api, kind = target
    behavior = {
        "scaleUp": {"stabilizationWindowSeconds": min(_LONGEST_S, round(scale.up))},
        "scaleDown": {"stabilizationWindowSeconds": min(_LONGEST_S, round(scale.down))},
    }
    spec = {
        "scaleTargetRef": {"apiVersion": api, "kind": kind, "name": part},
        "pollingInterval": _POLL_S,
        "minReplicaCount": scale.least,
        "maxReplicaCount": scale.most,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}},
        "triggers": [_calls(engine, scale), _cache(engine, scale), *(_window(each, scale) for each in scale.windows)],
    }
    return thing("ScaledObject", KEDA, part, spec)


def _calls(engine: EngineContainer, scale: EngineScale) -> Object:
    """The waiting ones counted too."""
    calls = calls_for_a_copy(scale, engine.max_outstanding)
    most = math.ceil(engine.max_outstanding / _TOLERATED) - 1
    if calls > max(1, most):
        why = _("a copy holds {places} calls, the gateway the others, and a cluster sees no more").format(
            places=engine.max_outstanding
        )
        where = f"models.{engine.model}.engines[{engine.index}].scale.calls"
        raise ConfigError(why, where=where, fix=_("Set it to {most} or below").format(most=max(1, most)))
    query = " + ".join(f"sum(vllm:num_requests_{state}{_of(engine)})" for state in ("running", "waiting"))
    return _prometheus(scale, query, calls)


def _cache(engine: EngineContainer, scale: EngineScale) -> Object:
    """How full their KV caches are, added up: a copy's ranks tell the same one each."""
    return _prometheus(scale, f"sum(max by (instance) (vllm:kv_cache_usage_perc{_of(engine)}))", scale.kv)


def _of(engine: EngineContainer) -> str:
    return f"{{model_name={json.dumps(engine.model, ensure_ascii=False)}}}"


def _prometheus(scale: EngineScale, query: str, threshold: float) -> Object:
    told = {"serverAddress": scale.prometheus, "query": query, "threshold": f"{threshold:g}"}
    return {"type": "prometheus", "metadata": told | {"ignoreNullValues": "false"}}


def _window(each: ScaleWindow, scale: EngineScale) -> Object:
    """As cron says when it begins and ends; KEDA takes no two that are the same."""
    start, end = each.start_minute, each.end_minute
    if start == end:  # a whole day
        end = (start - 1) % _DAY_MINUTES
    days = [day + 1 for day in each.weekdays]
    told = {
        "timezone": scale.zone,
        "start": _cron(start, days),
        "end": _cron(end, days if end > start else [day + 1 for day in days]),
        "desiredReplicas": str(min(scale.most, each.least)),
    }
    return {"type": "cron", "metadata": told}


def _cron(at_minute: int, days: list[int]) -> str:
    return f"{at_minute % 60} {at_minute // 60} * * {','.join(map(str, sorted({day % 7 for day in days})))}"
