"""Peers from PyPI, each in an environment of its own beside this one: cached, pinned, never in the project's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

_CACHE = Path.home() / ".cache" / "forebay" / "peers"


class Absent(Exception):
    """A peer cannot be had on this machine; the text says why."""


def program_of(program: str, *requirements: str) -> str:
    """Path of a program of the first requirement, installed on first use; Absent where that fails."""
    folder = _CACHE / f"{requirements[0].replace('==', '-')}-py{sys.version_info[0]}.{sys.version_info[1]}"
    found = folder / "bin" / program
    if not found.exists():
        shutil.rmtree(folder, ignore_errors=True)
        sys.stderr.write(f"installing {requirements[0]} into an environment of its own\n")
        python = folder / "bin" / "python"
        for argv in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
        ):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                raise Absent(f"{requirements[0]} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    if not found.exists():
        raise Absent(f"{requirements[0]} has no program {program}")
    return str(found)
