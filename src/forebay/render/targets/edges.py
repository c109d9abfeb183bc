"""The edge's own file: the text that `up` runs, with paths below the folder; its certificate lies there as edge.pem."""

from __future__ import annotations

import socket
from functools import partial
from ipaddress import ip_address

from forebay.core.errors import ConfigError
from forebay.messages import N_, _
from forebay.render.edge_programs import PROGRAMS
from forebay.render.nginx_text import reachable
from forebay.render.site import Site
from forebay.render.target import Subject, Target, targets


def files(program: str, subject: Subject) -> dict[str, str]:
    """The configuration of nginx or HAProxy."""
    gateway = subject.config.gateway
    if not _is_own(reachable(gateway.bind)):
        raise ConfigError(
            _("the edge would speak to the gateway in clear text at {address}").format(address=gateway.bind),
            where="gateway.bind",
            fix=_("Set 127.0.0.1 or 0.0.0.0, or render on the machine that has this address, as `up` does"),
        )
    ports = tuple(range(gateway.worker_port, gateway.worker_port + gateway.workers))
    site = Site(folder=subject.folder, certificate=subject.folder / "edge.pem", worker_ports=ports)
    return PROGRAMS[program].render(subject.config, site)


def _is_own(address: str) -> bool:
    """Whether only this machine hears what is sent there; `up` needs no such rule, for its gateway listens there.

    Asked of the routes, nothing is sent: a machine reaches an address of its own from that very address. Binding was
    rejected: keepalived's machines may bind an address that the other one has.
    """
    ip = ip_address(address)
    if ip.is_loopback:
        return True
    with socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False
        return ip_address(probe.getsockname()[0]) == ip


targets.add("nginx")(Target(N_("nginx.conf of the edge"), partial(files, "nginx")))
targets.add("haproxy")(Target(N_("haproxy.cfg of the edge"), partial(files, "haproxy")))
