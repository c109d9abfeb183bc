"""A certificate authority of its own and a server certificate, made on first use, for development."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from forebay.core.errors import StateError
from forebay.core.files import write_atomically
from forebay.messages import _
from forebay.security.names import server_name
from forebay.security.pem import private_pem

LEAF_LIFE = timedelta(days=90)
RENEW_BEFORE = timedelta(days=30)
_CA_LIFE = timedelta(days=5 * 365)
_CLOCK_SKEW = timedelta(hours=1)


class CertificateFiles(msgspec.Struct, frozen=True):
    """Where a server's certificate lies. `ca` is what clients must trust; None for one of a public authority."""

    chain: Path
    key: Path
    ca: Path | None = None


def ensure_development(folder: Path, names: Sequence[str], now: datetime) -> CertificateFiles:
    """Make or renew what is missing, damaged, short of 30 days or without a name; keep the CA, which clients trust.

    Raises ConfigError for a malformed name, StateError where the CA's own files are damaged.
    """
    wanted = x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)])
    files = CertificateFiles(chain=folder / "server.pem", key=folder / "server-key.pem", ca=folder / "ca.pem")
    ca, ca_key = _authority(folder, now)
    if not _still_good(files, ca, wanted, now):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _leaf(wanted, key.public_key(), (ca, ca_key), now)
        # The key first: a crash between the two leaves a pair that does not match, which the next start replaces.
        write_atomically(files.key, private_pem(key), mode=0o600)
        write_atomically(files.chain, _pem(leaf), mode=0o644)
    return files


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    cert_path, key_path = folder / "ca.pem", folder / "ca-key.pem"
    if cert_path.exists() and key_path.exists():
        ca, key = _read_authority(cert_path, key_path)
        if ca.not_valid_after_utc > now + LEAF_LIFE:
            return ca, key
    key = ec.generate_private_key(ec.SECP256R1())
    ca = _new_authority(key, now)
    write_atomically(key_path, private_pem(key), mode=0o600)
    write_atomically(cert_path, _pem(ca), mode=0o644)
    return ca, key


def _read_authority(cert_path: Path, key_path: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        ca = x509.load_pem_x509_certificate(cert_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(cert_path, str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != ca.public_key():
        raise _damaged(cert_path, "key and certificate do not match")
    return ca, key


def _damaged(path: Path, detail: str) -> StateError:
    return StateError(
        _("the development CA is damaged"),
        where=str(path),
        fix=_("Remove ca.pem and ca-key.pem; a new CA is made, which clients must then trust"),
        code="development_ca_damaged",
        detail=detail,
    )


def _still_good(
    files: CertificateFiles, ca: x509.Certificate, wanted: x509.SubjectAlternativeName, now: datetime
) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate(files.chain.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        leaf.verify_directly_issued_by(ca)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    timely = leaf.not_valid_before_utc <= now and leaf.not_valid_after_utc - now >= RENEW_BEFORE
    return timely and key.public_key() == leaf.public_key() and set(names) == set(wanted)


def _new_authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    # The random part keeps two CAs of two projects apart in one trust store.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "forebay"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"forebay development CA {secrets.token_hex(4)}"),
        ]
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(name, name, key.public_key(), now, _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    names: x509.SubjectAlternativeName,
    key: ec.EllipticCurvePublicKey,
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    now: datetime,
) -> x509.Certificate:
    ca, ca_key = authority
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forebay edge")])
    ca_identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(subject, ca.subject, key, now, LEAF_LIFE)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    name = server_name(text)
    return x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
