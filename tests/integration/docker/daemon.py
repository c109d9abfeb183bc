"""A Docker daemon of Debian's in a machine of namespaces: its containers, files and processes go with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import IO

from tests import programs
from tests.integration.docker.image import changes, write_image
from tests.integration.ray.machines import Machine

from forebay.testing.worker import wait_for

IMAGE = f"forebay:{version('forebay')}"
_START_S = 120.0
_BEST_TO_WORST = ("overlay2", "vfs")
_GENERAL = {"rw", "ro", "nosuid", "nodev", "noexec", "relatime", "xattr", "nsdelegate", "memory_recursiveprot"}


class NoDaemon(Exception):
    """Why no daemon can run here."""


class Daemon:
    """Runs in `machine` until `stop`; `kill` takes the daemon alone and leaves its containers."""

    def __init__(self, machine: Machine, *flags: str, tools: Path | None = None) -> None:
        self.machine = machine
        self._flags = flags
        # Its sockets lie below it, and their paths may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="d", dir="/tmp"))
        self.socket = f"unix://{self.folder}/docker.sock"
        self.log = self.folder / "daemon.log"
        self._cgroup = f"forebay-{self.folder.name}"
        self._running: subprocess.Popen[bytes] | None = None
        self._driver = ""
        try:
            self._start_with_a_driver()
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        """Start it and wait until it answers."""
        given = ("--storage-driver", self._driver, "--data-root", f"{self.folder}/data", "--live-restore")
        given += ("--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid", "--host", self.socket)
        given += ("--cgroup-parent", f"/{self._cgroup}", "--userland-proxy-path", programs.found("docker-proxy") or "")
        argv = ["sh", "-c", f'{_mounts()} exec "$0" "$@"', programs.found("dockerd") or "", *given, *self._flags]
        with self.log.open("ab") as log:
            self._running = self.machine.run(argv, self.environment(), stdout=log, stderr=log)
        running = self._running

        def answers() -> bool:
            if running.poll() is not None:
                raise NoDaemon(self.log.read_text()[-2000:])
            return self.docker("version", check=False).returncode == 0

        wait_for("the daemon answers", answers, _START_S)

    def kill(self) -> None:
        """SIGKILL to the daemon; its containers stay."""
        self.machine.output("kill", "-9", (self.folder / "pid").read_text().strip())
        assert self._running is not None
        self._running.wait()
        # Its containerd has died with it, and stays a zombie where the first process is no init.
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `docker` for it."""
        argv = [programs.found("docker") or "", "--host", self.socket, *words]
        done = subprocess.run(
            self.machine.argv(*argv), capture_output=True, text=True, check=False, timeout=300, env=self.environment()
        )
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
        return done

    def load_image(self) -> None:
        """Make forebay's image here."""
        self.load(IMAGE, changes(), write_image)

    def load(self, image: str, changed: list[str], write: Callable[[IO[bytes]], None]) -> None:
        """Make an image of the tar that `write` writes."""
        argv = [programs.found("docker") or "", "--host", self.socket, "import", *changed, "-", image]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as loading:
            assert loading.stdin is not None
            write(loading.stdin)
            loading.stdin.close()
            assert loading.wait(_START_S) == 0

    def stop(self) -> None:
        """End it, its containers and what it wrote."""
        if self._running is not None and self._running.poll() is None:
            containers = self.docker("ps", "--all", "--quiet", check=False).stdout.split()
            self.docker("rm", "--force", "--volumes", *containers, check=False)
        self.machine.kill()
        if self._running is not None:
            self._running.wait(_START_S)
        _forget_cgroup(self._cgroup)
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """What Debian's programs need where they were unpacked."""
        found = programs.environment()
        tools = self.folder / "tools"
        if not tools.exists():  # the names that its packages' scripts would have made
            tools.mkdir()
            multi = programs.found("xtables-legacy-multi") or ""
            for name in ("iptables", "ip6tables"):
                for verb in ("", "-save", "-restore"):
                    (tools / f"{name}{verb}").symlink_to(multi)
        unpacked = [str(programs.root() / part) for part in ("usr/bin", "usr/sbin")]
        path = os.pathsep.join([str(tools), *unpacked, os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        plugins = next((str(each) for each in (programs.root() / "usr/lib").rglob("xtables") if each.is_dir()), "")
        return {**found, "PATH": path, "XTABLES_LIBDIR": plugins, "HOME": str(self.folder)}

    def _start_with_a_driver(self) -> None:
        """vfs always works and copies the image for each container; overlay2 does not work everywhere."""
        for driver in _BEST_TO_WORST:
            self._driver = driver
            try:
                self.start()
                return
            except NoDaemon:
                if driver == _BEST_TO_WORST[-1]:
                    raise


def why_not() -> str:
    """Why no daemon can be tried here; empty where it can."""
    if not programs.wanted():
        return f"{programs.OFF}=off"
    if os.geteuid() != 0:
        return "a Docker daemon needs root"
    if not all(programs.found(name) for name in ("dockerd", "docker", "docker-proxy", "runc", "containerd")):
        return "Debian's docker.io could not be had"
    return ""


def path() -> str:
    """PATH for those who call `docker`."""
    return os.pathsep.join([os.environ.get("PATH", ""), str(Path(programs.found("docker") or "").parent)])


def _mounts() -> str:
    """What a daemon needs mounted, as a script: a /run of its own, and cgroups, which a new /sys hides."""
    told = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    cgroups = [(kind, at, options) for _name, at, kind, options, *_rest in told if kind.startswith("cgroup")]
    lines = ["mountpoint -q /sys/fs/cgroup || {", "mount -t tmpfs tmpfs /run;"]
    if not any(at == "/sys/fs/cgroup" for _kind, at, _options in cgroups):
        lines.append("mount -t tmpfs tmpfs /sys/fs/cgroup;")
    for kind, at, options in cgroups:
        controllers = ",".join(option for option in options.split(",") if option not in _GENERAL)
        lines.append(f"mkdir -p {at}; mount -t {kind} {f'-o {controllers}' if kind == 'cgroup' else ''} cgroup {at};")
    return " ".join([*lines, "};"])


def _forget_cgroup(name: str) -> None:
    """The daemon leaves its own empty folders behind."""
    for top in (*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")):
        for folder in sorted((each for each in top.rglob("*") if each.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()
