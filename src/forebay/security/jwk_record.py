"""A public key of an issuer, as a snapshot holds it: to hold one takes no library of cryptography."""

from __future__ import annotations

import msgspec


class JwkRecord(msgspec.Struct, frozen=True):
    """A public key as workers hold it: its id, empty where it has none, and its public members as JSON."""

    kid: str
    jwk: str
