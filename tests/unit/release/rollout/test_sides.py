"""For which side a line of the access log speaks, by its lane, its engine and its retries."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.release.rollout.sides import Sides

BESIDE = Sides(frozenset({"new"}), frozenset({"fresh"}))
ALONE = Sides(frozenset({"new"}))
SEVERAL = Sides(frozenset({"new", "new2"}))


def line(lane: str, engine: str, **more: Any) -> dict[str, Any]:
    tokens = {"input": 10, "output": 3}
    return {
        "message": "request", "lane": lane, "engine": engine, "status": 200, "tokens": tokens, "latency_ms": 9.0, **more
    }  # fmt: skip


CASES = {
    "canary": (BESIDE, line("canary", "new"), ("canary", True)),
    "baseline": (BESIDE, line("baseline", "fresh"), ("baseline", True)),
    "stable is no side beside a baseline": (BESIDE, line("stable", "old"), None),
    "stable is the other side without one": (ALONE, line("stable", "old"), ("baseline", True)),
    "chosen by a header or a tenant": (BESIDE, line("chosen", "new"), None),
    "no place: went elsewhere at once": (BESIDE, line("canary", "old"), None),
    "failed, answered elsewhere": (BESIDE, line("canary", "old", retries=1), ("canary", False)),
    "baseline failed, answered elsewhere": (BESIDE, line("baseline", "old", retries=1), ("baseline", False)),
    "an old one failed, answered by another": (ALONE, line("stable", "old", retries=1), ("baseline", False)),
    "first elsewhere, answered here": (BESIDE, line("canary", "new", retries=1), None),
    "one of several canaries failed": (SEVERAL, line("canary", "new2", retries=1), ("canary", False)),
    "failed to the end": (BESIDE, line("canary", "new", status=502, code="engine_lost"), ("canary", False)),
    "failed again and again": (BESIDE, line("canary", "new", status=502, retries=2), ("canary", False)),
    "refused before any engine": (BESIDE, line("canary", "", status=503, code="queue_full"), None),
    "asked for something wrong": (BESIDE, line("canary", "new", status=400), None),
    "left": (BESIDE, line("canary", "new", status=499, cancelled="client"), None),
    "a copy": (BESIDE, line("canary", "new", message="shadow"), None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_line_speaks_for(case: str) -> None:
    sides, told, wanted = CASES[case]
    seen = sides.seen(told)
    assert (None if seen is None else (seen.side, seen.ok)) == wanted


def test_only_copies_are_compared_in_a_shadow_rollout() -> None:
    sides = Sides(frozenset({"new"}), frozenset({"fresh"}), shadow=True)
    assert sides.seen(line("canary", "new")) is None
    assert sides.seen(line("canary", "new", message="shadow")) is not None


def test_what_was_before_a_switch_is_compared_in_its_errors_alone() -> None:
    seen = Sides(frozenset({"new"}), errors_only=True).seen(line("canary", "new", ttft_ms=5.0))
    assert seen is not None
    assert (seen.ok, seen.ttft_s, seen.itl_s, seen.output_tokens) == (True, None, None, None)
