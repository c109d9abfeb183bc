"""The edge's files: rendered, checked by the program that is to read them, and only then put in place."""

from __future__ import annotations

import grp
import os
import pwd
import re
import resource
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from forebay.config.schema import Config
from forebay.core.files import write_atomically
from forebay.engines.record import digest_of
from forebay.engines.spec import UnitSpec
from forebay.privacy.stores import log_span_s
from forebay.render.edge_certificate import (
    KEPT,
    challenge_of,
    keep_authorities,
    keep_certificate,
    keep_revoked,
    prune,
    server_certificate,
)
from forebay.render.edge_programs import check, program_of
from forebay.render.generation import SOCKET, address
from forebay.render.site import CLOSED, Site
from forebay.store.state_dir import StateDir

_AUTHORITIES = re.compile(rb"client-ca-[0-9a-f]{16}\.pem")
_REVOKED = re.compile(rb"client-crl-[0-9a-f]{16}\.pem")
_ANSWER = re.compile(rb"(?:\$forebay_token|%\[path,field\(4,/\)\])\.([A-Za-z0-9_-]{43})")


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
        log_span_s=log_span_s(config),
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
    served = server_certificate(config, state, base)
    certificate = keep_certificate(served.files, folder)
    clients, root = config.edge.clients, base or Path.cwd()
    site = msgspec.structs.replace(
        site_of(config, folder, certificate, worker_ports),
        client_ca=None if clients is None else keep_authorities(root / clients.ca, folder),
        client_crl=None if clients is None or clients.crl is None else keep_revoked(root / clients.crl, folder),
        challenge=challenge_of(config, state, base),
        closed=served.closed,
    )
    content = program.render(config, site)[program.conf].encode()
    target = folder / program.conf
    if target.exists() and target.read_bytes() == content:
        return False
    candidate = folder / f"{program.conf}.candidate"
    write_atomically(candidate, content)
    check(program, candidate, folder, config.edge.bind)
    candidate.replace(target)
    prune(folder, content)
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


def site_in(content: bytes, folder: Path, worker_ports: Sequence[int], config: Config) -> Site:
    """The site that a file was rendered for: what in it is the machine's own, and no release says."""

    def named(pattern: re.Pattern[bytes]) -> Path | None:
        found = pattern.search(content)
        return folder / found[0].decode() if found else None

    challenge = _ANSWER.search(content)
    return msgspec.structs.replace(
        site_of(config, folder, named(KEPT) or folder, worker_ports),
        client_ca=named(_AUTHORITIES),
        client_crl=named(_REVOKED),
        challenge=challenge[1].decode() if challenge else "",
        closed=CLOSED.encode() in content,
    )


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
