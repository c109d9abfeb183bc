"""Imports everything that a visit runs, and says at once what is missing: `python -m benchmarks.gpu.imports`."""

from __future__ import annotations

import importlib
import sys

NEEDED = (
    "forebay.cli.tune",
    "forebay.engines.holder",
    "forebay.gateway.worker",
    "forebay.substrate.local",
    "forebay.tune.front",
    "forebay.tune.load.worker",
    "forebay.tune.page",
    "forebay.tune.report.page",
    "forebay.tune.session",
    "forebay.tune.told",
    "benchmarks.gpu.crowd",
    "benchmarks.gpu.foretell",
    "benchmarks.gpu.ladder",
    "benchmarks.gpu.through",
)


def main() -> int:
    """The number of modules that cannot be imported."""
    missing = 0
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing += 1
            sys.stdout.write(f"MISSING {name}: {error}\n")
    sys.stdout.write(f"python {sys.version.split()[0]}, {missing} of {len(NEEDED)} missing\n")
    return missing


if __name__ == "__main__":
    sys.exit(main())
