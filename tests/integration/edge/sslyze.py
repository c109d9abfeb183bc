"""sslyze in an environment of its own, pinned and cached: it wants other releases of packages than forebay."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

_PINNED = "sslyze==6.3.1"


def program() -> Path:
    """The Python that has sslyze; installed on first use."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forebay"
    folder = cache / _PINNED.replace("==", "-")
    python, done = folder / "bin" / "python", folder / "installed"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{folder.name}.locked").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", _PINNED], check=True)
            done.touch()
    return python
