"""Processes as the Linux kernel shows them: who still lives, who carries a mark, and how to end them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_DELETED = " (deleted)"  # stands behind the link to a folder that has been removed
_EXITING = 0x4  # PF_EXITING of include/linux/sched.h


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
    fields = _stat(pid)
    return int(fields[19]) if fields else None


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

    nginx and Valkey do so to show a title in `ps`, and any mark goes with it. The folder may have been removed, and
    made again, since they began.
    """
    found = set()
    gone = f"{folder}{_DELETED}"
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            place = (entry / "cwd").readlink()
            here = place.is_relative_to(folder) or str(place) == gone
            if here and b"=" not in (entry / "environ").read_bytes() and _stays(int(entry.name)):
                found.add(int(entry.name))
        except OSError:  # gone meanwhile, or another user's
            continue
    return found


def below(pids: Collection[int], known: Collection[int]) -> dict[int, int]:
    """Living processes that descend from `pids`, each with that ancestor; those `known`, and theirs, are left out."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir() if pids else ():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: dict[int, int] = {}
    left = [(child, pid) for pid in pids for child in children.get(pid, ())]
    while left:
        pid, ancestor = left.pop()
        if pid not in known and pid not in pids and pid not in found:
            found[pid] = ancestor
            left += [(child, ancestor) for child in children.get(pid, ())]
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


def _stat(pid: int) -> list[bytes]:
    """What the kernel says of a living process, from its state on; nothing where it does not live."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return []
    fields = stat[stat.rindex(b")") + 2 :].split()  # the name before it may hold spaces and brackets
    return [] if fields[0] in (b"Z", b"X") else fields


def _stays(pid: int) -> bool:
    """Whether it lives and is not about to end: whoever ends has lost its environment, and still has its folder."""
    fields = _stat(pid)
    return bool(fields) and not int(fields[6]) & _EXITING


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
