"""The files of a release: what the operator wrote, what it comes to, and what is rendered from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from forebay.config.flags import release as flags_of
from forebay.config.layers import profile_names
from forebay.config.load import Loaded, load
from forebay.config.schema import Config, VllmEngine
from forebay.config.templates import files as templates
from forebay.core.errors import ConfigError, Finding
from forebay.engines.command import command
from forebay.engines.topology import gpus_of_copy
from forebay.lint.run import lint
from forebay.messages import _
from forebay.release.version import canonical, config_path, effective, read_config

Renderer = Callable[[Loaded], Mapping[str, str]]
"""Files that are made from a configuration, by their names: the edge's, alert rules, bounds of the scaler."""


class Built(msgspec.Struct, frozen=True):
    """`files` of a release, and why environments are not in it: findings by environment."""

    files: dict[str, bytes]
    left_out: dict[str, tuple[Finding, ...]]


def build(file: Path, environment: str | None, renderers: Mapping[str, Renderer]) -> Built:
    """A release of `file` for every environment that it can run in; ConfigError where that is not `environment`.

    The same file passes from one environment to the next, so that what was tried is what is promoted. What a renderer
    makes lies in the directory of its name.
    """
    wanted = load(file, environment).config.environment
    files = {file.name: file.read_bytes()}
    left_out: dict[str, tuple[Finding, ...]] = {}
    for name in profile_names("environments"):
        try:
            loaded = load(file, name)
            errors = tuple(finding for finding in lint(loaded) if finding.severity == "error")
            if errors:
                raise ConfigError(_("{file} cannot be run").format(file=file), findings=errors)
            files.update(_environment(loaded, renderers))
        except ConfigError as error:
            if name == wanted:
                raise
            left_out[name] = error.findings
            continue
        own = templates(file.resolve().parent / "configs", name)
        files.update({f"templates/{name}/{each}": path.read_bytes() for each, path in own})
    return Built(files, left_out)


def _environment(loaded: Loaded, renderers: Mapping[str, Renderer]) -> dict[str, bytes]:
    config, name = loaded.config, loaded.config.environment
    values = effective(config)
    if read_config(values) != config.model_copy(update=_outside(config)):
        why = _("a value has more digits than a release can hold")
        raise ConfigError(why, where=str(loaded.path), fix=_("Write durations with at most six digits"))
    files = {config_path(name): _pretty(values)}
    for part, renderer in renderers.items():
        files.update({f"{part}/{name}/{each}": text.encode() for each, text in renderer(loaded).items()})
    if commands := _commands(config):
        files[f"engines/{name}.json"] = _pretty(commands)
    return files


def _outside(config: Config) -> dict[str, object]:
    """What a release does not hold, because it is merged into the rest."""
    return {key: type(config).model_fields[key].get_default() for key in ("environments", "engine_defaults")}


def _commands(config: Config) -> dict[str, object]:
    """How each vLLM is started; what other engines are started with is their configuration."""
    found: dict[str, object] = {}
    for model, entry in config.models.items():
        for index, engine in enumerate(entry.engines):
            if isinstance(engine, VllmEngine):
                start = command(
                    engine,
                    served_name=model,
                    release=flags_of(engine.release),
                    defaults=config.engine_defaults.vllm,
                    gpus=gpus_of_copy(engine, 0),
                    where=f"models.{model}.engines[{index}]",
                )
                found[f"{model}[{index}]"] = {"argv": start.argv, "env": start.env}
    return found


def _pretty(value: object) -> bytes:
    return msgspec.json.format(canonical(value), indent=2) + b"\n"
