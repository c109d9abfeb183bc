"""Quality probes: what a file may hold, and when a canary fails them."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.core.errors import ConfigError
from forebay.release.rollout.probes import Asked, judged, read
from forebay.release.rollout.state import Probe

HOLDS = Probe(prompt="Capital of France?", holds="paris")
MATCHES = Probe(prompt="2 + 2?", matches=r"\b4\b")
AGREES = Probe(prompt="Say hello.", agrees=True)


def test_a_file_of_probes(tmp_path: Path) -> None:
    path = tmp_path / "probes.yaml"
    path.write_text("- {prompt: Hi, holds: hello}\n- {prompt: Hi, matches: 'h.llo', model: m, max_tokens: 5}\n")
    assert read(path) == (
        Probe(prompt="Hi", holds="hello"),
        Probe(prompt="Hi", matches="h.llo", model="m", max_tokens=5),
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "- just text", "- {prompt: Hi}", "- {holds: hi}", "- {prompt: Hi, holds: [1]}",
        "- {prompt: Hi, matches: '('}", "- {prompt: Hi, holds: hi, wants: x}", "- {prompt: Hi, agrees: maybe}",
        "- {prompt: Hi, holds: hi, max_tokens: 0}", "[", "- {1: 2}", "- {prompt: Hi, holds: hi}\n" * 201,
    ],
)  # fmt: skip
def test_what_is_no_probe_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "probes.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"probes\.yaml"):
        read(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "probes.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError):
        read(path)


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        (Asked(HOLDS, "It is Paris.", "Paris"), "pass"),
        (Asked(HOLDS, "It is Rome.", "Paris"), "fail"),
        (Asked(HOLDS, "It is Rome.", "Rome"), "pass"),  # neither can: that is not the release's doing
        (Asked(HOLDS, None, "Paris"), "insufficient data"),
        (Asked(HOLDS, "Paris", None), "insufficient data"),
        (Asked(MATCHES, "It is 4.", "4"), "pass"),
        (Asked(MATCHES, "It is 44.", "4"), "fail"),
        (Asked(AGREES, " Hello  there", "Hello there"), "pass"),
        (Asked(AGREES, "Bonjour", "Hello"), "fail"),
    ],
)
def test_the_canary_must_not_fail_what_the_baseline_passes(asked: Asked, outcome: str) -> None:
    assert judged([asked], 0.0).outcome == outcome


def test_some_may_fail_where_that_is_tolerated_and_their_prompts_are_named() -> None:
    asked = [Asked(HOLDS, "Rome", "Paris"), *[Asked(MATCHES, "4", "4")] * 9]
    assert judged(asked, 0.1).outcome == "pass"
    found = judged(asked, 0.05)
    assert found.outcome == "fail"
    assert "Capital of France?" in found.why
    assert "Rome" not in found.why
