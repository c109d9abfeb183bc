"""The TLS edge in front of the gateway."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.acme import Acme
from forebay.config.schema.base import Bytes, Port, Seconds, SecretRef, Section
from forebay.config.schema.includes import EdgeInclude


class Certificate(Section):
    """A certificate of your own. Without one, development makes a CA and a certificate."""

    chain: Annotated[str, Field(min_length=1)]
    """Path of the PEM file with the certificate and its intermediates."""
    key: SecretRef
    """Where its private key lies: `file:PATH`."""


class Clients(Section):
    """Certificates of clients: mutual TLS. Whose they are is told by `security.certificates`."""

    ca: Annotated[str, Field(min_length=1)]
    """PEM file of the authorities that issue them."""
    crl: str | None = None
    """PEM file with the list of revoked certificates of each of them. A list that has ended lets nobody in."""
    required: bool = True
    """Whether nobody comes in without one; else a key or a token does as well."""


class Failover(Section):
    """Two machines with an edge each, and an address that moves between them: what `render keepalived` writes."""

    address: Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
    """The address that clients use, with its prefix, such as `192.0.2.10/24`."""
    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,15}$")]
    """Network interface that carries it on both machines."""
    nodes: Annotated[list[Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+$")]], Field(min_length=2, max_length=2)]
    """Addresses of the two machines; the first one has it while both are well."""
    router_id: Annotated[int, Field(ge=1, le=255)] = 51
    """Number of the pair; no other pair on the network may have it."""


class Edge(Section):
    """nginx or HAProxy: TLS, HTTP/2, slow clients, body limits, draining."""

    kind: Literal["nginx", "haproxy", "none"] = "nginx"
    """Which program; `none` leaves the gateway without an edge."""
    bind: str = "127.0.0.1"
    """Address it listens on."""
    https_port: Port = 8443
    """Port for TLS; 443 in production."""
    http_port: Port | None = 8080
    """Port that redirects to HTTPS; `null` opens none."""
    server_names: Annotated[list[str], Field(min_length=1)] = ["localhost", "127.0.0.1"]
    """Names and addresses in the certificate."""
    certificate: Certificate | None = None
    acme: Acme | None = None
    clients: Clients | None = None
    failover: Failover | None = None
    hsts: Seconds = 63072000.0
    """max-age of Strict-Transport-Security; zero sends none."""
    compression: bool = True
    """Whether whole answers are compressed; streams never are."""
    client_body: Bytes | None = None
    """Largest request body. Default: the gateway's own limit."""
    client_header_timeout: Seconds = 10.0
    """How long a client may take for the head of a request."""
    client_body_timeout: Seconds = 30.0
    """How long a client may pause within a body."""
    send_timeout: Seconds = 60.0
    """How long a client may read nothing of an answer; not shorter than gateway.timeouts.stall."""
    keepalive_timeout: Seconds = 75.0
    """How long an idle connection is kept."""
    shutdown: Seconds = 600.0
    """How long old processes finish their streams after a reload."""
    include: EdgeInclude = EdgeInclude()
