"""`python -m benchmarks.privacy [--presidio] [--save]`: what masking finds, and costs at worst."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from benchmarks.overhead.report import machine
from benchmarks.privacy import hostile, speed
from benchmarks.privacy.corpus import CHECKED, negatives, positives
from forebay.privacy.detector import Detector
from forebay.privacy.recogniser import load
from forebay.privacy.search import spans_of

RESULTS = Path(__file__).parents[1] / "results" / "privacy.md"
_HEAD = """# Masking: what is found, and what it costs

`python -m benchmarks.privacy{options}` on {machine}.

Values come from Faker, python-stdnum and libphonenumber's examples, in ten sentences each; texts with none are order
numbers, hashes, UUIDs, times, versions, constants and measures. *Hidden* is a value that is masked whole, *with its own
name* one whose type and place are right, *wrongly found* what was found in texts with none or beside a value.
"""
_COST = """
## CPU time

The least of five rounds, one thread. Python's `re` runs the same patterns one after another, without folding or
judging; Presidio its own predefined patterns for English, without spaCy's model. A piece of a stream is four
characters, its event parsed and its text searched.
"""


_WORST = """
## The worst

{kilobytes} KB of one short text again and again, within what one call may have confirmed. Above, texts that make other
searches slow; below, the worst that a search over motifs (`benchmarks/privacy/hostile.py`) finds: in {seconds:g} s for
all types together, in {each:.1g} s for each alone. A request is searched in turns: between two steps of one the worker
serves everybody else.
"""


def main() -> int:
    """Print the tables; 1 where recall or precision is below what is promised."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.privacy")
    arguments.add_argument("--each", type=int, default=1_000, help="values of each type")
    arguments.add_argument("--negatives", type=int, default=36_000, help="texts with nothing in them")
    arguments.add_argument("--seed", type=int, default=20_241_122)
    arguments.add_argument("--presidio", action="store_true", help="measure Presidio, too")
    arguments.add_argument("--seconds", type=float, default=60, help="how long the worst text is looked for")
    arguments.add_argument("--misses", action="store_true", help="print what was missed or wrongly found")
    arguments.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    given = arguments.parse_args()
    good, found = _found(given.each, given.negatives, given.seed, misses=given.misses)
    options = " --presidio" * given.presidio + " --save" * given.save
    lines = [*found, _COST, *_cost(given.presidio), *_worst(given.seconds, given.seed), ""]
    page = "\n".join([_HEAD.format(options=options, machine=machine()), *lines])
    sys.stdout.write(page)
    if given.save:
        RESULTS.write_text(page, encoding="utf-8")
    return 0 if good else 1


def _found(each: int, none: int, seed: int, *, misses: bool) -> tuple[bool, list[str]]:
    """Whether what is promised holds, and the table."""
    detector = Detector(dict(load().items()))
    all_of, exact, hidden, wrong = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for kind, text, place in positives(each, seed):
        spans = spans_of(text, detector)
        is_hidden = any(span.start <= place[0] and place[1] <= span.end for span in spans)
        all_of[kind] += 1
        exact[kind] += any((span.type, span.start, span.end) == (kind, *place) for span in spans)
        hidden[kind] += is_hidden
        beside = [span for span in spans if span.start >= place[1] or span.end <= place[0]]
        wrong.update(span.type for span in beside)
        if misses and (beside or not is_hidden):
            sys.stderr.write(f"missed {kind} {text!r} {spans}\n")
    for text in negatives(none, seed):
        spans = spans_of(text, detector)
        wrong.update(span.type for span in spans)
        if misses and spans:
            sys.stderr.write(f"wrong {text!r} {spans}\n")
    lines = [f"{each} values of each type, {none} texts with none, seed {seed}.", ""]
    lines += ["| type | hidden | with its own name | wrongly found | precision |", "|---|---:|---:|---:|---:|"]
    for kind in sorted(all_of.keys() | wrong.keys()):
        total, precision = all_of[kind], exact[kind] / ((exact[kind] + wrong[kind]) or 1)
        recall = f"{hidden[kind] / total:.2%} | {exact[kind] / total:.2%}" if total else "- | -"
        lines.append(f"| `{kind}` | {recall} | {wrong[kind]} | {precision:.2%} |")
    recall_ratio = sum(hidden[kind] for kind in CHECKED) / sum(all_of[kind] for kind in CHECKED)
    right = sum(exact[kind] for kind in CHECKED)
    precision_ratio = right / (right + sum(wrong[kind] for kind in CHECKED))
    summary = f"Types with check digits: recall {recall_ratio:.2%}, precision {precision_ratio:.2%}."
    return recall_ratio >= 0.995 and precision_ratio >= 0.99, [*lines, "", summary]


def _cost(presidio: bool) -> list[str]:
    there = speed.presidio() if presidio else {}
    pieces = speed.chunks()
    lines = ["| text | forebay, µs | Python's `re`, µs | Presidio's patterns, µs | a piece of a stream, µs |"]
    lines.append("|---|---:|---:|---:|---:|")
    for name, (here, plain) in speed.prompts().items():
        peer = f"{there[name]:.0f}" if name in there else "-"
        lines.append(f"| {name} | {here:.1f} | {plain:.0f} | {peer} | {pieces[name]:.1f} |")
    for name, here in speed.listed().items():
        lines.append(f"| {name}, {speed.LISTED:,} words listed | {here:.1f} | - | - | - |")
    return lines


def _worst(seconds: float, seed: int) -> list[str]:
    types = dict(load().items())
    each_s = seconds / 2 / len(types)
    detector = Detector(types)
    lines = [_WORST.format(kilobytes=hostile.KILOBYTES, seconds=seconds / 2, each=each_s)]
    lines += ["| text | µs a KB | of a text of 1 MB | longest step, ms |", "|---|---:|---:|---:|"]
    texts = list(hostile.KNOWN.items())
    texts += [(f"`{_shown(motif)}`", motif) for _, motif in hostile.worst(detector, seconds / 2, seed)[:5]]
    for name, motif in texts:
        short, long = (hostile.cost_us_per_kb(motif, detector, size) for size in (hostile.KILOBYTES, 1024))
        step_ms = hostile.longest_step_ms(motif, detector)
        lines.append(f"| {name} | {short:.0f} | {long:.0f} | {step_ms:.1f} |")
    lines += ["", "| body | longest step, ms |", "|---|---:|"]
    lines += [
        f"| {name} | {hostile.longest_step_of_ms(body(), detector):.1f} |" for name, body in hostile.BODIES.items()
    ]
    lines += ["", "| type alone | its worst text | µs a KB |", "|---|---|---:|"]
    alone = hostile.each_alone(each_s, seed)
    for name, (cost_us, motif) in sorted(alone.items(), key=lambda each: -each[1][0])[:12]:
        lines.append(f"| `{name}` | `{_shown(motif)}` | {cost_us:.0f} |")
    return lines


def _shown(motif: str) -> str:
    return motif.encode("unicode_escape").decode().replace("|", "\\|").replace("`", "'")


if __name__ == "__main__":
    sys.exit(main())
