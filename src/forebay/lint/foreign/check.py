"""Launches that forebay did not write, as rules see engines, with everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from forebay.config.arg_names import table
from forebay.core.errors import Finding, UsageError
from forebay.lint.foreign.argv import Read, read_argv
from forebay.lint.foreign.asked import Asked, read_release
from forebay.lint.foreign.complaints import COMMAND
from forebay.lint.foreign.doubt import without_doubtful
from forebay.lint.foreign.launch import Launch
from forebay.lint.run import lint_engines
from forebay.lint.served import Served
from forebay.messages import _

_LAUNCHES_LIMIT = 200


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """A launch, what its words set, and what rules see of it."""

    launch: Launch
    read: Read
    served: Served
    findings: tuple[Finding, ...] = ()


def engines(launches: Iterable[Launch], asked: Asked) -> list[Engine]:
    """Every launch read for its release, the first of them where there are very many."""
    return [_engine(launch, asked) for launch in list(launches)[:_LAUNCHES_LIMIT]]


def findings(found: Iterable[Engine]) -> list[Finding]:
    """What is wrong with engines: their words, and what the rules of engines say."""
    told: list[Finding] = []
    for engine in found:
        told += [*engine.findings, *engine.read.findings]
        told += without_doubtful(lint_engines([engine.served]), engine.read)
    return told


def _engine(launch: Launch, asked: Asked) -> Engine:
    release, notes = _release(launch, asked)
    flags = table(release)
    assert flags is not None  # noqa: S101  only known releases come here
    read = read_argv(launch.words, flags, launch.place, serve=launch.serve)
    if launch.container is not None and not launch.program:
        read.findings = [finding for finding in read.findings if finding.rule != "model_by_flag"]
    model = read.model.text if read.model is not None else ""
    unnamed = read.model is not None and not read.model.known
    served = Served(
        model=model,
        release=release,
        flags=flags,
        args=dict(read.args),
        locate=lambda key: _where(launch, read, key),
        env=launch.env,
        facts=asked.facts,
        hardware=asked.hardware,
        gpus=launch.gpus or asked.gpus,
        weights=None if unnamed else asked.weights(model),
        container=launch.container,
        owned=False,
    )
    return Engine(launch=launch, read=read, served=served, findings=tuple(notes))


def _release(launch: Launch, asked: Asked) -> tuple[str, list[Finding]]:
    """The release that was stated, else the image's, else the newest with a note."""
    if asked.release is not None:
        return asked.release, []
    if launch.release is not None:
        try:
            return read_release(launch.release), []
        except UsageError as unknown:
            return asked.newest, [_assumed(launch, asked, unknown.what)]
    return asked.newest, [_assumed(launch, asked, _("no release of vLLM is stated"))]


def _assumed(launch: Launch, asked: Asked, why: str) -> Finding:
    text = _("{why}: {release} is assumed").format(why=why, release=asked.newest)
    fix = _("State it with --vllm-version")
    where = _where(launch, Read(), "")
    return Finding(rule="release_assumed", severity="note", where=where, why=text, fix=fix)


def _where(launch: Launch, read: Read, key: str) -> str:
    """A flag's own line; the command's where the flag is not written."""
    if key.startswith("at."):
        name = key.removeprefix("at.")
        line = launch.lines.get(name, launch.line)
        spot = COMMAND if launch.place == COMMAND else f"{launch.place}:{line}"
        return f"{spot}: {launch.key}.{name}" if launch.key else spot
    shown = key.removeprefix("env.")
    if not key.startswith("env.") and key not in ("weights", "release", "gpus", ""):
        shown = f"--{key}"
    elif key in ("release", "gpus", ""):
        shown = ""
    elif key == "weights":
        shown = read.model.shown if read.model is not None else ""
    line = read.lines.get(key, launch.line)
    spot = COMMAND if launch.place == COMMAND else f"{launch.place}:{line}"
    return ": ".join(part for part in (spot, launch.key, shown) if part)
