"""What `check` and `init` read of commands, scripts and compose files that forebay did not write."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

from forebay.config.weights import Weights, weights, weights_of_config
from forebay.core.errors import ConfigError, Finding, UsageError
from forebay.lint.foreign.asked import Asked, read_hardware, read_release
from forebay.lint.foreign.check import Engine, engines, findings
from forebay.lint.foreign.compose import launches_of_compose
from forebay.lint.foreign.launch import Launch
from forebay.lint.foreign.script import launches_of_command, launches_of_script
from forebay.lint.run import ordered
from forebay.messages import _

SIZE_LIMIT_BYTES = 1024 * 1024


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of a command, a script and a compose file, and what the operator says about it."""

    command: str | None = None
    script: Path | None = None
    compose: Path | None = None
    release: str | None = None
    hardware: str | None = None
    model_config: Path | None = None

    @property
    def given(self) -> int:
        return sum(part is not None for part in (self.command, self.script, self.compose))

    @property
    def subject(self) -> str:
        """What findings are about, for the line that counts them."""
        return str(self.script or self.compose or "--command")


def foreign_engines(source: Source, environment: str | None = None) -> tuple[list[Engine], list[Finding]]:
    """Every vLLM that the source starts, as rules see it, and what reading it found."""
    launches, notes = _launches(source, environment)
    return engines(launches, _asked(source)), notes


def foreign_findings(source: Source, environment: str | None = None) -> tuple[Finding, ...]:
    """Everything that is wrong with what the source starts."""
    found, notes = foreign_engines(source, environment)
    return ordered([*notes, *findings(found)])


def _launches(source: Source, environment: str | None) -> tuple[list[Launch], list[Finding]]:
    if source.command is not None:
        return launches_of_command(source.command)
    if source.script is not None:
        return launches_of_script(_text(source.script), source.script.name, environment)
    assert source.compose is not None  # noqa: S101  the caller counted
    return launches_of_compose(_text(source.compose), source.compose.name)


def _text(path: Path) -> str:
    """The file's text, bounded; ConfigError where there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT_BYTES + 1)
        text = content.decode()
    except FileNotFoundError:
        raise ConfigError(_("there is no such file"), where=str(path)) from None
    except UnicodeDecodeError:
        why = _("the file cannot be read: {reason}").format(reason=_("it is not UTF-8 text"))
        raise ConfigError(why, where=str(path)) from None
    except OSError as error:
        raise ConfigError(
            _("the file cannot be read: {reason}").format(reason=error.strerror), where=str(path)
        ) from error
    if len(content) > SIZE_LIMIT_BYTES:
        why = _("the file is larger than {limit} bytes").format(limit=SIZE_LIMIT_BYTES)
        raise ConfigError(why, where=str(path), fix=_("Name the file that starts vLLM itself"))
    if not text.strip():
        raise ConfigError(_("the file is empty"), where=str(path))
    return text


def _asked(source: Source) -> Asked:
    name, facts, gpus = read_hardware(source.hardware) if source.hardware is not None else (None, None, 0)
    return Asked(
        weights=functools.partial(_weights, source),
        release=read_release(source.release) if source.release is not None else None,
        hardware=name,
        facts=facts,
        gpus=gpus,
    )


def _weights(source: Source, model: str) -> Weights | None:
    if source.model_config is not None:
        return weights_of_config(source.model_config, model)
    base = (source.script or source.compose or Path()).resolve().parent
    return weights(model, base) if model else None


def refuse_without_source(source: Source) -> None:
    """Options that describe a command mean nothing without one."""
    described = {
        "--vllm-version": source.release,
        "--hardware": source.hardware,
        "--model-config": source.model_config,
    }
    given = [name for name, value in described.items() if value is not None]
    if given and not source.given:
        what = _("{option} describes a command, a script or a compose file").format(option=given[0])
        raise UsageError(what, fix=_("Add --command, --script or --compose; forebay.yaml says it itself"))
    if source.given > 1:
        raise UsageError(_("--command, --script and --compose exclude one another"), fix=_("Run check once for each"))
