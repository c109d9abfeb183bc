"""Every pod of a service's engines in its namespace, whoever made it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from forebay.config.schema.kubernetes import KubernetesCluster
from forebay.core.errors import RunError
from forebay.messages import _
from forebay.substrate.kubernetes.api import Api, Away, Refused
from forebay.substrate.kubernetes.credentials import find_credentials
from forebay.substrate.kubernetes.order import OWNER, SERVICE, UNIT, label
from forebay.substrate.kubernetes.pod import PodList, judge
from forebay.substrate.unclaimed import Survey, Unclaimed


async def survey(cluster: KubernetesCluster, namespace: str, service: str) -> Survey:
    """RunError where the API server does not answer."""
    try:
        body = await _api(cluster).get(_path(namespace), {"labelSelector": f"{SERVICE}={label(service)}"})
    except (Away, Refused) as error:
        what = _("the pods of {namespace} cannot be listed").format(namespace=namespace)
        raise RunError(what, detail=str(error)) from error
    pods = msgspec.json.decode(body, type=PodList).items or ()
    return Survey(
        tuple(
            Unclaimed(
                owner=pod.metadata.labels[OWNER],
                unit=pod.metadata.labels[UNIT],
                where=namespace,
                handle=pod.metadata.name,
            )
            for pod in pods
            if {OWNER, UNIT} <= pod.metadata.labels.keys()
            and not pod.metadata.deletion_timestamp
            and not judge(pod).ended
        )
    )


async def end(cluster: KubernetesCluster, found: Iterable[Unclaimed], within_s: float) -> None:
    """Ask for their end. RunError where that is refused."""
    api, options = _api(cluster), {"gracePeriodSeconds": round(within_s)}
    try:
        await asyncio.gather(*(api.delete(f"{_path(each.where)}/{each.handle}", options) for each in found))
    except (Away, Refused) as error:
        raise RunError(_("not every engine could be ended"), detail=str(error)) from error


def _api(cluster: KubernetesCluster) -> Api:
    return Api(find_credentials(cluster.kubeconfig, cluster.context))


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"
