"""Invariant: whatever a program prints, its holder writes one line of JSON: an object, and the program's own where it
printed one.
"""

from __future__ import annotations

import json

from forebay.engines.log_lines import Wrapper

_WRAPPER = Wrapper("engine", "service", "1.0")


def check(fuzzed: bytes) -> None:
    line = fuzzed.replace(b"\n", b" ")
    written = _WRAPPER.wrap(line)
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    assert type(json.loads(written.decode("utf-8", "replace"))) is dict
    assert written == line + b"\n" or b'"unit":"engine"' in written
