"""What EndpointSlices say about engines. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from forebay.discovery.found import Found
from forebay.discovery.naming import address_name


class _Conditions(msgspec.Struct, frozen=True):
    ready: bool | None = None
    terminating: bool | None = None


class _Target(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""


class _Endpoint(msgspec.Struct, frozen=True, rename="camel"):
    addresses: tuple[str, ...] = ()
    conditions: _Conditions = _Conditions()
    target_ref: _Target | None = None


class _Port(msgspec.Struct, frozen=True):
    name: str | None = None
    port: int | None = None


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """More pages of a list follow where `continue_` is set."""

    name: str = ""
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Slice(msgspec.Struct, frozen=True, rename="camel"):
    """An EndpointSlice, as far as it matters here."""

    metadata: Metadata = Metadata()
    address_type: str = "IPv4"
    endpoints: tuple[_Endpoint, ...] | None = None
    ports: tuple[_Port, ...] | None = None


class SliceList(msgspec.Struct, frozen=True):
    """One page of a list."""

    metadata: Metadata
    items: tuple[Slice, ...] | None = None


def engines_in(slices: Iterable[Slice], port: str | int | None) -> tuple[Found, ...]:
    """The engines that take calls: ready and not on their way out. `port` by name, by number, or the only one."""
    by_name: dict[str, Found] = {}
    # IPv4 first: a pod with addresses of both families is one engine.
    for each in sorted(slices, key=lambda each: (each.address_type, each.metadata.name)):
        number = _port(each, port)
        if number is None or each.address_type == "FQDN":
            continue
        for endpoint in each.endpoints or ():
            if endpoint.conditions.ready is not False and not endpoint.conditions.terminating and endpoint.addresses:
                host = endpoint.addresses[0]
                pod = endpoint.target_ref.name if endpoint.target_ref and endpoint.target_ref.kind == "Pod" else ""
                name = pod or address_name(host, number)
                by_name.setdefault(name, Found(name=name, host=host, port=number))
    return tuple(by_name.values())


def _port(each: Slice, wanted: str | int | None) -> int | None:
    if isinstance(wanted, int):
        return wanted
    ports = [port for port in each.ports or () if port.port and (wanted is None or port.name == wanted)]
    return ports[0].port if ports else None
