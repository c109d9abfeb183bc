"""Assesses packs of controls: every probe looks once, and a probe that cannot look never passes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from forebay.config.load import Loaded
from forebay.core.errors import ForebayError
from forebay.core.registry import Registry
from forebay.messages import _
from forebay.ops.compliance.control import Pack
from forebay.store.state_dir import StateDir

Verdict = Literal["pass", "fail", "not assessed"]
VERDICTS: tuple[Verdict, ...] = ("fail", "not assessed", "pass")
"""The worst first."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What runs: where clients, workers and the engines of each model are reached, and the processes of each unit."""

    url: str
    admin_url: str
    worker_urls: tuple[str, ...]
    engines: dict[str, tuple[str, ...]]
    pids: dict[str, int]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is examined: the configuration, its state directory, what runs (None: nothing does) and the clock.

    `key` is an API key to call with; without one, what only a caller sees is not assessed.
    """

    loaded: Loaded
    state: StateDir
    running: Running | None
    key: str | None
    now_s: float

    def call_headers(self) -> dict[str, str]:
        """The head of a call with the key, where there is one."""
        known = {"authorization": f"Bearer {self.key}"} if self.key else {}
        return {"content-type": "application/json", **known}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe saw: its verdict, the reason in one sentence, the evidence, and how to mend a failure."""

    verdict: Verdict
    why: str
    evidence: tuple[str, ...] = ()
    fix: str = ""


class Assessed(msgspec.Struct, frozen=True, kw_only=True):
    """A control with the outcomes of its probes, by their names."""

    id: str
    clause: str
    title: dict[str, str]
    verdict: Verdict
    outcomes: dict[str, Outcome]


class PackReport(msgspec.Struct, frozen=True, kw_only=True):
    """A pack, assessed."""

    name: str
    title: dict[str, str]
    edition: str
    controls: tuple[Assessed, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(control.verdict == verdict for control in self.controls)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was assessed, where and when (seconds since the epoch)."""

    service: str
    environment: str
    assessed_at: float
    packs: tuple[PackReport, ...]

    @property
    def failed(self) -> bool:
        return any(pack.count("fail") for pack in self.packs)


Probe = Callable[[Subject], Outcome]
probes: Registry[Probe] = Registry("compliance probe")


def load_probes() -> Registry[Probe]:
    """Every probe, loaded once."""
    probes.load("forebay.ops.compliance.probes")
    return probes


def assess(subject: Subject, packs: Sequence[Pack], looks: Registry[Probe]) -> Report:
    """Run each probe that a control asks for, once, and judge the controls by them."""
    wanted = {name for pack in packs for control in pack.controls for name in control.probes}
    outcomes = {name: _looked(looks[name], subject) for name in sorted(wanted)}
    return Report(
        service=subject.loaded.config.service,
        environment=subject.loaded.config.environment,
        assessed_at=subject.now_s,
        packs=tuple(_assessed(pack, outcomes) for pack in packs),
    )


def passed(why: str, *evidence: str) -> Outcome:
    """It is as the control demands."""
    return Outcome(verdict="pass", why=why, evidence=evidence)


def failed(why: str, *evidence: str, fix: str = "") -> Outcome:
    """It is not; `fix` says what to do."""
    return Outcome(verdict="fail", why=why, evidence=evidence, fix=fix)


def unknown(why: str, *evidence: str) -> Outcome:
    """It could not be looked at."""
    return Outcome(verdict="not assessed", why=why, evidence=evidence)


def not_running() -> Outcome:
    """What only a running service shows."""
    return unknown(_("the service does not run: start it with `forebay up`"))


def no_key() -> Outcome:
    """What only a caller with a key sees."""
    return unknown(_("this needs a key to call with: --key-file FILE"))


def _looked(probe: Probe, subject: Subject) -> Outcome:
    try:
        return probe(subject)
    except (ForebayError, OSError, sqlite3.Error) as error:
        return unknown(_("it could not be looked at: {why}").format(why=str(error).partition("\n")[0]))


def _assessed(pack: Pack, outcomes: dict[str, Outcome]) -> PackReport:
    controls = []
    for control in pack.controls:
        own = {name: outcomes[name] for name in control.probes}
        verdicts = {outcome.verdict for outcome in own.values()} or {"not assessed"}
        title = msgspec.structs.asdict(control.title)
        verdict = next(each for each in VERDICTS if each in verdicts)
        controls.append(Assessed(id=control.id, clause=control.clause, title=title, verdict=verdict, outcomes=own))
    title = msgspec.structs.asdict(pack.title)
    return PackReport(name=pack.name, title=title, edition=pack.edition, controls=tuple(controls))
