"""`python -m forebay.substrate.ray.leash STATE UNIT`: ends an engine when the actor that started it has gone.

Whoever holds the other end of standard input is the actor; Ray kills actors without asking them.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate


def main(argv: list[str]) -> int:
    """Wait for the end of standard input, then see that nothing of the unit is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while sys.stdin.buffer.read(4096):
        pass
    substrate = LocalSubstrate(StateDir(Path(argv[0])))
    substrate.kill(argv[1])
    substrate.end_strays()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
