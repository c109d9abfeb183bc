"""GPU utilisation through NVML; without a GPU, a driver or the `gpu` extra there is nothing to tell, and no error."""

from __future__ import annotations


def gpu_utilization() -> dict[str, float]:
    """Percent of the last sampling period in which a kernel ran, by GPU index."""
    try:
        import pynvml  # noqa: PLC0415  an optional extra, imported where used
    except ImportError:
        return {}
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    try:
        found = {}
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            found[str(index)] = float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        return found
    except pynvml.NVMLError:  # a card that fell off the bus, or one that cannot tell
        return {}
    finally:
        pynvml.nvmlShutdown()
