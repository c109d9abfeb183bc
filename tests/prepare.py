"""What the tests need beyond Python packages. `python -m tests.prepare`: slow once, then under a second."""

from __future__ import annotations

import sys

from forebay.core.errors import RunError
from tests import programs
from tests.engine import install


def main() -> int:
    """Exit 1 with the reason and the fix when something cannot be had."""
    programs.prepare(_say)
    if not install.wanted():
        _say(f"{install.OFF}=off: the tests with a real vLLM are left out")
        return 0
    try:
        install.prepare(_say)
    except RunError as error:
        _say(str(error))
        return error.exit_code
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"forebay: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
