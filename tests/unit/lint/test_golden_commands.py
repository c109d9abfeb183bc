"""Commands as operators run them, with everything that lint says about each: a false error is as bad as a miss.

`golden/commands.json` holds them; FOREBAY_WRITE_GOLDEN=1 writes what is said now, to be read before it is committed.
"""

from __future__ import annotations

import json
import os

import pytest
from tests.unit.lint.served import GOLDEN, judged

PATH = GOLDEN / "commands.json"
CASES = json.loads(PATH.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_command_is_judged_as_recorded(case: dict[str, object]) -> None:
    text = (GOLDEN / str(case["file"])).read_text(encoding="utf-8") if "file" in case else str(case["command"])
    release = str(case["release"]) if case.get("release") else None
    kind = str(case.get("kind", "command"))
    found = judged(text, str(case["hardware"]), str(case.get("model", "")), release, kind)
    said = [f"{finding.severity} {finding.rule} {finding.where}" for finding in found]
    if os.environ.get("FOREBAY_WRITE_GOLDEN"):
        case["said"] = said
        PATH.write_text(json.dumps(CASES, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert case["said"] == said
