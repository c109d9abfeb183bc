"""Every pod of a service's engines in its namespace, whoever made it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from forebay.config.schema.kubernetes import KubernetesCluster
from forebay.core.errors import RunError
from forebay.messages import _
from forebay.substrate.kubernetes.api import Api, Away, Refused
from forebay.substrate.kubernetes.credentials import find_credentials
from forebay.substrate.kubernetes.order import OWNER, SERVICE, UNIT, label
from forebay.substrate.kubernetes.pod import PodList, judge
from forebay.substrate.unclaimed import Survey, Unclaimed, end_each

_LOOK_S = 0.5
_ANSWER_S = 15.0


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


async def end(cluster: KubernetesCluster, found: Sequence[Unclaimed], within_s: float) -> None:
    """End them, and see that they are gone. RunError where one is not."""
    api = _api(cluster)
    await end_each(found, lambda each: _end(api, each, within_s))


async def _end(api: Api, each: Unclaimed, within_s: float) -> None:
    """Away where it is still there: on a node that is silent it may run on."""
    path = _path(each.where)
    try:
        await api.delete(f"{path}/{each.handle}", {"gracePeriodSeconds": round(within_s)})
    except Refused as error:
        if error.status == 404:
            return
        raise
    until_s = time.monotonic() + within_s + _ANSWER_S
    itself = {"fieldSelector": f"metadata.name={each.handle}"}
    while msgspec.json.decode(await api.get(path, itself), type=PodList).items:
        if time.monotonic() > until_s:
            raise Away(f"{each.handle} was asked to end and is still there")
        await asyncio.sleep(_LOOK_S)


def _api(cluster: KubernetesCluster) -> Api:
    return Api(find_credentials(cluster.kubeconfig, cluster.context))


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"
