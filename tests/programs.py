"""Debian's own builds of the programs that read what forebay renders, unpacked into a cache outside the checkout."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

OFF = "FOREBAY_TEST_PROGRAMS"
# keepalived comes with the libraries that a small Debian lacks; the others stand alone.
PACKAGES = (
    "prometheus", "prometheus-alertmanager",
    "docker.io", "containerd", "runc", "tini", "iptables", "libip4tc2", "libip6tc2", "libxtables12",
    "libnetfilter-conntrack3", "libnfnetlink0", "libdevmapper1.02.1",
    "docker-compose", "python3-attr", "python3-cached-property", "python3-certifi", "python3-chardet",
    "python3-charset-normalizer", "python3-distro", "python3-docker", "python3-dockerpty", "python3-docopt",
    "python3-dotenv", "python3-idna", "python3-jsonschema", "python3-pkg-resources", "python3-pyrsistent",
    "python3-requests", "python3-setuptools", "python3-six", "python3-texttable", "python3-urllib3",
    "python3-websocket", "python3-yaml",
    "keepalived", "libmnl0", "libnftnl11", "libnl-3-200", "libnl-genl-3-200", "libsensors5", "libsnmp40",
    "pebble", "postgresql-15", "libpq5", "libxml2", "libicu72", "libldap-2.5-0", "libsasl2-2",
)  # fmt: skip
_PATIENCE_S = 180.0


def wanted() -> bool:
    """Whether they are used: `FOREBAY_TEST_PROGRAMS=off` leaves their tests out."""
    return os.environ.get(OFF, "on") != "off"


def prepare(say: Callable[[str], None]) -> None:
    """Unpack what the machine has not; where that is impossible, say so: the tests that need them are skipped."""
    if not wanted() or all(
        found(name) for name in ("promtool", "amtool", "keepalived", "dockerd", "docker-compose", "pebble", "postgres")
    ):
        return
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".locked").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        say("unpacking promtool, amtool, keepalived, Docker, pebble and PostgreSQL for the tests (130 MB, once)")
        for stale in folder.parent.glob(f"{folder.name}.building*"):
            shutil.rmtree(stale, ignore_errors=True)
        # A name of its own: what a killed run had started may still write into its draft.
        draft = folder.with_suffix(f".building-{os.getpid()}")
        draft.mkdir()
        try:
            _run(["apt-get", "download", "--quiet", *PACKAGES], draft)
            for package in sorted(draft.glob("*.deb")):
                _run(["dpkg-deb", "--extract", package.name, "."], draft)
                package.unlink()
        except (OSError, subprocess.SubprocessError) as error:
            say(f"they cannot be had, and their tests are left out: {error}")
            return
        draft.rename(folder)
        for older in folder.parent.glob("debian-programs-*[0-9]"):
            if older != folder:
                shutil.rmtree(older, ignore_errors=True)


def found(name: str) -> str | None:
    """Where a program lies: on the machine, or unpacked."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    places = ("usr/bin", "usr/sbin", "usr/lib/postgresql/*/bin")
    unpacked = os.pathsep.join(str(folder) for place in places for folder in _folder().glob(place))
    return shutil.which(name, path=path) or shutil.which(name, path=unpacked)


def environment() -> dict[str, str]:
    """For a program that was unpacked: its libraries lie beside it."""
    libraries = sorted({str(file.parent) for file in (_folder() / "usr" / "lib").rglob("*.so.*")})
    return {"PATH": os.environ.get("PATH", ""), "LD_LIBRARY_PATH": os.pathsep.join(libraries)}


def root() -> Path:
    """Where they were unpacked: a tree like that of a machine."""
    return _folder()


def _run(argv: list[str], folder: Path) -> None:
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=_PATIENCE_S)


def _folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forebay"
    release = Path("/etc/os-release").read_text(encoding="utf-8") if Path("/etc/os-release").exists() else ""
    codename = next(
        (line.partition("=")[2] for line in release.splitlines() if line.startswith("VERSION_CODENAME")), ""
    )
    return cache / f"debian-programs-{codename or 'unknown'}-4"
