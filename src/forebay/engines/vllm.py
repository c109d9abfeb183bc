"""A vLLM engine of forebay.yaml, expanded into the copies that run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from forebay.config.crosscheck.names import engine_names
from forebay.config.flags import release
from forebay.config.provenance import show_path
from forebay.config.schema import Config, Model, VllmEngine
from forebay.config.schema.engines import VllmDefaults
from forebay.core.errors import ConfigError, Finding
from forebay.engines.command import command, sequences
from forebay.engines.spec import EngineSpec, Needs
from forebay.engines.spread import spread_findings
from forebay.engines.topology import cpus_of, gpu_findings, gpus_needed, gpus_of_copy
from forebay.engines.vllm_args import Arg

# vLLM joins its workers and closes its sockets after the work itself has ended.
_EXIT_S = 15.0

_FIRST_WITH_TOKEN_IDS = (0, 10, 2)
# Of --runner, --convert and their predecessor --task. The first that is told wins: `--runner pooling` says least.
_TASKS = {
    "embed": {"embed", "embedding"},
    "classify": {"classify"},
    "pooling": {"pooling", "reward", "score"},
    "generate": {"generate"},
}
"""From this release on `return_token_ids` is known."""


def vllm_specs(
    model_name: str,
    model: Model,
    engine: VllmEngine,
    defaults: VllmDefaults | None = None,
    *,
    hardware: str | None = None,
    sysfs: Path = Path("/sys"),
) -> tuple[EngineSpec, ...]:
    """One spec a copy, ready to start; ConfigError with every finding when it may not be started so."""
    where = show_path(("models", model_name, "engines", model.engines.index(engine)))
    specs = []
    for copy, name in enumerate(engine_names(model_name, engine)):
        gpus = gpus_of_copy(engine, copy)
        start = command(
            engine, served_name=model_name, release=release(engine.release), defaults=defaults, gpus=gpus, where=where
        )
        spec = EngineSpec(
            name=name,
            model=model_name,
            kind="vllm",
            port=engine.port + copy if engine.port else 0,
            argv=start.argv,
            env=start.env,
            cpus=cpus_of(gpus, engine.numa_node, sysfs=sysfs, where=where),
            max_outstanding=engine.max_outstanding or sequences(start.args, hardware),
            start_s=engine.start,
            drain_s=engine.drain,
            stall_s=engine.stall,
            shutdown_s=engine.shutdown + _EXIT_S,
            warmup_prompt=engine.warmup_prompt,
            release=engine.release,
            task=_task(start.args),
            token_prompts=_takes_token_prompts(engine.release, start.argv),
            needs=Needs(gpus=0 if hardware == "cpu" else gpus_needed(start.args), labels=engine.labels),
            weights=engine.weights if engine.weights.startswith("/") else "",
            weights_sha256=engine.weights_sha256 or "",
        )
        specs.append(spec)
    return tuple(specs)


def _takes_token_prompts(release_name: str, argv: tuple[str, ...]) -> bool:
    """Whether its streams can be taken up from token ids: behind a reasoning parser text is not what tokens say."""
    reasons = any(each.partition("=")[0] == "--reasoning-parser" for each in argv)
    return not reasons and tuple(map(int, release_name.split("."))) >= _FIRST_WITH_TOKEN_IDS


def _task(args: Mapping[str, Arg]) -> str:
    """What the flags tell vLLM to do with the model; empty where it finds out by itself."""
    told = {str(args[name].value) for name in ("--runner", "--convert", "--task") if name in args}
    for task, words in _TASKS.items():
        if told & words:
            return task
    return ""


def vllm_findings(config: Config) -> list[Finding]:
    """Everything that forbids starting a vLLM engine of the configuration: flags, environment, GPUs."""
    findings: list[Finding] = []
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if isinstance(engine, VllmEngine):
                findings += _command_findings(name, show_path(("models", name, "engines", index)), engine, config)
    # What is wrong in engine_defaults is found once for each engine that it reaches.
    return [*dict.fromkeys(findings), *gpu_findings(config)]


def _command_findings(name: str, where: str, engine: VllmEngine, config: Config) -> Iterator[Finding]:
    try:
        made = command(
            engine,
            served_name=name,
            release=release(engine.release),
            defaults=config.engine_defaults.vllm,
            gpus=tuple(engine.gpus),
            where=where,
        )
        yield from spread_findings(engine, made.args, release(engine.release), where)
    except ConfigError as error:
        yield from error.findings or [
            Finding(rule="vllm_release", severity="error", where=f"{where}.release", why=error.what, fix=error.fix)
        ]
