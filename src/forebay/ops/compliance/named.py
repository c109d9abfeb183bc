"""Who is named in the configuration as somebody to talk to, and at which addresses they are now."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from forebay.config.schema import Config

_KEYS = frozenset({"host", "address", "hosts"})


def addresses_named(config: Config) -> set[str]:
    """Every address of every host that a URL or a host's key of the configuration names."""
    return {address for host in hosts_named(config) for address in _addresses(host)}


def hosts_named(config: Config) -> set[str]:
    """Hosts, as they are written."""
    return set(_hosts(config.model_dump(mode="json"), ""))


def _hosts(value: object, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _hosts(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _hosts(each, key)
    elif isinstance(value, str):
        text = value if "://" in value else f"//{value}" if key in _KEYS else ""
        host = _host(text)
        if host:
            yield host


def _host(text: str) -> str:
    try:
        return urlsplit(text).hostname or ""
    except ValueError:
        return ""


def _addresses(host: str) -> Iterator[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for _family, _kind, _protocol, _name, place in found:
        yield str(ipaddress.ip_address(str(place[0]).partition("%")[0]))
