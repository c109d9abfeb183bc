"""Starts one program so that it cannot outlive its holder, and ends it with everything it started."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
from pathlib import Path

from forebay.core.proc import end_group, end_marked, identify
from forebay.engines.record import HOLDER_MARK, UNIT_MARK
from forebay.engines.spec import UnitSpec

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_FILES = 1_048_576
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind, so that it can be reaped."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(spec: UnitSpec, unit_mark: str, holder_mark: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start the program in a session of its own; returns it and the pipe that carries its stdout and stderr.

    Raises OSError where it cannot be started.
    """
    reading, writing = os.pipe()
    holder = os.getpid()

    def prepare() -> None:
        # The kernel's own dead man's switch, for the program alone: what it starts is the watcher's to end.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != holder:
            os._exit(127)
        # What a crash would write to the disk holds prompts, keys and the pepper.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if spec.stop_waits:
            signal.pthread_sigmask(signal.SIG_BLOCK, {spec.stop_signal})
        if spec.cpus:
            os.sched_setaffinity(0, set(spec.cpus))

    try:
        program = subprocess.Popen(
            spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env={**inherited(spec), **spec.env, UNIT_MARK: unit_mark, HOLDER_MARK: holder_mark},
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509  safe here: the holder has one thread
        )
    except (OSError, subprocess.SubprocessError) as error:
        os.close(reading)
        raise OSError(str(error)) from error
    finally:
        os.close(writing)
    os.set_blocking(reading, False)
    return program, reading


def inherited(spec: UnitSpec) -> dict[str, str]:
    """What the unit takes from our own environment."""
    return {name: os.environ[name] for name in spec.inherit if name in os.environ}


def end_rest(program: subprocess.Popen[bytes], holder_mark: str) -> None:
    """SIGKILL what an ended program left behind: its group, and what went into groups of its own."""
    end_group(program.pid)
    end_marked(HOLDER_MARK, holder_mark)


def raise_file_limit() -> None:
    """Let the program open as many files as the system allows it: a worker holds two for every call."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def marks(record: Path, name: str) -> tuple[str, str]:
    """The marks of a unit whose record lies at `<state>/run/<unit>.json`, and of this life of its holder."""
    state = record.resolve().parent.parent
    me = identify(os.getpid())
    ticks = me.start_ticks if me else 0
    return f"{state}:{name}", f"{os.getpid()}.{ticks}"
