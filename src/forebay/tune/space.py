"""What may be tried: the settings of one engine that lint, its release and its hardware allow."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import ValidationError

from forebay.config.arg_names import canonical, table
from forebay.config.layers import Limit
from forebay.config.load import Loaded
from forebay.config.schema import Config, EmbeddedEngine, VllmEngine
from forebay.core.errors import ConfigError, Finding, UsageError
from forebay.engines.command import command
from forebay.lint.run import lint_engines
from forebay.lint.served import Served
from forebay.messages import _
from forebay.tune.setting import Setting

_EMBEDDED_KEYS = ("context_tokens", "max_sequences", "threads")
# A warning of these is a reason not to try; others advise on what the operator wanted so.
_TOLERATED = ("eager", "small_batches", "redundant_flags", "no_accelerator", "scenario_overridden", "slow_choices")

ENGINE = "engine."
"""Begins a path of a setting's gateway that is a key of the engine, such as `engine.max_outstanding`."""


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """One engine of a configuration, and what is known about where it runs."""

    loaded: Loaded
    model: str
    engine: VllmEngine | EmbeddedEngine
    written: VllmEngine | EmbeddedEngine
    """The engine as the file has it, where `engine` was given other GPUs."""
    cores: int
    scenario: str | None = None
    through: bool = False
    """Whether every trial goes through a gateway as the file has it, whose own stages are then climbed too."""
    only: tuple[str, ...] = ()
    """The stages that are climbed; all of them where none is named."""

    @property
    def is_vllm(self) -> bool:
        return isinstance(self.engine, VllmEngine)

    def baseline(self) -> Setting:
        """The engine as the file has it; behind a gateway all of its copies."""
        copies = self.engine.count if self.through else 1
        if isinstance(self.engine, VllmEngine):
            flags = table(self.engine.release)
            args = {canonical(key, flags): value for key, value in self.engine.args.items()}
            return Setting(args=args, env=dict(self.engine.env), copies=copies)
        keys = {key: getattr(self.engine, key) for key in _EMBEDDED_KEYS if getattr(self.engine, key) is not None}
        return Setting(args=keys, env=dict(self.engine.env), copies=copies)

    def config_of(self, setting: Setting) -> Config:
        """The file with what the setting's gateway has otherwise; ConfigError where that is none.

        The model's engines are left as they are: a trial starts its own.
        """
        config = self.loaded.config
        if not setting.gateway:
            return config
        whole = config.model_dump(mode="json")
        for path, value in setting.gateway.items():
            if not path.startswith(ENGINE):
                _lay(whole, path_of(path, self.model), value)
        try:
            return Config.model_validate(whole)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise ConfigError(_("no gateway can be so"), where=where) from error

    def gateway_now(self, setting: Setting, path: str) -> Any:
        """What the file, or the setting, says there: `gateway.queue.calls`, `model.cache.exact`."""
        if path in setting.gateway:
            return setting.gateway[path]
        if path.startswith(ENGINE):
            return getattr(self.engine, path.removeprefix(ENGINE))
        at: Any = self.loaded.config
        for key in path_of(path, self.model):
            at = at[key] if isinstance(at, dict) else getattr(at, key, None)
        return at

    def engine_of(self, setting: Setting) -> VllmEngine | EmbeddedEngine:
        """The engine of forebay.yaml that a setting makes; ConfigError where it is none."""
        engine = self.engine
        own = {path.removeprefix(ENGINE): value for path, value in setting.gateway.items() if path.startswith(ENGINE)}
        if isinstance(engine, VllmEngine):
            changed = {"args": dict(setting.args), "env": dict(setting.env), "count": 1, **own}
            return engine.model_copy(update=changed)
        try:
            whole = engine.model_dump(exclude_unset=True)
            return EmbeddedEngine.model_validate({**whole, **setting.args, "env": setting.env, "count": 1, **own})
        except ValidationError as error:
            raise ConfigError(_("no engine can be so"), where=str(error.errors()[0]["loc"])) from error

    @property
    def gpus_named(self) -> int:
        """How many GPUs the file gives the engine, for all of its copies."""
        return len(self.engine.gpus) if isinstance(self.engine, VllmEngine) else 0

    def gpus_of_copy(self, setting: Setting) -> int:
        """How many of the engine's GPUs each copy has; copies that are more than these share them."""
        if not isinstance(self.engine, VllmEngine):
            return 0
        copies = setting.copies if self.through or setting.copies > 1 else self.engine.count
        return len(self.engine.gpus) // (copies if divides(self.engine, copies) else 1)

    def gpus_of(self, setting: Setting) -> int:
        """How many GPUs compute for the setting; 1 where none is named.

        Copies that have none of their own all run on those that the first has: its flags say how many it takes.
        """
        if not isinstance(self.engine, VllmEngine):
            return 1
        copies = setting.copies if divides(self.engine, setting.copies) else 1
        served = self.served(setting)
        return max(1, min(self.gpus_named, copies * served.gpus_per_copy * served.count("data-parallel-size", 1)))

    def served(self, setting: Setting) -> Served:
        """The setting as the rules of lint see it."""
        assert isinstance(self.engine, VllmEngine)  # noqa: S101  only asked of vLLM
        return Served(
            model=self.engine.weights,
            release=self.engine.release,
            flags=table(self.engine.release),
            args=dict(setting.args),
            locate=lambda key: key,
            env=dict(setting.env),
            facts=self.loaded.facts,
            hardware=self.loaded.config.hardware,
            gpus=self.gpus_of_copy(setting),
            weights=self.loaded.weights.get(self.engine.weights),
            scenario=self.scenario,
        )

    def has(self, flag: str) -> bool:
        """Whether the release knows the flag (without dashes)."""
        if not isinstance(self.engine, VllmEngine):
            return flag in _EMBEDDED_KEYS
        flags = table(self.engine.release)
        return flags is not None and f"--{flag}" in flags

    def objections(self, setting: Setting, over: Setting) -> list[Finding]:
        """Why lint does not allow the setting: every error, and what it warns of that `over` does not have."""
        try:
            engine = self.engine_of(setting)
            self.config_of(setting)
        except ConfigError as error:
            return [Finding(rule="engine", severity="error", where=error.where, why=error.what)]
        if not isinstance(engine, VllmEngine):
            threads = setting.args.get("threads")
            many = isinstance(threads, int) and threads > self.cores
            why = _("more threads than cores")
            return [Finding(rule="engine", severity="error", where="threads", why=why)] if many else []
        return [*self._unstartable(engine), *self._linted(setting, over), *self._beyond(setting)]

    def _unstartable(self, engine: VllmEngine) -> list[Finding]:
        flags = table(engine.release)
        if flags is None:
            raise UsageError(_("vLLM {release} is not known").format(release=engine.release))
        try:
            command(engine, served_name=self.model, release=flags, gpus=tuple(engine.gpus))
        except ConfigError as error:
            return list(error.findings)
        return []

    def _linted(self, setting: Setting, over: Setting) -> list[Finding]:
        borne = {(found.rule, found.severity) for found in lint_engines([self.served(over)])}
        found = lint_engines([self.served(setting)])
        return [
            each
            for each in found
            if each.severity == "error"
            or (each.severity == "warning" and each.rule not in _TOLERATED and (each.rule, "warning") not in borne)
        ]

    def _beyond(self, setting: Setting) -> list[Finding]:
        """Values that the hardware's profile takes back."""
        limits = {flag: limit for part in self.loaded.profiles for flag, limit in part.limits.items()}
        return [
            Finding(rule="hardware_limit", severity="error", where=flag, why=limit.why)
            for flag, limit in limits.items()
            if flag in setting.args and _exceeds(setting.args[flag], limit)
        ]


def divides(engine: VllmEngine, copies: int) -> bool:
    """Whether each copy gets GPUs of its own, as in the service."""
    return len(engine.gpus) >= copies and len(engine.gpus) % copies == 0


def path_of(path: str, model: str) -> tuple[str, ...]:
    """A path of a setting's gateway as keys of the whole file."""
    first, *others = path.split(".")
    return ("models", model, *others) if first == "model" else (first, *others)


def _lay(whole: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        if whole.get(key) is None:
            whole[key] = {}
        whole = whole[key]
    whole[path[-1]] = value


def _exceeds(value: Any, limit: Limit) -> bool:
    if str(value) in limit.never:
        return True
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return limit.at_most is not None and number and value > limit.at_most


def space_of(loaded: Loaded, model: str, *, scenario: str | None, cores: int, gpu: int | None = None) -> Space:
    """The first engine of the model that forebay starts, on that GPU; UsageError where there is none."""
    if model not in loaded.config.models:
        known = ", ".join(loaded.config.models)
        raise UsageError(_("there is no model {name}").format(name=model), fix=_("Known: {known}").format(known=known))
    for engine in loaded.config.models[model].engines:
        if isinstance(engine, VllmEngine | EmbeddedEngine):
            placed = engine
            if gpu is not None and isinstance(engine, VllmEngine):
                placed = engine.model_copy(update={"gpus": [gpu], "count": 1})
            return Space(loaded=loaded, model=model, engine=placed, written=engine, cores=cores, scenario=scenario)
    why = _("{model} has no engine that forebay starts: there is nothing to tune").format(model=model)
    raise UsageError(why, fix=_("Tune where the engine is started"))
