"""Which certificate the edge serves: the operator's, one that came by ACME, or one for development."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography import x509

from forebay.config.schema import Config
from forebay.config.secrets import resolve
from forebay.core.errors import ConfigError
from forebay.core.files import write_atomically
from forebay.messages import _
from forebay.security.acme.account import account_key, thumbprint
from forebay.security.acme.due import CERTIFICATE
from forebay.security.development_ca import CertificateFiles, ensure_development
from forebay.security.tls import check_certificate
from forebay.store.state_dir import StateDir

_KEPT = 3
_COPIES = ("certificate", "client-ca", "client-crl")
_NOBODY = "closed.invalid"
_CRL_END = b"-----END X509 CRL-----"
# Clients see these and judge for themselves: better than no answer while a new certificate is under way.
_SERVED_ALL_THE_SAME = {"certificate_expired", "certificate_not_yet_valid", "certificate_name"}


class Served(msgspec.Struct, frozen=True):
    """`closed`: there is none yet, the files only stand where a certificate must stand, and nobody is let in."""

    files: CertificateFiles
    closed: bool = False


def server_certificate(config: Config, state: StateDir, base: Path | None = None) -> Served:
    """The certificate to serve; ConfigError with every reason why the operator's cannot be served."""
    now = datetime.now(UTC)
    if config.edge.acme is not None:
        return _obtained(config, state, now)
    own = config.edge.certificate
    if own is None:
        return Served(ensure_development(state.tls, config.edge.server_names, now))
    kind, _colon, place = own.key.partition(":")
    if kind != "file":
        raise ConfigError(
            _("the edge reads its key from a file"), where="edge.certificate.key", fix=_("Write it as `file:PATH`")
        )
    root = base or Path.cwd()
    files = CertificateFiles(chain=root / own.chain, key=root / place)
    findings = check_certificate(files.chain, files.key, config.edge.server_names, now)
    errors = tuple(finding for finding in findings if finding.severity == "error")
    if errors:
        raise ConfigError(_("the certificate cannot be served"), findings=errors, where="edge.certificate")
    return Served(files)


def challenge_of(config: Config, state: StateDir, base: Path | None = None) -> str:
    """What an ACME authority wants to hear behind its tokens; empty where none is asked. Makes the account's key."""
    acme = config.edge.acme
    if acme is None:
        return ""
    given = None if acme.account_key is None else resolve(acme.account_key, base or Path.cwd())
    return thumbprint(account_key(state.acme, given))


KEPT = re.compile(rb"certificate-[0-9a-f]{16}\.pem")
"""What `keep_certificate` calls its copies, as the edge's own files name them."""


def keep_certificate(files: CertificateFiles, folder: Path) -> Path:
    """A copy named by its content: key and chain change together, a crashed edge restarts with what was checked, and a
    renewed certificate changes the configuration, which is how the reload comes about."""
    content = files.key.read_bytes().rstrip() + b"\n"
    if files.chain != files.key:
        content += files.chain.read_bytes()
    kept = folder / f"certificate-{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not kept.exists():
        write_atomically(kept, content)
    return kept


def keep_authorities(ca: Path, folder: Path) -> Path:
    """A copy of the authorities for clients, named by its content. Raises ConfigError where they are none."""
    try:
        content = ca.read_bytes()
        read = x509.load_pem_x509_certificates(content)
        usable = all(each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for each in read)
    except (OSError, ValueError, x509.ExtensionNotFound):
        usable = False
    if not usable:
        raise ConfigError(
            _("the authorities for clients cannot be read, or are none"),
            where="edge.clients.ca",
            fix=_("Name a PEM file with certificates of authorities alone"),
        )
    return _kept(content, "client-ca", folder)


def keep_revoked(crl: Path, folder: Path) -> Path:
    """A copy of the lists of revoked certificates. Raises ConfigError where they cannot be read or one has ended."""
    try:
        content = crl.read_bytes()
        lists = [x509.load_pem_x509_crl(part + _CRL_END) for part in content.split(_CRL_END)[:-1]]
    except (OSError, ValueError):
        lists = []
    ends = [each.next_update_utc for each in lists]
    if not ends or any(end is None or end <= datetime.now(UTC) for end in ends):
        raise ConfigError(
            _("the list of revoked certificates of clients cannot be read, or has ended"),
            where="edge.clients.crl",
            fix=_("Name a PEM file with the newest list of each authority"),
        )
    return _kept(content, "client-crl", folder)


def prune(folder: Path, configuration: bytes) -> None:
    """Take away copies that are long out of use; never one that `configuration` names."""
    for name in _COPIES:
        by_age = sorted(folder.glob(f"{name}-*.pem"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in by_age[_KEPT:]:
            if old.name.encode() not in configuration:
                old.unlink(missing_ok=True)


def _kept(content: bytes, name: str, folder: Path) -> Path:
    """A public file, named by its content."""
    kept = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not kept.exists():
        write_atomically(kept, content, mode=0o644)
    return kept


def _obtained(config: Config, state: StateDir, now: datetime) -> Served:
    """What the authority gave; before it gave any, development goes on with its own, and elsewhere nobody is let in."""
    path, names = state.acme / CERTIFICATE, config.edge.server_names
    findings = check_certificate(path, path, names, now)
    if not any(each.severity == "error" and each.rule not in _SERVED_ALL_THE_SAME for each in findings):
        return Served(CertificateFiles(chain=path, key=path))
    if config.environment == "development":
        return Served(ensure_development(state.tls, names, now))
    return Served(ensure_development(state.acme / "closed", [_NOBODY], now), closed=True)
