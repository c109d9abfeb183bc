"""An open-loop load generator on raw protocols; needs nothing but uvloop, orjson and msgspec.

`measure(target, workload)` is all that other parts call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forebay.tune.load.errors import ClientWasTheBottleneck, NothingMeasured, TraceError, Unreachable
    from forebay.tune.load.run import ClientLimits, Told, measure
    from forebay.tune.load.target import Target
    from forebay.tune.load.workload import Arrivals, Images, Lengths, Slo, Step, Workload

__all__ = [
    "Arrivals",
    "ClientLimits",
    "ClientWasTheBottleneck",
    "Images",
    "Lengths",
    "NothingMeasured",
    "Slo",
    "Step",
    "Target",
    "Told",
    "TraceError",
    "Unreachable",
    "Workload",
    "measure",
]
_PLACES = ("workload", "target", "errors", "run")


def __getattr__(name: str) -> Any:
    """Found when asked for: what a measurement looks like is known without the program that makes one."""
    if name in __all__:
        for place in _PLACES:
            module = importlib.import_module(f"{__name__}.{place}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
