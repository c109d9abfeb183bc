"""Two runs are told apart only where they differ, and a report holds everything that it shows."""

import re
from html.parser import HTMLParser

import msgspec
import pytest
from tests.unit.tune.report.made import run

from forebay.core.errors import StateError
from forebay.messages import speak
from forebay.tune.report.compare import compare
from forebay.tune.report.measured import Measured, encode, read, read_all
from forebay.tune.report.page import page


def verdicts(found):
    return {each.name: each.verdict for each in found.measures}


def test_the_same_service_is_the_same_within_noise():
    # Bonferroni over all measures promises at most one run in twenty to be called other than it is.
    found = [compare(run(2 * seed), run(2 * seed + 1)).verdict for seed in range(6)]
    assert found.count("same") >= 5


def test_a_slower_service_is_worse_and_by_how_much():
    found = compare(run(1), run(2, factor=1.2))
    assert found.verdict == "worse"
    first = next(each for each in found.measures if each.name == "TTFT P50, ms")
    assert first.verdict == "worse"
    assert first.ci95_change is not None
    assert first.ci95_change[0] < 0.2 < first.ci95_change[1]


def test_a_faster_one_is_better():
    assert compare(run(1, factor=1.3), run(2)).verdict == "better"


def test_runs_too_short_to_tell_are_not_called_the_same():
    found = compare(run(1, rate_rps=1.0, length_s=10.0), run(2, rate_rps=1.0, length_s=10.0))
    assert "unknown" in verdicts(found).values()
    assert found.verdict == "unknown"


def test_failures_count_against_it_even_where_it_is_faster():
    found = compare(run(1, factor=1.3), run(2, failing=0.1))
    assert verdicts(found)["failed, share"] == "worse"
    assert found.verdict == "worse"
    assert "after: a <doubt>" in found.notes


def test_loads_that_differ_are_named():
    assert any("loads differ" in note for note in compare(run(1), run(1, rate_rps=10.0)).notes)


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    file = tmp_path / "run.json"
    file.write_bytes(run(1).encode())
    assert read(file).encode() == run(1).encode()
    file.write_bytes(encode([run(1), run(2)]))
    assert len(read_all(file)) == 2
    with pytest.raises(StateError, match="holds 2 runs"):
        read(file)


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"\xff", b"nonsense"])
def test_what_is_no_run_is_refused(tmp_path, text):
    file = tmp_path / "run.json"
    file.write_bytes(text)
    with pytest.raises(StateError, match="no result"):
        read_all(file)


def test_a_run_of_another_schema_is_refused(tmp_path):
    file = tmp_path / "run.json"
    file.write_bytes(msgspec.structs.replace(run(1), schema=99).encode())
    with pytest.raises(StateError, match="schema 99"):
        read(file)


def test_a_key_is_never_in_a_report():
    assert b"key" not in msgspec.json.encode(run(1).target.without_key).replace(b'"key":""', b"")


class Balance(HTMLParser):
    """Whether every element is closed, and what would be loaded from elsewhere."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.loaded += [name for name, _value in attrs if name in {"src", "href", "srcset", "action"}]

    def handle_startendtag(self, tag, attrs):
        self.loaded += [name for name, _value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "runs", [[run(1)], [run(1), run(2, factor=1.3, failing=0.2)], [run(n, rate_rps=5.0 * n) for n in (1, 2, 3)]]
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_holds_everything_it_shows(runs: list[Measured], language):
    before = speak(language)
    try:
        text = page(runs)
    finally:
        speak("en")
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert parser.loaded == []
    assert "<script" not in text
    assert "url(" not in text
    assert "<m&m>" not in text
    assert "nan" not in re.sub(r"<[^>]*>", "", text).split()
    assert f'<html lang="{before}">' in text
    assert text.count("<svg") >= 6
