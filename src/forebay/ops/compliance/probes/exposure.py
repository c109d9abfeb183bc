"""What listens and who is spoken to, as the kernel shows it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import msgspec
import psutil

from forebay.messages import _
from forebay.ops.compliance.named import addresses_named
from forebay.ops.compliance.run import Outcome, Subject, failed, not_running, passed, probes

_PUBLIC_UNITS = ("edge",)
_TALKING = (psutil.CONN_ESTABLISHED, psutil.CONN_SYN_SENT)


class Connection(msgspec.Struct, frozen=True):
    """A socket of a process: where it is bound, and whom it is joined to."""

    state: str
    address: str
    port: int
    peer: str
    peer_port: int


@probes.add("only_the_edge_listens")
def only_the_edge_listens(subject: Subject) -> Outcome:
    """Beyond this machine, only the edge is reached; without one, the gateway."""
    if subject.running is None:
        return not_running()
    edge = subject.loaded.config.edge.kind != "none"
    seen = [
        (unit, connection.address, connection.port)
        for unit, connection in _connections(subject)
        if connection.state == psutil.CONN_LISTEN
    ]
    evidence = tuple(sorted({f"{unit}: {address}:{port}" for unit, address, port in seen}))
    open_units = {unit for unit, address, _port in seen if not _is_inside(address)}
    allowed = _PUBLIC_UNITS if edge else ("edge", "worker", "gateway")
    wrong = sorted(unit for unit in open_units if not unit.startswith(allowed))
    if wrong:
        why = _("reached from outside, and should not be: {units}").format(units=", ".join(wrong))
        return failed(why, *evidence, fix=_("Bind them to 127.0.0.1"))
    return passed(_("nothing but the front door is reached from outside"), *evidence)


@probes.add("no_unknown_outbound")
def no_unknown_outbound(subject: Subject) -> Outcome:
    """No process of the service talks to an address on the public internet that the file does not name."""
    if subject.running is None:
        return not_running()
    seen = {
        (f"{unit}: {connection.peer}:{connection.peer_port}", connection.peer)
        for unit, connection in _connections(subject)
        if connection.state in _TALKING and _is_global(connection.peer)
        if not unit.startswith(_PUBLIC_UNITS)  # clients come to the edge from anywhere
    }
    named = addresses_named(subject.loaded.config) if seen else set()
    wrong = sorted(text for text, peer in seen if _plain(peer) not in named)
    if wrong:
        return failed(_("a process talks to the outside"), *wrong, fix=_("Find out why; nothing in the file says so"))
    looked = _("connections to public addresses: {count}").format(count=len(seen))
    return passed(_("no process talks to an address that the file does not name"), looked, *sorted(t for t, _p in seen))


def _connections(subject: Subject) -> Iterator[tuple[str, Connection]]:
    """Connections of every unit's processes; a process that ended meanwhile has none."""
    pids = subject.running.pids if subject.running else {}
    for unit, pid in pids.items():
        try:
            parent = psutil.Process(pid)
            family = [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for process in family:
            try:
                yield from ((unit, _connection(found)) for found in process.net_connections("inet"))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue


def _connection(found: Any) -> Connection:
    own, peer = found.laddr or ("", 0), found.raddr or ("", 0)
    return Connection(found.status, own[0], own[1], peer[0], peer[1])


def _is_inside(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _is_global(address: str) -> bool:
    return ipaddress.ip_address(_plain(address)).is_global


def _plain(address: str) -> str:
    """An address without its zone, and IPv4 as IPv4 however the kernel writes it."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found)
