"""Files of the operator that the edge reads, as secrets of compose: where each lies, and where it is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_FOUND = "/run/secrets"


class EdgeFile(msgspec.Struct, frozen=True):
    """A key below `edge` that names a file; `prefix` stands before its path there."""

    key: tuple[str, ...]
    secret: str
    prefix: str = ""

    @property
    def lies(self) -> str:
        """Beside compose.yaml."""
        return f"./tls/{self.secret.removeprefix('tls_').replace('_', '-')}.pem"


_FILES = (
    EdgeFile(("certificate", "chain"), "tls_chain"),
    EdgeFile(("certificate", "key"), "tls_key", "file:"),
    EdgeFile(("clients", "ca"), "clients_ca"),
    EdgeFile(("clients", "crl"), "clients_crl"),
    EdgeFile(("acme", "ca"), "acme_ca"),
    EdgeFile(("acme", "account_key"), "acme_account_key", "file:"),
    EdgeFile(("acme", "external_account", "key"), "acme_external_key", "file:"),
)


def secrets(edge: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The project's secrets by name, of the edge's section."""
    return {each.secret: {"file": each.lies} for each, _section in _named(edge)}


def moved(edge: dict[str, Any]) -> dict[str, Any]:
    """The section with paths as the container has them; changes what it is given."""
    for each, section in _named(edge):
        section[each.key[-1]] = f"{each.prefix}{_FOUND}/{each.secret}"
    return edge


def _named(edge: dict[str, Any]) -> Iterator[tuple[EdgeFile, dict[str, Any]]]:
    """Files that the section names, each with the mapping that holds its key. What comes by `env:` is no file."""
    for each in _FILES:
        section: Any = edge
        for name in each.key[:-1]:
            section = section.get(name) if isinstance(section, dict) else None
        value = section.get(each.key[-1]) if isinstance(section, dict) else None
        if isinstance(value, str) and value.startswith(each.prefix):
            yield each, section
