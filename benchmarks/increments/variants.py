"""The policies that are measured: how a worker is set up for each, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from benchmarks.overhead.peers import limited
from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.queue.policy import QueueClass, QueuePolicy
from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.gateway.snapshot import Snapshot
from forebay.observe.catalogue import LIMITS_SHARED
from forebay.testing.worker import GatewayWorker

Setup = Callable[[GatewayWorker, ValkeyRef], object]


class Variant(msgspec.Struct, frozen=True):
    """One policy. `generated`: which of its calls an engine sees; `streams`: it does something to a stream's events.

    `differ`: each call asks something else. `ready` is a gauge that is 1 when the policy is in force.
    """

    name: str
    setup: Setup
    differ: bool = False
    generated: Literal["all", "none", "some"] = "all"
    streams: bool = False
    ready: str = ""


def _nothing(_worker: GatewayWorker, _valkey: ValkeyRef) -> None:
    pass


def _no_log(worker: GatewayWorker, _valkey: ValkeyRef) -> None:
    worker.policy(log_access=False)


def _limits(worker: GatewayWorker, _valkey: ValkeyRef) -> None:
    limited(worker)


def _shared_limits(worker: GatewayWorker, valkey: ValkeyRef) -> None:
    limited(worker, valkey)


def _classes(worker: GatewayWorker, _valkey: ValkeyRef) -> None:
    classes = (QueueClass(name="urgent"), QueueClass(name="usual"))
    worker.snapshot = msgspec.structs.replace(worker.snapshot, queue=QueuePolicy(classes=classes, default="usual"))


def _prefixes(worker: GatewayWorker, _valkey: ValkeyRef) -> None:
    _models(worker, routing=RoutingPolicy(scorers={"prefix": 3.0, "least_loaded": 1.0}))


def _continuation(worker: GatewayWorker, _valkey: ValkeyRef) -> None:
    _models(worker, continuation=True)
    engines = tuple(msgspec.structs.replace(each, continues=True) for each in worker.snapshot.engines)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, engines=engines)


def _cache(*, exact: bool = True, single_flight: bool = False, shared: bool = False) -> Setup:
    def setup(worker: GatewayWorker, valkey: ValkeyRef) -> None:
        policy = CachePolicy(
            version="1",
            exact=exact,
            single_flight=single_flight,
            ttl_s=3600.0,
            memory_bytes=16 * 2**20,
            answer_bytes=2**20,
            shared=valkey if shared else None,
        )
        _models(worker, cache=policy)

    return setup


BASE = Variant("keys, checks, metrics and log", _nothing, streams=True)
VARIANTS = (
    Variant("without the log", _no_log, streams=True),
    Variant("limits", _limits, streams=True),
    Variant("limits, shared through Valkey", _shared_limits, streams=True, ready=LIMITS_SHARED.name),
    Variant("two classes in the queue", _classes),
    Variant("prefix-aware routing", _prefixes),
    Variant("continuation", _continuation, streams=True),
    Variant("exact cache, a miss", _cache(), differ=True),
    Variant("exact cache, a hit", _cache(), generated="none"),
    Variant("exact cache in Valkey, a miss", _cache(shared=True), differ=True),
    Variant("single flight, alone", _cache(exact=False, single_flight=True), differ=True),
    Variant("single flight, joined", _cache(exact=False, single_flight=True), generated="some"),
)


def _models(worker: GatewayWorker, **changes: object) -> None:
    snapshot: Snapshot = worker.snapshot
    models = tuple(msgspec.structs.replace(each, **changes) for each in snapshot.models)
    worker.snapshot = msgspec.structs.replace(snapshot, models=models)
