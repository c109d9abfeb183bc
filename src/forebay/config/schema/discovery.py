"""Where engines are found that are not listed one by one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Port, Seconds, SecretRef, Section


class FileDiscovery(Section):
    """A file that another program writes: `engines: [{url, name, max_outstanding}]` as YAML or JSON."""

    path: Annotated[str, Field(min_length=1)]
    """Path of the file; relative to the configuration."""
    every: Seconds = 1.0
    """How often its content is looked at."""


class DnsDiscovery(Section):
    """A DNS name: an engine behind each address, or behind each SRV record."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The name that is asked for."""
    record: Literal["A", "AAAA", "SRV"] = "A"
    """Which records name the engines; SRV records bring ports of their own."""
    port: Port = 8000
    """Port of every engine; not used with SRV."""
    resolver: Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:.]+\]|[0-9.]+)(:\d{1,5})?$")] | None = None
    """DNS server as `address:port`. Default: those of the machine."""
    refresh: Seconds = 30.0
    """Longest time between two questions; a shorter TTL wins."""


class KubernetesDiscovery(Section):
    """A Kubernetes service: the ready endpoints of its EndpointSlices, watched."""

    service: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
    """Name of the service."""
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] = "default"
    """Its namespace."""
    port: Port | Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$")] | None = None
    """Port of the engines, by number or name. Default: the first one of the service."""
    server: Annotated[str, Field(pattern=r"^https?://[^/\s?#@]+$")] = "https://kubernetes.default.svc"
    """The API server, as `https://host:port`."""
    token: str | None = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105  a path
    """Path of the file with the bearer token, read for every request; `null` sends none."""
    authority: str | None = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    """Path of the CA certificate that the API server's must come from; `null` takes the machine's."""


class ValkeyDiscovery(Section):
    """Registrations with a lease in a Valkey; `forebay engine register` makes them."""

    url: Annotated[str, Field(pattern=r"^(valkeys?|rediss?)://[^/\s?#@]+(/\d{1,3})?$")]
    """`valkey://host:port/database`; `valkeys://` with TLS."""
    password: SecretRef | None = None
    """Its password."""
    every: Seconds = 1.0
    """How often registrations are read."""
