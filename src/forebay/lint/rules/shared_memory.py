"""Containers without room for what GPUs tell one another."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_ENOUGH_BYTES = 2**30


@engine_rules.add("shared_memory")
def shared_memory(served: Served) -> Iterator[Finding]:
    """Workers of one engine talk through /dev/shm, of which Docker gives 64 MiB."""
    container = served.container
    if container is None or container.ipc_host or (container.shm_bytes or 0) >= _ENOUGH_BYTES:
        return
    several = served.gpus_per_copy > 1
    if not several and container.gpus in (None, 1):
        return
    why = _("workers on several GPUs share /dev/shm, which is too small: NCCL fails at start")
    fix = _("Set ipc: host, or shm_size: 16gb")
    yield served.finding("shared_memory", "error" if several else "warning", "at.shm_size", why, fix)
