"""Engines in a Kubernetes cluster."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Port, Section


class KubernetesCluster(Section):
    """Which cluster, and what engines' pods are made of."""

    kubeconfig: Annotated[str, Field(pattern=r"^(/|~/).+$")] | None = None
    """Path of the kubeconfig. Default: the service account of the pod that forebay runs in."""
    context: Annotated[str, Field(min_length=1)] | None = None
    """Context of the kubeconfig. Default: its current one."""
    images: dict[str, Annotated[str, Field(pattern=r"^[^\s-][^\s]*$")]] = {}
    """Images of a registry of one's own, by vLLM release; `forebay` is the one of embedded engines. Default:
    `vllm/vllm-openai:vRELEASE`, and `forebay:VERSION`."""
    pull_secret: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")] | None = None
    """Secret of the namespace that lets nodes pull the images."""
    port: Port = 8000
    """Port of each engine in its own pod."""
