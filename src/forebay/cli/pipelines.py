"""`forebay init --ci`: the pipeline file, beside the configuration that it checks."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from forebay.cli.flags import Flags
from forebay.config.layers import profile_names
from forebay.config.load import load
from forebay.core.errors import ConfigError
from forebay.core.files import write_atomically
from forebay.lint.run import lint
from forebay.messages import _
from forebay.release.pipeline import KINDS, pipeline


def write_pipeline(flags: Flags, kind: str) -> None:
    """For every environment that the configuration can run in; ConfigError where that is none."""
    environments = [flags.environment] if flags.environment else _environments(flags.config)
    text = pipeline(kind, flags.config.name, environments, version("forebay"))
    path = flags.config.resolve().parent / KINDS[kind]
    if flags.dry_run:
        flags.answer({"file": str(path), "text": text, "environments": environments}, lambda: text.rstrip("\n"))
        return
    if path.exists():
        refusal = _("{file} exists").format(file=path)
        flags.confirm(_("{file} exists. Replace it?").format(file=path), refusal)
    write_atomically(path, text.encode(), mode=0o644)
    flags.say(_("{file} is written").format(file=path))
    if flags.output != "table":
        flags.answer({"file": str(path), "environments": environments})


def _environments(file: Path) -> list[str]:
    found = []
    refused: ConfigError | None = None
    for name in profile_names("environments"):
        try:
            loaded = load(file, name)
        except ConfigError as error:
            refused = error
            continue
        if not any(finding.severity == "error" for finding in lint(loaded)):
            found.append(name)
    if found:
        return found
    raise refused or ConfigError(_("{file} can run in no environment").format(file=file), fix=_("Run `forebay check`"))
