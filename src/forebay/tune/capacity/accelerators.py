"""What accelerators can do, and how much of it a served model gets: figures with their source, from a file."""

from __future__ import annotations

import datetime
from functools import cache
from pathlib import Path

import msgspec

from forebay.config.nearest import nearest_name
from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.figures import read_figures

_FILE = Path(__file__).with_name("accelerators.yaml")


class Accelerator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One GPU. `fp8_flops` is 0 where it has no FP8 tensor cores."""

    memory_bytes: int
    bandwidth_bytes_s: float
    flops: float
    fp8_flops: float = 0.0
    link_bytes_s: float
    power_w: float
    source: str


class Efficiency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares of the peaks, and what software takes beside them; see the file."""

    bandwidth_ratio: float
    flops_ratio: float
    fp8_flops_ratio: float
    graph_layer_s: float
    eager_layer_s: float
    sync_step_s: float
    sequence_s: float
    front_s: float
    call_s: float
    reserved_bytes: float
    link_latency_s: float
    link_ratio: float


class Accelerators(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    read: datetime.date
    accelerators: dict[str, Accelerator]
    efficiency: Efficiency


@cache
def accelerators() -> Accelerators:
    """The file that forebay ships."""
    return read_figures(_FILE, Accelerators)


def accelerator(name: str) -> Accelerator:
    """One by name; UsageError lists those that are known, and the one that was probably meant."""
    known = accelerators().accelerators
    if name not in known:
        what = _("nothing is known of the accelerator {name!r}").format(name=name)
        fix = _("Known: {names}; or measure it and give --run").format(names=", ".join(known))
        meant = nearest_name(name, tuple(known))
        raise UsageError(what, fix=f"{_('Did you mean {guess}?').format(guess=meant)} {fix}" if meant else fix)
    return known[name]
