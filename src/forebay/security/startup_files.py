"""Files that run with every start of this Python, before any of our code: each must be one that is known.

A `.pth` file whose lines begin with `import` is a program. One came with a stolen release of a package that many
gateways install, and its RECORD named it, so that a file is recorded excuses nothing: only known ones are excused.
"""

from __future__ import annotations

import site
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path

_KNOWN_PROGRAMS = {"distutils-precedence.pth", "_virtualenv.pth"}
_KNOWN_STARTERS = ("sitecustomize", "usercustomize")
_PROGRAM = ("import ", "import\t")
_LIMIT_BYTES = 64 * 1024


def foreign_startup_files(folders: Sequence[Path] | None = None) -> tuple[tuple[Path, str], ...]:
    """Every file that runs or adds places to import from, and that nobody vouches for, with the reason."""
    places = _places() if folders is None else folders
    recorded = _recorded(places)
    found = [(path, why) for place in places for path in sorted(place.glob("*.pth")) if (why := _why(path, recorded))]
    for place in places:
        for name in _KNOWN_STARTERS:
            found += [(path, "it runs with every start") for path in sorted(place.glob(f"{name}.py"))]
    return tuple(found)


def _why(path: Path, recorded: frozenset[Path]) -> str:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            return "it is too long to be looked at"
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if any(line.startswith(_PROGRAM) for line in lines) and path.name not in _KNOWN_PROGRAMS:
        return "it runs code with every start"
    if path.resolve() not in recorded:
        return "no installed package names it"
    return ""


def _places() -> list[Path]:
    named = [*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if site.ENABLE_USER_SITE:
        named.append(site.getusersitepackages())
    return [path for text in dict.fromkeys(named) if text in sys.path and (path := Path(text)).is_dir()]


def _recorded(places: Iterable[Path]) -> frozenset[Path]:
    """Only lines about `.pth` files are read: taking every record apart would cost seconds."""
    return frozenset(
        Path(str(each.locate_file(line.split(",")[0]))).resolve()
        for each in distributions(path=[str(place) for place in places])
        for line in (each.read_text("RECORD") or "").splitlines()
        if ".pth," in line
    )
