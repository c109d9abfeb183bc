"""`python -m benchmarks.privacy [--presidio]`: recall and precision, then CPU time."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from benchmarks.privacy import speed
from benchmarks.privacy.corpus import CHECKED, negatives, positives
from forebay.privacy.detector import Detector
from forebay.privacy.recogniser import load
from forebay.privacy.scan import spans_of


def main() -> int:
    """Print three tables; 1 where recall or precision is below what is promised."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.privacy")
    arguments.add_argument("--each", type=int, default=1_000, help="values of each type")
    arguments.add_argument("--negatives", type=int, default=36_000, help="texts with nothing in them")
    arguments.add_argument("--seed", type=int, default=20_241_122)
    arguments.add_argument("--presidio", action="store_true", help="measure Presidio, too")
    arguments.add_argument("--misses", action="store_true", help="print what was missed or wrongly found")
    given = arguments.parse_args()
    good = _found(given.each, given.negatives, given.seed, misses=given.misses)
    _cost(with_presidio=given.presidio)
    return 0 if good else 1


def _found(each: int, none: int, seed: int, *, misses: bool) -> bool:
    detector = Detector(dict(load().items()))
    all_of, exact, hidden, wrong = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for kind, text, place in positives(each, seed):
        all_of[kind] += 1
        spans = spans_of(text, detector)
        exact[kind] += any((span.type, span.start, span.end) == (kind, *place) for span in spans)
        is_hidden = any(span.start <= place[0] and place[1] <= span.end for span in spans)
        hidden[kind] += is_hidden
        for span in spans:
            wrong[span.type] += not (span.start < place[1] and place[0] < span.end)
        if misses and not is_hidden:
            print("missed", kind, repr(text), spans)  # noqa: T201
    for text in negatives(none, seed):
        for span in spans_of(text, detector):
            wrong[span.type] += 1
            if misses:
                print("wrong", span.type, repr(text), text[span.start : span.end])  # noqa: T201
    print(f"{each} values of each type, {none} texts with none, seed {seed}\n")  # noqa: T201
    print("| type | hidden | with its own name | wrongly found | precision |\n|---|---:|---:|---:|---:|")  # noqa: T201
    for kind in sorted(all_of.keys() | wrong.keys()):
        total, precision = all_of[kind], exact[kind] / ((exact[kind] + wrong[kind]) or 1)
        recall = f"{hidden[kind] / total:.2%} | {exact[kind] / total:.2%}" if total else "- | -"
        print(f"| {kind} | {recall} | {wrong[kind]} | {precision:.2%} |")  # noqa: T201
    values = sum(all_of[kind] for kind in CHECKED)
    recall = sum(hidden[kind] for kind in CHECKED) / values
    right = sum(exact[kind] for kind in CHECKED)
    precision = right / (right + sum(wrong[kind] for kind in CHECKED))
    print(f"\nTypes with check digits: recall {recall:.2%}, precision {precision:.2%}")  # noqa: T201
    return recall >= 0.995 and precision >= 0.99


def _cost(*, with_presidio: bool) -> None:
    there = speed.presidio() if with_presidio else {}
    pieces = speed.chunks()
    print("\n| text | forebay, µs | Python's re, µs | Presidio's patterns, µs | a piece of a stream, µs |")  # noqa: T201
    print("|---|---:|---:|---:|---:|")  # noqa: T201
    for name, (here, plain) in speed.prompts().items():
        peer = f"{there[name]:.0f}" if name in there else "-"
        print(f"| {name} | {here:.1f} | {plain:.0f} | {peer} | {pieces[name]:.1f} |")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
