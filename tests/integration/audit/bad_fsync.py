"""The writer on a disk whose fsync fails from SIGUSR1 on: the kernel itself says so, by a filter on system calls."""

from __future__ import annotations

import ctypes
import errno
import platform
import signal
import struct
import sys

from forebay.audit.writer import main

_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ERRNO, _ALLOW = 0x00050000, 0x7FFF0000
_CALLS = {"x86_64": (74, 75), "aarch64": (82, 83)}  # fsync, fdatasync


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def break_fsync(*_ignored: object) -> None:
    fsync, fdatasync = _CALLS[platform.machine()]
    steps = [
        (_LOAD, 0, 0, 0),
        (_EQUAL, 1, 0, fsync),
        (_EQUAL, 0, 1, fdatasync),
        (_RETURN, 0, 0, _ERRNO | errno.EIO),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "no filter on system calls")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, break_fsync)
    sys.exit(main(sys.argv[1:]))
