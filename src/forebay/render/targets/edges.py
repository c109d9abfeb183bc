"""The edge's own file: the text that `up` runs, with paths below the folder; its certificate lies there as edge.pem."""

from __future__ import annotations

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
    if not ip_address(reachable(gateway.bind)).is_loopback:
        raise ConfigError(
            _("the edge would speak to the gateway in clear text at {address}").format(address=gateway.bind),
            where="gateway.bind",
            fix=_("Set 127.0.0.1, or 0.0.0.0: edge and gateway are of one machine and speak over its loopback"),
        )
    ports = tuple(range(gateway.worker_port, gateway.worker_port + gateway.workers))
    site = Site(folder=subject.folder, certificate=subject.folder / "edge.pem", worker_ports=ports)
    return PROGRAMS[program].render(subject.config, site)


targets.add("nginx")(Target(N_("nginx.conf of the edge"), partial(files, "nginx")))
targets.add("haproxy")(Target(N_("haproxy.cfg of the edge"), partial(files, "haproxy")))
