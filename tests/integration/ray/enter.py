"""`enter.py PID PROGRAM ...`: runs a program in the namespaces of PID, passes signals on to it, and ends as it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
_SET_PARENT_DEATH_SIGNAL = 1


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    spaces = [os.open(f"/proc/{sys.argv[1]}/ns/{name}", os.O_RDONLY) for name in ("net", "pid", "mnt")]
    for space in spaces:
        if libc.setns(space, 0):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(space)
    # None is taken before there is somebody to pass it on to.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child == 0:
        libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  what it is for
    for number in _PASSED_ON:
        signal.signal(number, lambda passed, _frame: os.kill(child, passed))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    _pid, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
