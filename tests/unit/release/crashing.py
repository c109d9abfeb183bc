"""Runs one operation on the store and dies by SIGKILL before its k-th change of the disk: `crashing.py K DO ROOT`.

Prints what it did to standard error, one line each, so that the test can see that nothing becomes visible before it
lies on the disk.
"""

import os
import signal
import sys
from pathlib import Path

from forebay.release import durable
from forebay.release.store import Store
from forebay.release.version import Created

CALLS = ("open", "write", "fsync", "rename", "replace", "symlink", "mkdir", "unlink", "chmod")


def main(limit: int, operation: str, root: Path) -> None:
    store, state = Store(root / "configs"), root / "running.json"
    count = 0

    def guarded(name, real):
        def call(*given, **named):
            nonlocal count
            count += 1
            if count == limit:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*given, **named)
            sys.stderr.write(f"{name} {given[0]} = {result}\n")
            return result

        return call

    for name in CALLS:
        setattr(os, name, guarded(name, getattr(os, name)))
    files = {"config/production.json": b'{"new": 1}', "edge/production/nginx.conf": b"new " * 1000}
    if operation == "save":
        store.save(files, Created(by="a", at=1.0), "v2")
    elif operation == "switch":
        store.make_current("production", "v2")
    elif operation == "file":
        durable.write_file(state, b"new" * 1000)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
