"""What rules ask about vLLM engines: their flags by name, their share of the model, their accelerators."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from forebay.config.arg_names import canonical, table
from forebay.config.load import Loaded
from forebay.config.provenance import Path
from forebay.config.schema import VllmEngine
from forebay.config.weights import Weights
from forebay.core.errors import Finding, Severity


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One vLLM engine as rules see it. `args` are its flags by their own names, without dashes."""

    loaded: Loaded
    model: str
    path: Path
    engine: VllmEngine
    args: dict[str, object]
    written: dict[str, str]
    weights: Weights | None

    def count(self, flag: str, default: int) -> int:
        """A flag that counts; the default where it is absent or no plain number."""
        value = self.args.get(flag)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    @property
    def tensor_parallel(self) -> int:
        return self.count("tensor-parallel-size", 1)

    @property
    def gpus_per_copy(self) -> int:
        """GPUs that hold one copy of the weights."""
        return self.tensor_parallel * self.count("pipeline-parallel-size", 1)

    @property
    def fp8_cache(self) -> bool:
        return str(self.args.get("kv-cache-dtype", "auto")).startswith("fp8")

    def arg(self, flag: str) -> Path:
        """Path of a flag as the file spells it; of `args` where it is not given."""
        return (*self.path, "args", self.written[flag]) if flag in self.written else (*self.path, "args")

    def finding(self, rule: str, severity: Severity, path: Path, why: str, fix: str) -> Finding:
        """A finding with the file and line of `path`."""
        return Finding(rule=rule, severity=severity, where=self.loaded.where(path), why=why, fix=fix)


def vllm_engines(loaded: Loaded) -> Iterator[Served]:
    """Every vLLM engine of the configuration."""
    for name, model in loaded.config.models.items():
        for index, engine in enumerate(model.engines):
            if not isinstance(engine, VllmEngine):
                continue
            flags = table(engine.release)
            written = {canonical(key, flags): key for key in engine.args}
            yield Served(
                loaded=loaded,
                model=name,
                path=("models", name, "engines", index),
                engine=engine,
                args={flag: engine.args[key] for flag, key in written.items()},
                written=written,
                weights=loaded.weights.get(engine.weights),
            )
