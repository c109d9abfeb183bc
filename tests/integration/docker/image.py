"""forebay's image without a registry: what the Dockerfile installs, taken from what is installed here, as a tar.

The interpreter, its libraries and the locked packages are kept in the cache, named by what they are made of; forebay's
own source, which changes, is added each time. Users, paths and the entry point are read from the Dockerfile itself.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[3]
_TOP = "opt/forebay"
_LOCKS = ("run", "embedded")
_UNWANTED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3"}
_PIECE_BYTES = 1024 * 1024
_VERSION = "1"


def write_image(to: IO[bytes]) -> None:
    """Write the root file system as a tar."""
    with _base().open("rb") as base:
        shutil.copyfileobj(base, to, _PIECE_BYTES)
    with tarfile.open(fileobj=to, mode="w|") as tar:
        for path in sorted((ROOT / "src").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                tar.add(path, f"{_site()}/{path.relative_to(ROOT / 'src')}", filter=_owned_by_root)
        metadata = distribution("forebay")
        for name in ("METADATA", "entry_points.txt"):
            _add_text(tar, f"{_site()}/forebay-{metadata.version}.dist-info/{name}", metadata.read_text(name) or "")


def changes() -> list[str]:
    """What the last stage of the Dockerfile says besides its files, as `docker import` takes it."""
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    told = re.findall(r"^(?:ENV|USER|ENTRYPOINT|CMD) .*$", last, re.MULTILINE)
    return [word for line in told for word in ("--change", line)]


def _base() -> Path:
    """The part that does not change, without the end of a tar, so that more can follow."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forebay"
    base = cache / f"image-{_key()}.tar"
    if not base.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = base.with_suffix(f".{os.getpid()}")
        with draft.open("wb") as file:
            tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  closing ends it
            _fill(tar)
        draft.rename(base)
        for older in cache.glob("image-*.tar"):
            if older != base:
                older.unlink(missing_ok=True)
    return base


def _key() -> str:
    told = [_VERSION, sys.version, *((ROOT / f"requirements/{lock}.lock").read_text() for lock in _LOCKS)]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:12]


def _site() -> str:
    return f"{_TOP}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def _fill(tar: tarfile.TarFile) -> None:
    files = dict(_interpreter()) | dict(_packages())
    for name, path in sorted(files.items()):
        tar.add(path.resolve(), name, filter=_owned_by_root)
    for path in _libraries([*files.values(), Path("/bin/sh")]):
        tar.add(Path(path).resolve(), path.lstrip("/"), filter=_owned_by_root)
    tar.add(Path("/bin/sh").resolve(), "bin/sh", filter=_owned_by_root)
    for name in ("python3", f"python3.{sys.version_info.minor}"):
        link = tarfile.TarInfo(f"{_TOP}/bin/{name}")
        link.type, link.linkname = tarfile.SYMTYPE, "python"
        tar.addfile(link)
    script = f"#!/{_TOP}/bin/python\nfrom forebay.cli.main import main\nraise SystemExit(main())\n"
    _add_text(tar, f"{_TOP}/bin/forebay", script, mode=0o755)
    _add_text(tar, "etc/passwd", "root:x:0:0::/:/bin/sh\n")
    for folder, mode, owner in (("tmp", 0o1777, 0), ("var/lib/forebay", 0o700, 10001), ("etc/forebay", 0o755, 0)):
        made = tarfile.TarInfo(folder)
        made.type, made.mode, made.uid, made.gid = tarfile.DIRTYPE, mode, owner, owner
        tar.addfile(made)


def _interpreter() -> Iterator[tuple[str, Path]]:
    yield f"{_TOP}/bin/python", Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    for path in library.rglob("*"):
        parts = path.relative_to(library).parts
        unwanted = _UNWANTED & set(parts) or parts[0].startswith("config-") or "tkinter" in path.name
        if path.is_file() and path.suffix != ".pyc" and not unwanted:
            yield f"{_TOP}/lib/{library.name}/{'/'.join(parts)}", path


def _packages() -> Iterator[tuple[str, Path]]:
    for lock in _LOCKS:
        for name in re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / f"requirements/{lock}.lock").read_text(), re.MULTILINE):
            try:
                files = distribution(name).files or []
            except PackageNotFoundError:  # for another Python
                continue
            for file in files:
                path = Path(str(file.locate()))
                if ".." not in file.parts and path.suffix != ".pyc" and path.is_file():
                    yield f"{_site()}/{file}", path


def _libraries(files: list[Path]) -> set[str]:
    """Shared libraries of the system that programs and modules are linked with, and those for looking names up."""
    linked = [str(path.resolve()) for path in files if ".so" in path.name or os.access(path, os.X_OK)]
    found: set[str] = set()
    for first in range(0, len(linked), 64):
        told = subprocess.run(["ldd", *linked[first : first + 64]], capture_output=True, text=True, check=False).stdout
        found |= set(re.findall(r"(/\S+\.so[.\d]*) \(0x", told))
    own = tuple(str(path.parent) for path in files if "site-packages" in path.parts)
    names = Path(next(path for path in found if path.endswith("/libc.so.6"))).parent
    found |= {str(path) for path in names.glob("libnss_*.so.2")} | {str(names / "libresolv.so.2")}
    return {path for path in found if not path.startswith(own)}


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    executable = member.mode & 0o111 or "/bin/" in member.name
    member.mode = 0o755 if member.isdir() or executable else 0o644
    return member


def _add_text(tar: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.size = mode, len(text.encode())
    tar.addfile(member, io.BytesIO(text.encode()))


def write_program(to: IO[bytes], program: Path, owns: str) -> None:
    """Write the root file system of an image that holds one program, and a folder that nobody else may write."""
    with tarfile.open(fileobj=to, mode="w|") as tar:
        tar.add(program.resolve(), f"bin/{program.name}", filter=_owned_by_root)
        for path in _libraries([program]):
            tar.add(Path(path).resolve(), path.lstrip("/"), filter=_owned_by_root)
        _add_text(tar, "etc/passwd", "nobody:x:65534:65534::/:/bin/false\n")
        made = tarfile.TarInfo(owns)
        made.type, made.mode, made.uid, made.gid = tarfile.DIRTYPE, 0o755, 65534, 65534
        tar.addfile(made)
