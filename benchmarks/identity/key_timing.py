"""`python -m benchmarks.identity.key_timing [--save]`: whether the time of a check tells how much of a key was right.

A dudect test: 4,000 guesses of each of two kinds, each guess a text of its own, checked 25 times in random order.
Welch's t is over the texts, each with its median: where a text lies in memory shifts all of its checks alike, and
25 of them are not 25 observations. Beyond 4.5 the two kinds could be told apart; both are wrong keys.
`tests/unit/security` counts the steps, this is the clock. Ids are no secret: whether one exists is shown, and not held
to the bound.
"""

from __future__ import annotations

import argparse
import gc
import math
import random
import secrets
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from forebay.gateway.snapshot import KeyRecord
from forebay.security.keys import digest, new_key, verify

_TEXTS, _CHECKS = 4_000, 25
_BOUND = 4.5
_PEPPER = "0" * 64
_PUBLIC = "an unknown id"
_SAVED = Path(__file__).parents[1] / "results" / "key_timing.md"
_Guess = Callable[[], str]


def main() -> int:
    """Print a table; exit 1 where two kinds can be told apart."""
    parser = argparse.ArgumentParser(prog="benchmarks.identity.key_timing", allow_abbrev=False)
    parser.add_argument("--save", action="store_true", help="write the table into benchmarks/results")
    arguments = parser.parse_args()
    made = [new_key() for _ in range(10_000)]
    records = {each[1]: KeyRecord(id=each[1], digest=digest(_PEPPER, each[2]), tenant="t") for each in made}
    kinds: dict[str, _Guess] = {_PUBLIC: lambda: _key(new_key()[1], new_key()[2])}
    for name, right in (
        ("a known id", 0),
        ("and its first character", 1),
        ("and half of its secret", 21),
        ("all but three", 40),
    ):
        kinds[name] = partial(_nearly, made, right)
    lines, worst = ["| guesses | t | mean, ns |", "|---|---|---|"], 0.0
    for one, other in (("a known id", other) for other in kinds if other != "a known id"):
        t, means = _compared(records, kinds[one], kinds[other])
        worst = max(worst, abs(t) if other != _PUBLIC else 0.0)
        lines.append(f"| {one} / {other} | {t:+.2f} | {means[0]:.1f} / {means[1]:.1f} |")
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if arguments.save:
        over = f"Welch's t over 2 x {_TEXTS:,} wrong keys, {_CHECKS} checks each"
        said = f"{over}; told apart beyond {_BOUND}. Ids are public.\n"
        head = "# The time that a wrong key takes\n\n`python -m benchmarks.identity.key_timing --save`\n\n"
        _SAVED.write_text(f"{head}{said}\n{text}", "utf-8")
    return int(worst > _BOUND)


def _nearly(made: Sequence[tuple[str, str, str]], right: int) -> str:
    """A guess at one of the keys, of whose secret so many characters are right."""
    _text, identity, secret = secrets.choice(made)
    return _key(identity, secret[:right] + new_key()[2][right:])


def _key(identity: str, secret: str) -> str:
    """A key with a right checksum, as whoever guesses would write it."""
    body = f"fb_{identity}_{secret}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def _compared(records: dict[str, KeyRecord], one: _Guess, other: _Guess) -> tuple[float, tuple[float, float]]:
    chance = random.Random(20_261_122)  # noqa: S311  an order, no secret
    kinds = [0, 1] * _TEXTS
    chance.shuffle(kinds)
    guesses: list[tuple[int, str, list[int]]] = [(kind, (one, other)[kind](), []) for kind in kinds]
    gc.collect()
    gc.disable()
    try:
        for _ in range(_CHECKS):
            chance.shuffle(guesses)
            for _kind, text, took_ns in guesses:
                began = time.perf_counter_ns()
                verify(records, _PEPPER, text, 1.0)
                took_ns.append(time.perf_counter_ns() - began)
    finally:
        gc.enable()
    found = [[statistics.median(took_ns) for kind, _text, took_ns in guesses if kind == which] for which in (0, 1)]
    means = statistics.fmean(found[0]), statistics.fmean(found[1])
    spread = math.sqrt(sum(statistics.variance(medians) / len(medians) for medians in found))
    return (means[0] - means[1]) / spread, means


if __name__ == "__main__":
    raise SystemExit(main())
