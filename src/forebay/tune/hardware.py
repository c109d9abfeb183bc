"""What the accelerator of this machine can do at most: measured where it can be, else by its maker's documents."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
import threading
import time

import msgspec

from forebay.config.load import Loaded
from forebay.tune.capacity.accelerators import accelerators

_TRIAL_BYTES = 256 * 1024 * 1024
_PROBE_S = 60.0


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """`bandwidth_bytes_s` of the memory that holds the weights, `flops` dense in 16 bits; 0 where unknown."""

    name: str
    bandwidth_bytes_s: float = 0.0
    flops: float = 0.0
    fp8_flops: float = 0.0
    how: str = ""

    def times(self, count: int) -> Machine:
        """So many of it."""
        return msgspec.structs.replace(
            self,
            bandwidth_bytes_s=count * self.bandwidth_bytes_s,
            flops=count * self.flops,
            fp8_flops=count * self.fp8_flops,
        )


# A copy reads and writes: both directions count. The largest of five, after one to warm up.
_PROBE = """
import json, time, torch
device = torch.device("cuda", 0)
a = torch.empty(1 << 30, dtype=torch.uint8, device=device); b = torch.empty_like(a)
best = 0.0
for _ in range(6):
    torch.cuda.synchronize(); began = time.perf_counter()
    for _ in range(8): b.copy_(a)
    torch.cuda.synchronize(); best = max(best, 8 * 2 * a.numel() / (time.perf_counter() - began))
print(json.dumps([torch.cuda.get_device_name(0), best]))
"""


class _Probed(msgspec.Struct, array_like=True):
    name: str
    bandwidth_bytes_s: float


def machine_of(loaded: Loaded, gpu: int | None, *, probe: bool = True) -> Machine:
    """The accelerator that the configuration's engines have; `probe` measures its copying, which takes seconds."""
    facts = loaded.facts
    if facts is None or facts.gpu == "none":
        measured = _memory_bandwidth() if probe else 0.0
        return Machine(name="cpu", bandwidth_bytes_s=measured, how="copied in memory, two threads" if probe else "")
    found = _probed(gpu) if probe else None
    name = found.name if found is not None else facts.gpu
    machine = _by_sheet(name)
    if found is not None:
        how = "measured by copying 1 GiB"
        return msgspec.structs.replace(machine, bandwidth_bytes_s=found.bandwidth_bytes_s, how=how)
    return machine


def _by_sheet(name: str) -> Machine:
    for known, sheet in accelerators().accelerators.items():
        if known in name.lower():
            return Machine(
                name=name, bandwidth_bytes_s=sheet.bandwidth_bytes_s, flops=sheet.flops, fp8_flops=sheet.fp8_flops,
                how="by its data sheet",
            )  # fmt: skip
    return Machine(name=name)


def _probed(gpu: int | None) -> _Probed | None:
    """Measured in a process of its own, which leaves no memory taken; None without torch or a GPU that it can use."""
    if importlib.util.find_spec("torch") is None:
        return None
    chosen = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": str(gpu), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env={**os.environ, **chosen},
            capture_output=True,
            timeout=_PROBE_S,
            check=True,
        )
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=_Probed)
    except (subprocess.SubprocessError, OSError, IndexError, msgspec.MsgspecError):
        return None


def _memory_bandwidth() -> float:
    """Bytes read and written a second by two threads that copy; the best of three."""
    source, target = (ctypes.create_string_buffer(_TRIAL_BYTES) for _ in range(2))
    half = _TRIAL_BYTES // 2
    best = 0.0
    for _round in range(3):
        threads = [
            threading.Thread(
                target=ctypes.memmove,
                args=(ctypes.addressof(target) + part * half, ctypes.addressof(source) + part * half, half),
            )
            for part in range(2)
        ]
        began_s = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        best = max(best, 2 * _TRIAL_BYTES / (time.perf_counter() - began_s))
    return best
