"""GPUs that the configuration names and the driver shows."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from forebay.config.provenance import Path
from forebay.config.schema import VllmEngine
from forebay.core.errors import Finding
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding

_PATIENCE_S = 20.0


@checks.add("gpu")
def gpu(subject: Subject) -> Iterator[Finding]:
    """nvidia-smi is asked rather than NVML loaded: it is there wherever the driver is."""
    shown = _shown()
    if shown:
        yield finding("gpu", "note", "", ", ".join(f"{number}: {name}" for number, name in sorted(shown.items())))
    for path, gpus in _wanted(subject):
        missing = [str(number) for number in gpus if number not in shown]
        if missing:
            why = _("this machine has no GPU {numbers}").format(numbers=", ".join(missing))
            fix = _("Name GPUs that nvidia-smi shows; where it shows none, install the driver")
            yield finding("gpu_missing", "error", subject.loaded.where(path), why, fix)
        yield from _others(subject, path, [number for number in gpus if number in shown], shown)


def _wanted(subject: Subject) -> Iterator[tuple[Path, list[int]]]:
    for name, model in subject.loaded.config.models.items():
        for index, engine in enumerate(model.engines):
            if isinstance(engine, VllmEngine) and engine.gpus:
                yield ("models", name, "engines", index, "gpus"), engine.gpus


def _others(subject: Subject, path: Path, gpus: list[int], shown: dict[int, str]) -> Iterator[Finding]:
    facts = subject.loaded.facts
    kind = facts.gpu.rpartition(" ")[2] if facts is not None else ""
    others = [f"{number} ({shown[number]})" for number in gpus if kind.lower() not in shown[number].lower()]
    if kind and others:
        why = _("the file says {hardware}, but these GPUs are others: {gpus}")
        why = why.format(gpus=", ".join(others), hardware=subject.loaded.config.hardware)
        fix = _("Set hardware to what they are: limits are taken from it")
        yield finding("gpu_other", "warning", subject.loaded.where(path), why, fix)


def _shown() -> dict[int, str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    argv = [program, "--query-gpu=index,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.partition(",") for line in done.stdout.splitlines())
    return {int(number): name.strip() for number, _comma, name in pairs if number.strip().isdigit()}
