"""Certificates of every kind for tests: good ones, and each that a careful client or server refuses."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_HOUR = timedelta(hours=1)


class Issued(NamedTuple):
    """A certificate, its key, and the files that hold them; `chain` holds the issuers below the root too."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: Path
    key_file: Path


class Authority:
    """A root whose certificate is in `ca`; what it issues lies in its folder under a name."""

    def __init__(self, folder: Path, name: str = "root") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(name, self._key, ca=True, names=(), usage=None, days=(-1, 30), issuer=None)
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(pem(self._certificate))

    def issue(
        self,
        file: str,
        names: Sequence[str | x509.GeneralName] = ("localhost", "127.0.0.1"),
        *,
        days: tuple[float, float] = (-1, 30),
        client: bool = False,
        ca: bool = False,
        through: Issued | None = None,
    ) -> Issued:
        """A certificate for `names`; none: only a common name. `through`: issued by that intermediate."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = None if ca else (ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH)
        issuer = (through.certificate, through.key) if through else (self._certificate, self._key)
        common = "localhost" if not ca else file
        made = self._sign(common, key, ca=ca, names=names, usage=usage, days=days, issuer=issuer)
        chain, key_file = self.folder / f"{file}.pem", self.folder / f"{file}-key.pem"
        chain.write_bytes(pem(made) + (pem(through.certificate) if through else b""))
        key_file.write_bytes(_private(key))
        key_file.chmod(0o600)
        return Issued(made, key, chain, key_file)

    def revoked(self, *gone: Issued, days: float = 7) -> Path:
        """A list of what was taken back, good for so many days from now."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._certificate.subject)
        builder = builder.last_update(now - timedelta(days=30)).next_update(now + timedelta(days=days))
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False).add_extension(x509.CRLNumber(1), critical=False)
        for each in gone:
            entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now - _HOUR).build())
        path = self.folder / "revoked.pem"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def _sign(
        self,
        common: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
        names: Sequence[str | x509.GeneralName],
        usage: x509.ObjectIdentifier | None,
        days: tuple[float, float],
        issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
        by, by_key = (subject, key) if issuer is None else (issuer[0].subject, issuer[1])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(_usage(ca=ca), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(by_key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(text: str | x509.GeneralName) -> x509.GeneralName:
    if isinstance(text, x509.GeneralName):
        return text
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
