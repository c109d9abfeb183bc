"""The edge's files: rendered, checked by the program that is to read them, and only then put in place."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import resource
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from cryptography import x509

from forebay.config.schema import Config
from forebay.core.errors import ConfigError
from forebay.core.files import write_atomically
from forebay.engines.record import digest_of
from forebay.engines.spec import UnitSpec
from forebay.messages import _
from forebay.render.edge_programs import check, program_of
from forebay.render.generation import SOCKET, address
from forebay.render.site import Site
from forebay.security.development_ca import CertificateFiles, ensure_development
from forebay.security.tls import check_certificate
from forebay.store.state_dir import StateDir

_KEPT_CERTIFICATES = 3


def edge_unit(config: Config, state: StateDir) -> UnitSpec:
    """The process to hold. Its configuration is not in its digest: a running edge takes a new one by SIGHUP."""
    program = program_of(config)
    argv = tuple(program.argv(state.edge))
    return UnitSpec(
        name="edge",
        argv=argv,
        digest=digest_of(argv, {}),
        port=config.edge.https_port,
        env={"TZ": "UTC"},
        log=str(state.log("edge")),
        log_rotate_bytes=config.observe.log.rotate,
        log_keep=config.observe.log.keep,
        stop_s=min(config.edge.shutdown, config.gateway.timeouts.drain + 5.0),
        stop_signal=program.stop_signal,
        service=config.service,
        version=version("forebay"),
    )


def write_edge(config: Config, state: StateDir, worker_ports: Sequence[int], base: Path | None = None) -> bool:
    """Bring the edge's files up to date; returns whether they changed and a running edge must take them.

    `base` is what a certificate's relative path starts from. Raises ConfigError for an unusable certificate or value
    and RunError where its program refuses the result; either way the files in place stay what they were.
    """
    program, folder = program_of(config), state.edge
    (folder / "temp").mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate = _keep_certificate(server_certificate(config, state, base), folder)
    site = site_of(config, folder, certificate, worker_ports)
    if config.edge.clients is not None:
        authorities = _keep_authorities((base or Path.cwd()) / config.edge.clients.ca, folder)
        site = msgspec.structs.replace(site, client_ca=authorities)
    content = program.render(config, site)[program.conf].encode()
    target = folder / program.conf
    if target.exists() and target.read_bytes() == content:
        return False
    candidate = folder / f"{program.conf}.candidate"
    write_atomically(candidate, content)
    check(program, candidate, folder, config.edge.bind)
    candidate.replace(target)
    _prune(folder, certificate)
    return True


def clear_for_start(state: StateDir) -> None:
    """Take away what an edge that was killed left: nginx does not bind a socket whose file is there."""
    (state.edge / SOCKET).unlink(missing_ok=True)


def site_of(config: Config, folder: Path, certificate: Path, worker_ports: Sequence[int]) -> Site:
    """Where the edge's files lie on this machine, and what it allows."""
    return Site(
        folder=folder,
        certificate=certificate,
        worker_ports=tuple(worker_ports),
        connections=_connections(config),
        user=_worker_user(),
        generation=address(folder),
    )


def server_certificate(config: Config, state: StateDir, base: Path | None = None) -> CertificateFiles:
    """The operator's certificate, checked, or a development one; ConfigError with every reason it cannot be served."""
    now = datetime.now(UTC)
    own = config.edge.certificate
    if own is None:
        return ensure_development(state.tls, config.edge.server_names, now)
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
    return files


def _keep_certificate(files: CertificateFiles, folder: Path) -> Path:
    # A copy named by its content: key and chain change together, a crashed edge restarts with what was checked, and a
    # renewed certificate changes the configuration, which is how the reload comes about.
    content = files.key.read_bytes().rstrip() + b"\n" + files.chain.read_bytes()
    kept = folder / f"certificate-{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not kept.exists():
        write_atomically(kept, content)
    return kept


def _keep_authorities(ca: Path, folder: Path) -> Path:
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
    kept = folder / f"client-ca-{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not kept.exists():
        write_atomically(kept, content, mode=0o644)
    return kept


def _prune(folder: Path, current: Path) -> None:
    by_age = sorted(folder.glob("certificate-*.pem"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in by_age[_KEPT_CERTIFICATES:]:
        if old != current:
            old.unlink(missing_ok=True)


def _connections(config: Config) -> int:
    """Sockets of one process of the edge: two a call, within what the system lets a process open."""
    wanted = 2 * config.gateway.limits.connections + 512
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else hard - 64
    return max(64, min(wanted, allowed))


def _worker_user() -> tuple[str, str] | None:
    """Whom the edge's workers become where its master is root: they need no file, all are opened before."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_name, grp.getgrgid(nobody.pw_gid).gr_name
