"""Processes as the Linux kernel shows them: who still lives, who carries a mark, and how to end them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

_PROC = Path("/proc")


class Identity(msgspec.Struct, frozen=True):
    """One process for good: a pid alone may be another process's by now.

    `start_ticks` counts from boot and so does not move with the clock; `boot` tells two boots apart.
    """

    pid: int
    start_ticks: int
    boot: str

    @property
    def alive(self) -> bool:
        return self.boot == boot_id() and start_ticks(self.pid) == self.start_ticks


def identify(pid: int) -> Identity | None:
    """The identity of a living process; None where there is none."""
    ticks = start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id())


def boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None where it does not live (a zombie does not)."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the name before it may hold spaces and brackets
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def marked(variable: str, accepts: Callable[[str], bool]) -> dict[int, str]:
    """Living processes whose environment holds `variable` with a value that `accepts` takes: pid to value."""
    prefix = f"{variable}=".encode()
    found = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:  # gone meanwhile, or another user's
            continue
        for item in environment.split(b"\0"):
            if item.startswith(prefix):
                value = os.fsdecode(item[len(prefix) :])
                if accepts(value) and start_ticks(int(entry.name)) is not None:
                    found[int(entry.name)] = value
                break
    return found


def untitled(folder: Path) -> set[int]:
    """Living processes that work in `folder`, or below it, and have overwritten their environment.

    nginx and Valkey do so to show a title in `ps`, and any mark goes with it.
    """
    found = set()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            here = (entry / "cwd").readlink().is_relative_to(folder)
            if here and b"=" not in (entry / "environ").read_bytes() and start_ticks(int(entry.name)) is not None:
                found.add(int(entry.name))
        except OSError:  # gone meanwhile, or another user's
            continue
    return found


def session_of(pid: int) -> int:
    """The leader of the process's session; 0 where it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end_group(group: int, number: int = signal.SIGKILL) -> bool:
    """Signal every process of a group; False where none is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # PermissionError: only zombies are left
        return False
    return True


def end_marked(variable: str, value: str, within_s: float = 5.0) -> bool:
    """SIGKILL every process that carries the mark until none is left; False where some outlive `within_s`."""
    deadline = time.monotonic() + within_s
    while left := marked(variable, lambda found: found == value):
        if time.monotonic() > deadline:
            return False
        send(left, signal.SIGKILL)
        time.sleep(0.01)
    return True
