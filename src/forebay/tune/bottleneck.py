"""What holds a load back, by what the engine, the GPU and the client tell: every cause with its evidence."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Setting
from forebay.tune.trial import Cause, Distance, Rung

_FULL_KV = 0.95
_IDLE_GPU_PERCENT = 90.0


def causes(rung: Rung, setting: Setting, distance: Distance | None) -> tuple[Cause, ...]:
    """The causes that there is evidence for, the strongest first."""
    found = [
        *_client(rung),
        *_kv(rung),
        *_scheduler(rung, setting),
        *_hardware(distance),
        *_processor(rung, distance),
    ]
    return tuple(sorted(found, key=lambda cause: -cause.weight))


def _client(rung: Rung) -> Iterator[Cause]:
    for doubt in rung.doubts:
        if "client" in doubt:
            yield Cause(what="client", weight=1.0, evidence=doubt)


def _kv(rung: Rung) -> Iterator[Cause]:
    used, preempted = rung.gauges.get("kv_usage"), rung.counters.get("preemptions", 0.0)
    if preempted:
        evidence = f"{preempted:.0f} sequences were preempted for want of KV blocks"
        yield Cause(what="KV capacity", weight=min(1.0, 0.5 + preempted / max(rung.sent, 1)), evidence=evidence)
    elif used is not None and used >= _FULL_KV:
        yield Cause(what="KV capacity", weight=0.6, evidence=f"the KV cache is {used:.0%} full")


def _scheduler(rung: Rung, setting: Setting) -> Iterator[Cause]:
    running, waiting = rung.gauges.get("running"), rung.gauges.get("waiting")
    most = setting.args.get("max-num-seqs", setting.args.get("max_sequences"))
    if waiting and waiting >= 0.05 * rung.concurrency:
        full = isinstance(most, int) and running is not None and running >= 0.9 * most * setting.copies
        evidence = f"{waiting:.1f} requests wait while {running or 0:.1f} run"
        if full:
            yield Cause(what="scheduler", weight=0.8, evidence=f"{evidence}: max-num-seqs is {most}")
        else:
            yield Cause(what="queue", weight=0.5, evidence=f"{evidence}: prompts wait for a step's tokens")


def _hardware(distance: Distance | None) -> Iterator[Cause]:
    if distance is None:
        return
    if distance.bandwidth_ratio:
        evidence = f"weights and KV cache take {distance.bandwidth_ratio:.0%} of the memory's bandwidth"
        yield Cause(what="bandwidth", weight=min(1.0, distance.bandwidth_ratio), evidence=evidence)
    if distance.compute_ratio:
        evidence = f"arithmetic takes {distance.compute_ratio:.0%} of what the hardware does"
        yield Cause(what="compute", weight=min(1.0, distance.compute_ratio), evidence=evidence)


def _processor(rung: Rung, distance: Distance | None) -> Iterator[Cause]:
    """What is left: the GPU waits, or is busy with far less than it could do."""
    if rung.gpu_percent is not None and rung.gpu_percent < _IDLE_GPU_PERCENT:
        idle = 1 - rung.gpu_percent / 100
        evidence = f"the GPU runs nothing for {idle:.0%} of the time"
        yield Cause(what="CPU", weight=min(1.0, 0.3 + idle), evidence=evidence)
    elif rung.gpu_percent is not None and distance is not None and distance.ratio < 0.35:
        evidence = f"kernels run, but at {distance.ratio:.0%} of the roofline: they are short, and started one by one"
        yield Cause(what="CPU", weight=0.5, evidence=evidence)
