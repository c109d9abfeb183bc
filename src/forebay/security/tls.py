"""Whether a server certificate can be served: everything wrong with it, before anything is switched to it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from forebay.core.errors import Finding, Severity
from forebay.messages import _, ngettext
from forebay.security.names import covers, server_name

WARN_BEFORE = timedelta(days=21)
_LEAST_RSA_BITS = 2048


def check_certificate(chain: Path, key: Path, names: Sequence[str], now: datetime) -> list[Finding]:
    """Find what is wrong with a certificate for `names`: unreadable, mismatched, out of time, incomplete."""
    try:
        certificates = x509.load_pem_x509_certificates(chain.read_bytes())
    except (OSError, ValueError) as error:
        return [_finding("certificate_unreadable", chain, _("the certificate cannot be read: {e}").format(e=error))]
    findings = _check_key(certificates[0], key, chain)
    findings += _check_time(certificates, chain, now)
    findings += _check_names(certificates[0], names, chain)
    findings += _check_chain(certificates, chain)
    if not any(finding.severity == "error" for finding in findings):
        findings += _check_loads(chain, key)
    return findings


def _check_key(leaf: x509.Certificate, key: Path, chain: Path) -> list[Finding]:
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        is_open = bool(key.stat().st_mode & 0o077)
    except TypeError:
        why = _("the private key is encrypted, and nobody is there to type its password")
        return [_finding("certificate_key_unreadable", key, why, _("Store it unencrypted with mode 0600"))]
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        # The reason may quote the file: for a private key only its kind is told.
        why = _("the private key cannot be read ({kind})").format(kind=type(error).__name__)
        return [_finding("certificate_key_unreadable", key, why)]
    findings = []
    if private.public_key() != leaf.public_key():
        why = _("the private key belongs to another certificate than {chain}").format(chain=chain)
        findings.append(_finding("certificate_key_mismatch", key, why))
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < _LEAST_RSA_BITS:
        why = _("an RSA key of {bits} bits is too short").format(bits=private.key_size)
        findings.append(_finding("certificate_key_weak", key, why, _("Use P-256, or RSA with 2048 bits or more")))
    if is_open:
        why = _("others may read the private key")
        findings.append(_finding("certificate_key_open", key, why, f"chmod 600 {key}", severity="warning"))
    return findings


def _check_time(certificates: Sequence[x509.Certificate], chain: Path, now: datetime) -> list[Finding]:
    findings = []
    starts = max(certificate.not_valid_before_utc for certificate in certificates)
    ends = min(certificate.not_valid_after_utc for certificate in certificates)
    if now < starts:
        why = _("the certificate is not valid before {date:%Y-%m-%d %H:%M} UTC").format(date=starts)
        findings.append(_finding("certificate_not_yet_valid", chain, why, _("Check the clock of this machine")))
    if now >= ends:
        why = _("the certificate has expired on {date:%Y-%m-%d %H:%M} UTC").format(date=ends)
        findings.append(_finding("certificate_expired", chain, why, _("Renew it")))
    elif ends - now < WARN_BEFORE:
        left = (ends - now).days
        why = ngettext(
            "the certificate expires on {date:%Y-%m-%d}, in {n} day",
            "the certificate expires on {date:%Y-%m-%d}, in {n} days",
            left,
        ).format(date=ends, n=left)
        findings.append(_finding("certificate_expires_soon", chain, why, _("Renew it"), severity="warning"))
    return findings


def _check_names(leaf: x509.Certificate, names: Sequence[str], chain: Path) -> list[Finding]:
    try:
        held = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns, addresses = held.get_values_for_type(x509.DNSName), held.get_values_for_type(x509.IPAddress)
    except x509.ExtensionNotFound:
        dns, addresses = [], []  # a name in the subject alone is not believed by any client of today
    missing = [name for name in names if not _is_covered(server_name(name), dns, list(addresses))]
    if not missing:
        return []
    why = _("the certificate does not cover {names}").format(names=", ".join(missing))
    fix = _("Have it issued for them, or take them out of edge.server_names")
    return [_finding("certificate_name", chain, why, fix)]


def _is_covered(name: str | IPv4Address | IPv6Address, dns: list[str], addresses: Sequence[object]) -> bool:
    if isinstance(name, str):
        return any(covers(pattern, name) for pattern in dns)
    return name in addresses


def _check_chain(certificates: Sequence[x509.Certificate], chain: Path) -> list[Finding]:
    for place, (child, issuer) in enumerate(pairwise(certificates), start=2):
        try:
            child.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            why = _("certificate {n} of the file did not issue the one before it").format(n=place)
            fix = _("Put the server's certificate first, then each issuer")
            return [_finding("certificate_chain", chain, why, fix)]
    return []


def _check_loads(chain: Path, key: Path) -> list[Finding]:
    # A context of its own: a failed load leaves a live context that breaks every later handshake.
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
    except (ssl.SSLError, OSError) as error:
        return [_finding("certificate_refused", chain, _("OpenSSL refuses the certificate: {e}").format(e=error))]
    return []


def _finding(rule: str, where: Path, why: str, fix: str = "", *, severity: Severity = "error") -> Finding:
    return Finding(rule=rule, severity=severity, where=str(where), why=why, fix=fix)
