"""Searches for the text that costs most: short motifs, repeated, changed as long as that makes them worse."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from typing import Any

from forebay.gateway.privacy.walk import Walk
from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.policy import Actions
from forebay.privacy.recogniser import Recogniser, load
from forebay.privacy.redact import redaction
from forebay.privacy.replace import Names, Replacer
from forebay.privacy.search import spans_of

KILOBYTES = 64
"""How long the texts are: long enough that what a call may be searched for at most is spent."""

# What values of all kinds begin with and are made of, and what is folded, joins or ends them.
_PARTS = (
    *"aAxX0179EGS@._-+/:=%()#<&\\ ,\n\"", "\u200b", "１", "一", "京", "密码", "://", "a://b:", "eyJ",
    "eyJhbGciOiJIUzI1NiIs", "sk-", "AKIA", "ghp_", "-----BEGIN ", "PRIVATE KEY-----", "password", "token=", "pwd:",
    "GB29", "DE89", "+86", "138", "13812345678", "4111", "411111111111", "6222", "E1234567", "110105", "19491231",
    "::", "1.2.", "3c:22:", "415-555-", "(415)", "0086", "S1234567", "A12345678", "91350100M", "&#49;", "\\u0031",
    "<b>", "a@b.", "1 2 ",
)  # fmt: skip
_LONGEST = 6
KNOWN = {
    "a run of letters": "a",
    "digits": "7",
    "digits and dashes": "7-",
    "labels and dots": "a.",
    "`@` everywhere": "a@",
    "beginnings of keys": "-----BEGIN ",
    "beginnings of tokens": "eyJ.",
    "beginnings of addresses": "a://b:",
    "backslashes": "\\",
    "nothing between digits": "1\u200b",
    "numerals": "一三八",
    "names of passwords": "password=",
    "telephone numbers": "13812345678,",
}
"""What makes other searches slow, by what it is."""


def cost_us_per_kb(motif: str, detector: Detector, kilobytes: int = KILOBYTES) -> float:
    """CPU time of a kilobyte of a text of nothing but `motif`, within what one call may be searched for."""
    text = _repeated(motif, kilobytes)
    size_kb = len(text.encode()) / 1024
    best = float("inf")
    for _ in range(2):
        began = time.thread_time()
        spans_of(text, detector, Budget())
        best = min(best, time.thread_time() - began)
    return best / size_kb * 1e6


BODIES: dict[str, Callable[[], Any]] = {
    "1,000 keys of 1,000 characters": lambda: {f"{number:04}" + "&#49;<b>" * 125: None for number in range(1_000)},
    "60,000 short keys": lambda: {f"key {number}": None for number in range(60_000)},
    "500,000 numbers": lambda: [0] * 500_000,
    "500,000 empty lists": lambda: [[]] * 500_000,
}
"""Bodies with hardly a text in them, by what they are."""


def longest_step_ms(motif: str, detector: Detector, kilobytes: int = KILOBYTES) -> float:
    """CPU time of the longest step of a search of such a text, at whose end others are served; the least of three."""
    text = _repeated(motif, kilobytes)
    return _longest_ms(lambda: redaction(text, detector, _replacer(detector), budget=Budget()))


def longest_step_of_ms(body: Any, detector: Detector) -> float:
    """The same of a search of a JSON value."""
    return _longest_ms(lambda: Walk(detector, _replacer(detector), numbers=True, budget=Budget()).steps(body))


def _longest_ms(begin: Callable[[], Generator[None, None, object]]) -> float:
    best = float("inf")
    for _ in range(3):
        steps = begin()
        longest, began = 0.0, time.thread_time()
        for _ in steps:
            longest = max(longest, time.thread_time() - began)
            began = time.thread_time()
        best = min(best, max(longest, time.thread_time() - began))
    return best * 1e3


def _replacer(detector: Detector) -> Replacer:
    return Replacer(Actions(), b"", Names(), frozenset(), detector.endless)


def _repeated(motif: str, kilobytes: int) -> str:
    return (motif * (kilobytes * 1024 // len(motif.encode()) + 1))[: kilobytes * 1024]


def worst(detector: Detector, seconds: float, seed: int) -> list[tuple[float, str]]:
    """The costliest motifs found within `seconds`, the worst first."""
    dice, until = random.Random(seed), time.monotonic() + seconds  # noqa: S311
    seen: dict[str, float] = {}
    kept: list[str] = []
    while time.monotonic() < until:
        motif = _changed(dice, dice.choice(kept)) if kept and dice.random() < 0.6 else _drawn(dice)
        if not motif or motif in seen:
            continue
        seen[motif] = cost_us_per_kb(motif, detector)
        kept = sorted(seen, key=lambda each: -seen[each])[:12]
    return [(seen[motif], motif) for motif in kept]


def each_alone(seconds: float, seed: int) -> dict[str, tuple[float, str]]:
    """By recogniser what the worst text for it alone costs."""
    told = {}
    for name, recogniser in load().items():
        told[name] = worst(_only(name, recogniser), seconds, seed)[0]
    return told


def _only(name: str, recogniser: Recogniser) -> Detector:
    return Detector({name: recogniser})


def _drawn(dice: random.Random) -> str:
    return "".join(dice.choice(_PARTS) for _ in range(dice.randint(1, _LONGEST)))


def _changed(dice: random.Random, motif: str) -> str:
    place = dice.randrange(len(motif) + 1)
    ways: tuple[Callable[[], str], ...] = (
        lambda: motif[:place] + dice.choice(_PARTS) + motif[place:],
        lambda: motif[:place] + motif[place + 1 :],
        lambda: motif[:place] + dice.choice(_PARTS) + motif[place + 1 :],
        lambda: motif + dice.choice(_PARTS),
    )
    return dice.choice(ways)()[:60]
