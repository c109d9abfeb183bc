"""`verified.py SHA256 WEIGHTS KNOWN -- PROGRAM …`: runs the program once the weights are what they should be.

Needs nothing but Python, so that its text alone can be handed to an image that has no forebay. SHA256 is that of the
file WEIGHTS, or of SHA256SUMS in the folder WEIGHTS, which must name all other files. KNOWN is a file that remembers
sizes and times of what was read: nothing that has kept both is read again. Where no file can be kept it is `=` and what
was told as `weights seen: …` the time before.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SUMS = "SHA256SUMS"
SEEN = "weights seen: "
_READERS = 4
_WRONG = 65


class WrongWeightsError(Exception):
    """What differs."""


def main(argv: list[str]) -> int:
    """Become the program; return 65 where the weights are not what they should be."""
    sha256, weights, known, _dashes, *program = argv
    try:
        verify(sha256, Path(weights), known)
    except (WrongWeightsError, OSError) as error:
        _say("error", f"the weights are not what they should be: {error}")
        return _WRONG
    if program[1:2] == ["-m"] and program[2].startswith("forebay."):
        program[0] = sys.executable
    return os.execvp(program[0], program)  # noqa: S606  no shell: the engine takes our place


def verify(sha256: str, weights: Path, known: str) -> None:
    """Raise WrongWeightsError or OSError where a file differs, is missing, or is none that was named."""
    began_s = time.monotonic()
    files = _wanted(sha256, weights)
    seen = _fingerprint(sha256, files)
    if _remembered(known) == seen:
        _say("info", f"weights: {len(files)} files are unchanged since they were checked")
        return
    with ThreadPoolExecutor(_READERS) as readers:
        for path, wanted, found in zip(files, files.values(), readers.map(_sha256, files), strict=True):
            if found != wanted:
                raise WrongWeightsError(f"{path} has the SHA-256 {found}, not {wanted}")
    took_s = time.monotonic() - began_s
    gib = sum(path.stat().st_size for path in files) / 1024**3
    _say("info", f"weights: {len(files)} files of {gib:.1f} GiB are what they should be ({took_s:.1f} s)")
    if known.startswith("="):
        _say("info", f"{SEEN}{seen}")
        return
    Path(known).parent.mkdir(parents=True, exist_ok=True)
    Path(known).write_text(seen)


def _wanted(sha256: str, weights: Path) -> dict[Path, str]:
    """Every file and its SHA-256."""
    if not weights.is_dir():
        return {weights: sha256}
    sums = weights / SUMS
    if (found := _sha256(sums)) != sha256:
        raise WrongWeightsError(f"{sums} has the SHA-256 {found}, not {sha256}")
    files = {}
    for line in sums.read_text().splitlines():
        wanted, _space, name = line.partition(" ")
        name = name.lstrip(" *").removeprefix("./")
        if name.startswith("/") or ".." in Path(name).parts:
            raise WrongWeightsError(f"{sums} names a file outside of its folder: {name}")
        files[weights / name] = wanted.lower()
    there = {path for path in weights.rglob("*") if path.is_file()} - {sums}
    if unnamed := sorted(there - files.keys()):
        raise WrongWeightsError(f"{sums} does not name {unnamed[0]}")
    return files


def _fingerprint(sha256: str, files: dict[Path, str]) -> str:
    told = [sha256]
    for path in sorted(files):
        stat = path.stat()
        told.append(f"{path}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _remembered(known: str) -> str:
    if known.startswith("="):
        return known[1:]
    try:
        return Path(known).read_text()
    except OSError:
        return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _say(level: str, text: str) -> None:
    sys.stderr.write(f"{level}: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
