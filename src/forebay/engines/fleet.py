"""Every engine of a configuration, resolved: what runs, where, and with which secrets."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from forebay.config.crosscheck.names import engine_names
from forebay.config.schema import Config, DiscoveredEngine, EmbeddedEngine, Engine, ExternalEngine, Model, VllmEngine
from forebay.config.schema.engines import OwnedEngine, Tls
from forebay.config.secrets import resolve
from forebay.core.errors import ConfigError, Finding
from forebay.core.tls import EngineTls, engine_context
from forebay.engines.embedded import embedded_specs
from forebay.engines.spec import EngineRouting, EngineSpec
from forebay.engines.spread import scale_findings, unstartable
from forebay.engines.vllm import vllm_findings, vllm_specs
from forebay.messages import _

_EXTERNAL_OUTSTANDING = 256


def expand(config: Config, base: Path) -> tuple[EngineSpec, ...]:
    """All engines of all models; `base` is the configuration's directory, for paths and `file:` secrets.

    Raises ConfigError with every finding: a name or a port taken twice, a secret or weights that are missing.
    """
    findings = vllm_findings(config)
    specs: list[EngineSpec] = []
    threads = _threads(config)
    for model, index, engine in _engines(config):
        if isinstance(engine, DiscoveredEngine):
            continue
        where = f"models.{model}.engines[{index}]"
        findings += unstartable(engine, where) if isinstance(engine, OwnedEngine) else ()
        findings += scale_findings(engine, where) if isinstance(engine, EmbeddedEngine) else ()
        try:
            expanded = _expand_one(config, model, engine, base, threads)
            names = engine_names(model, engine)
            specs += [
                msgspec.structs.replace(spec, name=name, routing=_routing(engine))
                for spec, name in zip(expanded, names, strict=True)
            ]
        except ConfigError as error:
            if not isinstance(engine, VllmEngine) or not findings:
                findings += _as_findings(error, where)
    findings += _clashes(specs)
    if findings:
        raise ConfigError(_("the engines cannot be started"), findings=tuple(findings))
    return tuple(specs)


def found_spec(model: str, engine: DiscoveredEngine, base: Path, name: str, url: str) -> EngineSpec:
    """An engine that was found: what an external engine with the keys of its source would be."""
    shared = ExternalEngine.model_fields.keys() & DiscoveredEngine.model_fields.keys() - {"kind"}
    keys = {key: getattr(engine, key) for key in shared}
    external = ExternalEngine.model_construct(**{**keys, "kind": "external", "name": name, "url": url})
    return msgspec.structs.replace(_external(model, external, base), drain_s=engine.drain, routing=_routing(engine))


def secret_names(config: Config) -> tuple[str, ...]:
    """Environment variables that hold secrets of the configuration."""
    refs = [ref for _model, _index, engine in _engines(config) for ref in _secrets(engine)]
    refs += [config.valkey.password, config.compliance.key, *config.store.secrets]
    return tuple(sorted({ref.removeprefix("env:") for ref in refs if ref and ref.startswith("env:")}))


def _secrets(engine: Engine) -> Iterator[str | None]:
    if isinstance(engine, ExternalEngine | DiscoveredEngine):
        yield engine.api_key
    if isinstance(engine, DiscoveredEngine) and engine.valkey is not None:
        yield engine.valkey.password


def _expand_one(
    config: Config, model: str, engine: EmbeddedEngine | VllmEngine | ExternalEngine, base: Path, threads: int
) -> tuple[EngineSpec, ...]:
    if isinstance(engine, EmbeddedEngine):
        verbose = config.observe.log.level == "debug"
        return embedded_specs(model, engine, base=base, threads=threads, verbose=verbose)
    if isinstance(engine, VllmEngine):
        whole = config.models[model]
        return vllm_specs(model, whole, engine, config.engine_defaults.vllm, hardware=config.hardware)
    return (_external(model, engine, base),)


def _external(model: str, engine: ExternalEngine, base: Path) -> EngineSpec:
    address = urlsplit(engine.url)
    return EngineSpec(
        name=engine.name or model,
        model=model,
        kind="external",
        host=address.hostname or "",
        port=address.port or (443 if address.scheme == "https" else 80),
        max_outstanding=engine.max_outstanding or _EXTERNAL_OUTSTANDING,
        served_name=engine.served_name,
        authorization=_bearer(engine.api_key, base) if engine.api_key else None,
        tls=_tls(engine.tls, base) if address.scheme == "https" else None,
        token_prompts=engine.token_prompts,
        stall_s=engine.stall,
    )


def _tls(written: Tls | None, base: Path) -> EngineTls:
    """Paths are relative to the configuration; ConfigError where a file is missing or cannot be used."""
    if written is None:
        return EngineTls()
    own = written.certificate
    tls = EngineTls(
        ca=_path(written.ca, base),
        crl=_path(written.crl, base),
        chain=_path(own.chain if own else None, base),
        key=_path(own.key.removeprefix("file:") if own else None, base),
    )
    try:
        engine_context(tls)
    except (OSError, ValueError) as error:
        raise ConfigError(
            _("the engine cannot be reached over TLS: {why}").format(why=str(error)),
            where="tls",
            fix=_("Check the files that `tls` names; they are PEM, and paths are relative to the configuration"),
        ) from None
    return tls


def _path(text: str | None, base: Path) -> str:
    return str((base / Path(text).expanduser()).absolute()) if text else ""


def _routing(engine: Engine) -> EngineRouting:
    return EngineRouting(
        weight=engine.weight,
        tier=engine.tier,
        standby=engine.standby,
        adapters=tuple(engine.adapters),
        adapter_slots=engine.adapter_slots,
        warm_up_s=engine.warm_up,
        usd_per_million_tokens=engine.usd_per_million_tokens,
        region=engine.region or "",
    )


def _bearer(ref: str, base: Path) -> str:
    key = resolve(ref, base)
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            _("the secret is no API key: it holds spaces or characters that no header may hold"),
            where=ref,
            fix=_("Store the key alone, on one line"),
        )
    return f"Bearer {key}"


def _clashes(specs: list[EngineSpec]) -> Iterator[Finding]:
    for name, times in Counter(spec.name for spec in specs).items():
        if times > 1:
            why = _("{times} engines are called {name}").format(times=times, name=name)
            yield _finding("engine_name", why, _("Give each engine entry a `name` of its own"))
    owned = Counter((spec.host, spec.port) for spec in specs if spec.argv and spec.port)
    for (_host, port), times in owned.items():
        if times > 1:
            why = _("{times} engines want port {port}").format(times=times, port=port)
            yield _finding("engine_port", why, _("Leave `port` out, and forebay takes free ones"))


def _threads(config: Config) -> int:
    """The cores that forebay may use, divided among the embedded engines."""
    copies = sum(engine.count for _model, _index, engine in _engines(config) if isinstance(engine, EmbeddedEngine))
    return max(1, len(os.sched_getaffinity(0)) // max(1, copies))


def _engines(config: Config) -> Iterator[tuple[str, int, Engine]]:
    model: Model
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            yield name, index, engine


def _as_findings(error: ConfigError, where: str) -> list[Finding]:
    if error.findings:
        return list(error.findings)
    place = f"{where}: {error.where}" if error.where else where
    return [Finding(rule="engine", severity="error", where=place, why=error.what, fix=error.fix)]


def _finding(rule: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where="models", why=why, fix=fix)
