"""What an edge's files need to know of the machine they are for."""

from __future__ import annotations

from pathlib import Path

import msgspec

CHALLENGES = r"/\.well-known/acme-challenge/"
"""Where an ACME authority asks, as both programs' expressions have it."""
ASKED = "[A-Za-z0-9_-]{22,128}"
CLOSED = "# There is no certificate yet: nobody is let in."


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration does not say: where things lie on this machine, and what it allows.

    `certificate` is one PEM file with the key and the chain, `client_ca` one of authorities for clients, `client_crl`
    one of the certificates that they took back. `connections`
    are sockets that the edge may hold. `user` and group are what its workers become where it is started as root.
    `generation` is the unix socket on which it tells which file it runs, for one that is looked after. `challenge` is
    what an ACME authority wants to hear behind each of its tokens. `closed`: there is no certificate yet, and nobody is
    let in.
    """

    folder: Path
    certificate: Path
    worker_ports: tuple[int, ...]
    connections: int = 4096
    user: tuple[str, str] | None = None
    generation: str = ""
    client_ca: Path | None = None
    client_crl: Path | None = None
    challenge: str = ""
    closed: bool = False

    @property
    def authorities(self) -> Path:
        """Where the authorities for clients lie: beside the certificate, unless it is said."""
        return self.client_ca or self.folder / "client-ca.pem"

    @property
    def revoked(self) -> Path:
        """Where the lists of revoked certificates of clients lie."""
        return self.client_crl or self.folder / "client-crl.pem"
