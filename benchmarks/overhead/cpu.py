"""CPU time of a process and its children, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Spent(msgspec.Struct, frozen=True):
    """CPU seconds. `total_s` is exact to the nanosecond; the split between user and system is exact to a tick.

    `kept_waiting_s`: ready to run while something else had the core.
    """

    total_s: float
    user_s: float
    system_s: float
    kept_waiting_s: float

    def since(self, before: Spent) -> Spent:
        return Spent(
            self.total_s - before.total_s,
            self.user_s - before.user_s,
            self.system_s - before.system_s,
            self.kept_waiting_s - before.kept_waiting_s,
        )


def spent(pid: int) -> Spent:
    """What a process tree has used so far, every thread of it."""
    total_ns, waiting_ns, user_ticks, system_ticks = 0, 0, 0, 0
    for each in _tree(pid):
        folder = Path("/proc") / str(each)
        stat = (folder / "stat").read_text()
        fields = stat[stat.rindex(")") + 2 :].split()
        user_ticks += int(fields[11])
        system_ticks += int(fields[12])
        # The same clock as utime + stime, before it is rounded to ticks of 10 ms.
        for path in folder.glob("task/*/schedstat"):
            ran, waited, _slices = map(int, path.read_text().split())
            total_ns += ran
            waiting_ns += waited
    return Spent(total_ns / 1e9, user_ticks * _TICK_S, system_ticks * _TICK_S, waiting_ns / 1e9)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for path in (Path("/proc") / str(pid) / "task").glob("*/children"):
        for child in path.read_text().split():
            found += _tree(int(child))
    return found
