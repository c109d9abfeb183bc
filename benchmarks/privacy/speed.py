"""What searching costs in CPU time: here, with Python's own expressions, and with Presidio."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
from faker import Faker

from forebay.privacy.detector import Detector
from forebay.privacy.own import words_of
from forebay.privacy.policy import Actions, Pattern
from forebay.privacy.recogniser import load
from forebay.privacy.replace import Names, Replacer
from forebay.privacy.search import search, spans_of
from forebay.privacy.stream import Channel

_ENGLISH = (
    "The report says that the third quarter was better than the second, and that 42 of 57 teams met their goals. "
)
_CHINESE = "我们今天讨论一下这个项目的进展情况，需要在北京开一次会议，第三季度比第二季度好。"
PROMPTS = {
    "English, 2 KB, nothing in it": (_ENGLISH * 30)[:2048],
    "Chinese, 2 KB, nothing in it": (_CHINESE * 30)[:683],
    "code, 2 KB, nothing in it": "for (int i = 0; i < n; i++) { total += rows[i].price * 1.25; } // see RFC 9110\n"
    * 26,
    "English, 2 KB, three values": (_ENGLISH * 18)[:1980]
    + " call 13812345678 or a.b@example.com, 4111 1111 1111 1111.",
}
LISTED = 35_000
PRESIDIO = "presidio-analyzer==2.2.366"
_PEERS = Path.home() / ".cache" / "forebay" / "peers" / "presidio"
_PRESIDIO_PROGRAM = """
import json, sys, time, logging
logging.disable(logging.CRITICAL)
from presidio_analyzer import RecognizerRegistry, RecognizerResult
from presidio_analyzer.pattern_recognizer import PatternRecognizer
registry = RecognizerRegistry(); registry.load_predefined_recognizers(languages=["en"])
own = [each for each in registry.recognizers if isinstance(each, PatternRecognizer)]
told = {}
for name, text in json.load(sys.stdin).items():
    for each in own: each.analyze(text, each.supported_entities, None)
    began = time.process_time()
    for _ in range(10):
        for each in own: each.analyze(text, each.supported_entities, None)
    told[name] = (time.process_time() - began) / 10 * 1e6
print(json.dumps(told))
"""


def cost_us(work: Callable[[], object], times: int = 400) -> float:
    """CPU time of one of `times`, in microseconds; the least of five rounds."""
    work()
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(times // 5):
            work()
        best = min(best, (time.process_time() - began) / (times // 5))
    return best * 1e6


def prompts() -> dict[str, tuple[float, float]]:
    """By prompt what forebay takes, and what the same patterns take in Python's `re`, one after another."""
    detector = Detector(dict(load().items()))
    plain = [re.compile(each.pattern.encode()) for _, each in load().items() if each.pattern]
    plain.append(re.compile(rb"[0-9](?:[ .\-]{0,3}[0-9]){6,}"))
    told = {}
    for name, text in PROMPTS.items():
        written = text.encode()
        here = cost_us(lambda text=text: spans_of(text, detector))  # type: ignore[misc]
        there = cost_us(lambda written=written: [list(each.finditer(written)) for each in plain], 20)  # type: ignore[misc]
        told[name] = here, there
    return told


def listed() -> dict[str, float]:
    """What prompts without a value take with `LISTED` words of a file besides: people and companies, half Chinese."""
    Faker.seed(1)
    chinese, english = Faker("zh_CN"), Faker("en_US")
    words: dict[str, None] = {}
    while len(words) < LISTED:
        words |= dict.fromkeys((chinese.name(), chinese.company(), english.name(), english.company()))
    patterns = [Pattern(name="customer", listed="\n".join([*words][:LISTED]))]
    detector = Detector(dict(load().items()), words=words_of(patterns))
    names = [name for name in PROMPTS if name.endswith("nothing in it")]
    return {name: cost_us(lambda text=PROMPTS[name]: spans_of(text, detector)) for name in names}  # type: ignore[misc]


def chunks() -> dict[str, float]:
    """What a piece of a stream takes, of four characters, with the parsing of its event."""
    detector = Detector(dict(load().items()))
    told = {}
    for name, text in PROMPTS.items():
        pieces = [text[start : start + 4] for start in range(0, len(text), 4)]
        events = [orjson.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}) for piece in pieces]

        def work(events: list[bytes] = events) -> None:
            channel = Channel(search(detector), Replacer(Actions(), b"", Names(), frozenset(), detector.endless))
            for event in events:
                channel.add(orjson.loads(event)["choices"][0]["delta"]["content"])
            channel.finish()
            for _ in events:
                channel.take()

        told[name] = cost_us(work, 20) / len(pieces)
    return told


def presidio() -> dict[str, float]:
    """What Presidio's own patterns take, in an environment of its own; spaCy's models left out, in its favour."""
    python = _PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(_PEERS)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PRESIDIO], check=True)
    ran = subprocess.run(
        [str(python), "-c", _PRESIDIO_PROGRAM], input=json.dumps(PROMPTS), capture_output=True, text=True, check=True
    )
    told: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return told
