"""Engines as files and registrations write them: a URL, perhaps a name and a bound. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from forebay.discovery.found import DiscoveryError, Found
from forebay.discovery.naming import address_name

_URL = re.compile(r"http://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?/?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One engine as it is written."""

    url: str
    name: str | None = None
    max_outstanding: int | None = None


class _Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    engines: list[Entry]


def read_entries(content: Any) -> tuple[Found, ...]:
    """The engines of `{engines: [{url, name, max_outstanding}]}`; DiscoveryError where it is anything else."""
    try:
        listed = msgspec.convert(content, _Listed)
    except msgspec.ValidationError as error:
        raise DiscoveryError(f"the list of engines is not understood: {error}") from error
    found = tuple(found_at(entry) for entry in listed.engines)
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DiscoveryError(f"two engines are called {twice}")
    return found


def found_at(entry: Entry) -> Found:
    """The engine behind an entry; DiscoveryError where its URL or name is not of the right form."""
    match = _URL.fullmatch(entry.url)
    port = int(match[2] or 80) if match else 0
    if match is None or not 0 < port < 65536:
        raise DiscoveryError(f"{entry.url[:80]!r} is no http://host:port")
    if entry.name is not None and not _NAME.fullmatch(entry.name):
        raise DiscoveryError(f"{entry.name[:80]!r} cannot be the name of an engine")
    if entry.max_outstanding is not None and entry.max_outstanding < 1:
        raise DiscoveryError("max_outstanding is less than 1")
    host = match[1].strip("[]")
    return Found(
        name=entry.name or address_name(host, port), host=host, port=port, max_outstanding=entry.max_outstanding
    )
