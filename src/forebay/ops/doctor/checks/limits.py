"""Limits of the system that a busy service runs into."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

from forebay.core.errors import Finding
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding

# Connections to engines, logs, sockets and libraries.
_SPARE_FILES = 1024


@checks.add("open_files")
def open_files(subject: Subject) -> Iterator[Finding]:
    """A worker needs a file for each client connection."""
    need = subject.loaded.config.gateway.limits.connections + _SPARE_FILES
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < need:
        why = _("a process may open {hard} files; {count} connections need {need}")
        why = why.format(hard=hard, count=subject.loaded.config.gateway.limits.connections, need=need)
        fix = _("Raise LimitNOFILE or `ulimit -Hn`, or lower gateway.limits.connections")
        yield finding("open_files", "warning", subject.loaded.where(("gateway", "limits", "connections")), why, fix)


@checks.add("backlog")
def backlog(subject: Subject) -> Iterator[Finding]:
    """Connections that arrive together wait in a queue whose length the kernel bounds."""
    path = Path("/proc/sys/net/core/somaxconn")
    try:
        length = int(path.read_text())
    except (OSError, ValueError):
        return
    if length < 1024:
        why = _("only {length} connections may wait to be accepted").format(length=length)
        yield finding("backlog", "warning", str(path), why, "sysctl net.core.somaxconn=4096")
