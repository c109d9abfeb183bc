"""The worker of a soak: every policy that keeps something is on, and full after a tenth of the run."""

from __future__ import annotations

import msgspec

from benchmarks.overhead.peers import limited
from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.queue.policy import QueueClass, QueuePolicy
from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.testing.worker import GatewayWorker

PLACES = 16
"""Fewer than the load generator has calls at once: they wait in the queue."""
CACHE_BYTES = 8 * 2**20


def every_policy(worker: GatewayWorker, valkey: ValkeyRef) -> None:
    """Limits, the exact cache, shared generations, classes and prefix-aware routing."""
    limited(worker, valkey)
    cache = CachePolicy(
        version="1", exact=True, single_flight=True, ttl_s=3600.0, memory_bytes=CACHE_BYTES, answer_bytes=2**20
    )
    routing = RoutingPolicy(scorers={"prefix": 3.0, "least_loaded": 1.0})
    snapshot = worker.snapshot
    worker.snapshot = msgspec.structs.replace(
        snapshot,
        models=tuple(msgspec.structs.replace(each, cache=cache, routing=routing) for each in snapshot.models),
        queue=QueuePolicy(classes=(QueueClass(name="urgent"), QueueClass(name="usual")), default="usual"),
    )
