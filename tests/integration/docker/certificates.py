"""An authority, a daemon's certificate and a client's, as `dockerd --tlsverify` wants them."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
_Key = ec.EllipticCurvePrivateKey


def write_certificates(folder: Path, address: str) -> None:
    """Write ca.pem, and a certificate and a key each for `server` at `address` and for `client`."""
    folder.mkdir()
    authority = ec.generate_private_key(ec.SECP256R1())
    _write(folder, "ca", _signed("authority", authority, authority, []), authority)
    server: list[x509.ExtensionType] = [
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
    ]
    client: list[x509.ExtensionType] = [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]
    for name, extensions in (("server", server), ("client", client)):
        key = ec.generate_private_key(ec.SECP256R1())
        _write(folder, name, _signed(name, key, authority, extensions), key)


def _signed(name: str, key: _Key, authority: _Key, extensions: list[x509.ExtensionType]) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=not extensions, path_length=None), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(authority, hashes.SHA256())


def _write(folder: Path, name: str, certificate: x509.Certificate, key: _Key) -> None:
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}-key.pem").write_bytes(secret)
