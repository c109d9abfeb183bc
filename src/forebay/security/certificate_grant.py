"""What a certificate's name opens, as a snapshot says it: to say so takes no library of cryptography."""

from __future__ import annotations

import msgspec


class CertificateGrant(msgspec.Struct, frozen=True):
    """What a name in a client's certificate stands for."""

    tenant: str
    scopes: tuple[str, ...] = ()
