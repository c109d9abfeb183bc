"""Ports that others hold, or that this user may not open."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import psutil

from forebay.config.crosscheck.ports import Listener, listeners
from forebay.core.errors import Finding
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding
from forebay.substrate.local import LocalSubstrate


@checks.add("ports")
def ports(subject: Subject) -> Iterator[Finding]:
    """Each port is opened for a moment; what this service itself holds counts as free."""
    ours = LocalSubstrate(subject.state).processes()
    for listener in listeners(subject.loaded.config):
        problem = _refusal(listener)
        where = subject.loaded.where(listener.path)
        if problem == errno.EADDRINUSE:
            holder = _holder(listener.port)
            if holder is None or holder.pid not in ours:
                why = _("port {port} is taken by {holder}").format(port=listener.port, holder=_shown(holder))
                fix = _("Stop it, or choose another port")
                yield finding("port_taken", "error", where, why, fix)
        elif problem == errno.EACCES:
            why = _("this user may not open port {port}").format(port=listener.port)
            fix = _("Choose a port above 1023, or: sysctl net.ipv4.ip_unprivileged_port_start={port}")
            yield finding("port_forbidden", "error", where, why, fix.format(port=listener.port))
        elif problem == errno.EADDRNOTAVAIL:
            why = _("this machine has no address {address}").format(address=listener.address)
            yield finding("address_missing", "error", where, why, _("Choose one that `ip address` shows"))


def _refusal(listener: Listener) -> int:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listener.address, listener.port))
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return 0


def _holder(port: int) -> psutil.Process | None:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            local = connection.laddr
            if local and local.port == port and connection.status == psutil.CONN_LISTEN and connection.pid:
                return psutil.Process(connection.pid)
    except psutil.Error:
        return None
    return None


def _shown(process: psutil.Process | None) -> str:
    if process is None:
        return _("another process")
    try:
        return f"{process.name()} ({process.pid})"
    except psutil.Error:
        return str(process.pid)
