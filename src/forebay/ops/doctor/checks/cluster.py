"""The Kubernetes cluster that engines run on: reached, and what may be done there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec

from forebay.core.errors import Finding, RunError
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding
from forebay.render.kubernetes_engine import engine_rights, namespace
from forebay.substrate.kubernetes.api import Api, Away, Refused
from forebay.substrate.kubernetes.credentials import find_credentials

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_PATIENCE_S = 15.0


class _Answer(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Answer = _Answer()


@checks.add("cluster")
def cluster(subject: Subject) -> Iterator[Finding]:
    """Whether the cluster answers, knows us, has the namespace, and lets us do what the substrate does."""
    config = subject.loaded.config
    if config.substrate.kind != "kubernetes":
        return
    where = subject.loaded.where(("substrate", "kubernetes", "kubeconfig"))
    reached = config.substrate.kubernetes
    try:
        api = Api(find_credentials(reached.kubeconfig, reached.context))
        missing = asyncio.run(asyncio.wait_for(_missing(api, namespace(config)), _PATIENCE_S))
    except (RunError, Away) as error:
        yield finding("cluster_unreachable", "error", where, str(error).partition("\n")[0], error.fix)
    except TimeoutError:
        why = _("the cluster does not answer within {seconds:g} s").format(seconds=_PATIENCE_S)
        yield finding("cluster_unreachable", "error", where, why)
    except Refused as error:
        yield finding("cluster_refuses", "error", where, error.what, error.fix)
    else:
        if missing:
            why = _("the account may not: {rights}").format(rights=", ".join(missing))
            fix = _("Give it the rights of `forebay render kubernetes`: kubectl apply --filename rights.yaml")
            yield finding("cluster_rights", "error", where, why, fix)


async def _missing(api: Api, name: str) -> list[str]:
    """Rights that we lack, as `verb resource`; Refused where the namespace is not there."""
    try:
        await api.get(f"/api/v1/namespaces/{name}")
    except Refused as error:
        if error.status != 403:  # who may do everything within a namespace may still not look at it
            raise
    return [f"{verb} {kind}" for kind, verb in _needed() if not await _allowed(api, name, kind, verb)]


async def _allowed(api: Api, name: str, kind: str, verb: str) -> bool:
    resource, _slash, below = kind.partition("/")
    asked = {"namespace": name, "verb": verb, "resource": resource, "subresource": below}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    return msgspec.json.decode(await api.post(_REVIEW, body), type=_Review).status.allowed


def _needed() -> Iterator[tuple[str, str]]:
    """What the rendered role grants."""
    (role,) = (each for each in engine_rights() if each["kind"] == "Role")
    for rule in role["rules"]:
        for kind in rule["resources"]:
            yield from ((kind, verb) for verb in rule["verbs"])
