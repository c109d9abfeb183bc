"""Verdicts: the worst of a control's probes, and never a pass for what was not seen."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from forebay.config.load import load
from forebay.core.errors import RunError
from forebay.core.registry import Registry
from forebay.ops.compliance import report
from forebay.ops.compliance.control import Control, Pack, Text
from forebay.ops.compliance.run import Outcome, Probe, Report, Subject, Verdict, assess, failed, passed, unknown
from forebay.store.state_dir import StateDir

WORDS = Text(en="House", zh="内部")
PROBES: Registry[Probe] = Registry("probe")


@PROBES.add("good")
def good(_subject: Subject) -> Outcome:
    return passed("it is so", "seen <b>")


@PROBES.add("bad")
def bad(_subject: Subject) -> Outcome:
    return failed("it is not so", fix="Mend it")


@PROBES.add("open")
def unseen(_subject: Subject) -> Outcome:
    return unknown("nobody looked")


@PROBES.add("broken")
def broken(_subject: Subject) -> Outcome:
    raise RunError("the place is gone")


@PROBES.add("locked")
def locked(_subject: Subject) -> Outcome:
    raise sqlite3.OperationalError("database is locked")


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    file = tmp_path / "forebay.yaml"
    file.write_text("version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\n")
    return Subject(loaded=load(file), state=StateDir(tmp_path / "state"), running=None, key=None, now_s=0.0)


def judged(subject: Subject, *packs: Pack) -> Report:
    return assess(subject, packs, PROBES)


def house(*names: str) -> Pack:
    control = Control(id="h-1", clause="1", title=WORDS, probes=names)
    return Pack(name="house", title=WORDS, edition="1", controls=(control,))


@pytest.mark.parametrize(
    ("names", "verdict"),
    [
        (("good",), "pass"),
        (("good", "open"), "not assessed"),
        (("good", "broken"), "not assessed"),
        (("good", "locked"), "not assessed"),
        (("open", "bad", "good"), "fail"),
        ((), "not assessed"),
    ],
)
def test_a_control_has_the_worst_verdict_of_its_probes(
    subject: Subject, names: tuple[str, ...], verdict: Verdict
) -> None:
    found = judged(subject, house(*names))
    assert found.packs[0].controls[0].verdict == verdict
    assert found.failed == (verdict == "fail")


def test_a_probe_looks_once_however_many_controls_ask(subject: Subject) -> None:
    found = judged(subject, house("good"), house("good"))
    assert found.packs[0].controls[0].outcomes["good"] is found.packs[1].controls[0].outcomes["good"]


def test_the_page_shows_verdicts_and_evidence_and_loads_nothing(subject: Subject) -> None:
    text = report.page(judged(subject, house("good", "bad")), "zh")
    assert "seen &lt;b&gt;" in text
    assert "Mend it" in text
    assert "内部" in text
    assert not [mark for mark in ("http://", "https://", "<script", "<link", "url(") if mark in text]
