"""keepalived for two machines with an edge each: the address moves when one edge no longer answers."""

from __future__ import annotations

from forebay.config.schema import Config
from forebay.config.schema.edge import Failover
from forebay.core.errors import ConfigError
from forebay.messages import N_, _
from forebay.render.nginx_text import reachable
from forebay.render.target import Subject, Target, targets

SCRIPT = "/etc/keepalived/check-edge.sh"
_PRIORITIES = (150, 100)


def files(subject: Subject) -> dict[str, str]:
    """A file for each machine, and what both ask their edge; ConfigError where the file names no address."""
    config = subject.config
    failover = config.edge.failover
    if failover is None:
        raise ConfigError(
            _("which address is to move is not said"), where="edge.failover", fix=_("Write address, interface, nodes")
        )
    if config.edge.kind == "none":
        raise ConfigError(_("there is no edge whose address could move"), where="edge.kind", fix="nginx, haproxy")
    made = {f"node-{number}/keepalived.conf": _node(failover, number - 1) for number in (1, 2)}
    return made | {"check-edge.sh": _check(config)}


def _node(failover: Failover, place: int) -> str:
    here, there = failover.nodes[place], failover.nodes[1 - place]
    return f"""\
# Written by forebay from forebay.yaml: changes made here are lost.
global_defs {{
    router_id forebay-{place + 1}
    vrrp_version 3
    enable_script_security
    script_user nobody
}}

vrrp_script edge {{
    script "{SCRIPT}"
    interval 1
    timeout 2
    fall 2
    rise 2
}}

vrrp_instance forebay {{
    # Both begin as backup, and the one that comes back does not take the address from the other: each move cuts
    # connections.
    state BACKUP
    nopreempt
    interface {failover.interface}
    virtual_router_id {failover.router_id}
    priority {_PRIORITIES[place]}
    # A machine that is lost is missed within 1.5 s.
    advert_int 0.4
    unicast_src_ip {here}
    unicast_peer {{
        {there}
    }}
    virtual_ipaddress {{
        {failover.address} dev {failover.interface}
    }}
    track_script {{
        edge
    }}
}}
"""


def _check(config: Config) -> str:
    """Whether the edge here leads to a gateway that is ready; the certificate is another's business."""
    address = reachable(config.edge.bind)
    host = f"[{address}]" if ":" in address else address
    return f"""\
#!/bin/sh
# Written by forebay from forebay.yaml: changes made here are lost.
exec curl --silent --fail --insecure --max-time 1.5 --output /dev/null https://{host}:{config.edge.https_port}/ready
"""


targets.add("keepalived")(Target(N_("keepalived: an address that moves between two edges"), files))
