"""Reads engines' counters and GPUs beside a run, from a thread of the process that asked for it."""

from __future__ import annotations

import contextlib
import http.client
import math
import threading
import time
from collections.abc import Sequence
from typing import Any

from forebay.tune.load.ask import get
from forebay.tune.report.measured import Engine, Gpu

_EVERY_S = 1.0
_PREFIXES = ("vllm:", "llamacpp:", "sglang:")
_COUNTS = ("_total", "_sum", "_count")
_SHARES = ("_perc", "_ratio")


class Beside:
    """Samples from `start()` to `stop()`; moments are of the monotonic clock."""

    def __init__(self, metrics_urls: Sequence[str], ca_file: str = "") -> None:
        self._urls, self._ca_file = tuple(metrics_urls), ca_file
        self._pages: list[tuple[float, dict[str, float]]] = []
        self._gpus: list[tuple[float, list[dict[str, Any]]]] = []
        self._nvml = _nvml()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin; costs a read of each page a second."""
        if self._urls or self._nvml is not None:
            self._thread.start()

    def stop(self) -> None:
        """Take the last sample and end."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._nvml is not None:
            self._nvml.nvmlShutdown()

    def engine(self, begin: float, end: float) -> Engine | None:
        """What the counters grew by between two moments, by the samples nearest to them; None without a page."""
        if not self._pages:
            return None
        first = min(self._pages, key=lambda page: abs(page[0] - begin))
        last = min(self._pages, key=lambda page: abs(page[0] - end))
        within = [page for at, page in self._pages if first[0] <= at <= last[0]]
        counters = {name: last[1][name] - first[1].get(name, 0.0) for name in sorted(last[1]) if name.endswith(_COUNTS)}
        gauges: dict[str, list[float]] = {}
        for page in within:
            for name, value in page.items():
                if not name.endswith(_COUNTS):
                    gauges.setdefault(name, []).append(value)
        means = {name: sum(values) / len(values) for name, values in sorted(gauges.items())}
        return Engine(counters=counters, gauges=means, peaks={name: max(v) for name, v in sorted(gauges.items())})

    def gpu(self, start: float) -> tuple[Gpu, ...] | None:
        """Every sample of every GPU, counted from `start`; None without one."""
        if not self._gpus:
            return None
        at_s = tuple(at - start for at, _cards in self._gpus)
        found = []
        for index in range(min(len(cards) for _at, cards in self._gpus)):
            column = [cards[index] for _at, cards in self._gpus]
            found.append(
                Gpu(
                    index=index,
                    name=column[0]["name"],
                    at_s=at_s,
                    utilisation_percent=tuple(each["utilisation"] for each in column),
                    memory_bytes=tuple(each["memory"] for each in column),
                    power_w=tuple(each["power"] for each in column),
                    sm_clock_mhz=tuple(each["sm"] for each in column),
                    memory_clock_mhz=tuple(each["memory_clock"] for each in column),
                )
            )
        return tuple(found)

    def _run(self) -> None:
        while True:
            at = time.monotonic()
            page = _add([_page(url, self._ca_file) for url in self._urls])
            if page:
                self._pages.append((at, page))
            if self._nvml is not None:
                with contextlib.suppress(self._nvml.NVMLError):
                    self._gpus.append((at, _cards(self._nvml)))
            if self._over.is_set():
                return
            self._over.wait(max(0.05, _EVERY_S - (time.monotonic() - at)))


def _page(url: str, ca_file: str) -> str:
    with contextlib.suppress(OSError, http.client.HTTPException):
        status, body = get(url, ca_file)
        return body.decode("utf-8", "replace") if status == 200 else ""
    return ""


def _add(pages: Sequence[str]) -> dict[str, float]:
    """The values of all engines by name: sums over labels and engines, means of what is a share."""
    found: dict[str, list[float]] = {}
    for line in (line for page in pages for line in page.splitlines() if line.startswith(_PREFIXES)):
        name = line.partition("{")[0].split(" ", 1)[0]
        if name.endswith(("_bucket", "_created", "_info")):
            continue
        # A line may end before its value, where the page was cut off, and have a moment behind it.
        sample = (line.rpartition("}")[2] if "}" in line else line.partition(" ")[2]).split()
        with contextlib.suppress(ValueError):
            value = float(sample[0] if sample else "")
            if not math.isnan(value):
                found.setdefault(name, []).append(value)
    return {name: sum(each) / (len(each) if name.endswith(_SHARES) else 1) for name, each in found.items()}


def _nvml() -> Any:
    try:
        import pynvml  # noqa: PLC0415  an optional extra, imported where used
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _cards(nvml: Any) -> list[dict[str, Any]]:
    cards = []
    for index in range(nvml.nvmlDeviceGetCount()):
        card = nvml.nvmlDeviceGetHandleByIndex(index)
        name = nvml.nvmlDeviceGetName(card)
        cards.append(
            {
                "name": name.decode() if isinstance(name, bytes) else name,
                "utilisation": float(nvml.nvmlDeviceGetUtilizationRates(card).gpu),
                "memory": int(nvml.nvmlDeviceGetMemoryInfo(card).used),
                "power": nvml.nvmlDeviceGetPowerUsage(card) / 1000,
                "sm": int(nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_SM)),
                "memory_clock": int(nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_MEM)),
            }
        )
    return cards
