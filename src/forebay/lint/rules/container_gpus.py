"""Containers that see no GPU."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_OTHERS = ("cpu", "rocm", "xpu", "hpu", "tpu", "neuron", "gaudi")


@engine_rules.add("container_gpus")
def container_gpus(served: Served) -> Iterator[Finding]:
    """Docker hands no GPU into a container unless it is asked to."""
    container = served.container
    if container is None or container.gpus is not None or container.devices or served.hardware == "cpu":
        return
    if any(name in container.image for name in _OTHERS) or "NVIDIA_VISIBLE_DEVICES" in served.env:
        return
    why = _("no GPU is reserved: the container sees none, unless Docker's default runtime is NVIDIA's")
    fix = _("Add --gpus all, or deploy.resources.reservations.devices in compose")
    yield served.finding("container_gpus", "warning", "at.deploy", why, fix)
