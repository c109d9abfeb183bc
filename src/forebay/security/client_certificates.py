"""Certificates of clients, as the edge passes them on: checked there against its authority, read here for the names."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from urllib.parse import unquote_to_bytes

import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

_LIMIT_BYTES = 16 * 1024
_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "dns",
    x509.UniformResourceIdentifier: "uri",
    x509.RFC822Name: "email",
    x509.IPAddress: "ip",
}


class Shown(msgspec.Struct, frozen=True):
    """A client's certificate: its names, as `dns:`, `uri:`, `email:` and `ip:`, and when it ends (epoch seconds)."""

    names: tuple[str, ...]
    expires_at: float


def shown(header: bytes, now: datetime) -> Shown | None:
    """What the edge's header says: PEM as nginx escapes it, or base64 of DER as HAProxy writes it.

    None where it is no certificate of a client now: unreadable, out of time, an authority's, for servers alone.
    """
    try:
        certificate = _read(header)
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, binascii.Error, x509.ExtensionNotFound):
        return None
    timely = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
    if is_authority or not timely or not _for_clients(certificate):
        return None
    said = tuple(f"{kind}:{name.value}" for name in names if (kind := _KINDS.get(type(name))) is not None)
    return Shown(said, certificate.not_valid_after_utc.timestamp())


def _read(header: bytes) -> x509.Certificate:
    if len(header) > _LIMIT_BYTES:
        raise ValueError("too long")
    if header.startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(unquote_to_bytes(header))
    return x509.load_der_x509_certificate(base64.b64decode(header, validate=True))


def _for_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage
