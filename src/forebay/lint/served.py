"""One vLLM engine as rules see it, whoever starts it: its flags by name, its share of the model, its accelerators."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from forebay.config.flags import Release
from forebay.config.layers import Facts
from forebay.config.weights import Weights
from forebay.core.errors import Finding, Severity
from forebay.lint.container import Container
from forebay.lint.edits import Edit, Repairable


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """An engine of forebay.yaml, or a command line that something else starts.

    `args` are its flags by their own names, without dashes. `locate` tells where a flag is written, or one of the words
    `weights`, `release`, `gpus` and `env.NAME`. `gpus` is 0 where nobody said how many there are.
    """

    model: str
    """The weights as they are named; empty where a command names none."""
    release: str
    flags: Release | None
    args: dict[str, object]
    locate: Callable[[str], str]
    env: dict[str, str] = {}
    facts: Facts | None = None
    hardware: str | None = None
    gpus: int = 0
    weights: Weights | None = None
    scenario: str | None = None
    container: Container | None = None
    owned: bool = True
    """Whether forebay starts it: its own address, keys and routes then guard it."""
    edit: Callable[[str, object], tuple[Edit, ...]] = lambda _flag, _value: ()
    """The change of the file that gives a flag another value, or removes it (None)."""

    def count(self, flag: str, default: int) -> int:
        """A flag that counts; the default where it is absent or no plain number."""
        value = self.args.get(flag)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def is_on(self, flag: str) -> bool:
        return self.args.get(flag) is True

    def is_off(self, flag: str) -> bool:
        return self.args.get(flag) is False

    @property
    def number(self) -> tuple[int, ...]:
        """The release as a number to compare: (0, 33, 0)."""
        return tuple(map(int, self.release.split(".")))

    @property
    def tensor_parallel(self) -> int:
        return max(1, self.count("tensor-parallel-size", 1))

    @property
    def gpus_per_copy(self) -> int:
        """GPUs that hold one copy of the weights."""
        return self.tensor_parallel * max(1, self.count("pipeline-parallel-size", 1))

    @property
    def weight_shards(self) -> int:
        """Parts of the weights: with expert parallelism the experts lie over data-parallel ranks too."""
        spread = self.is_on("enable-expert-parallel") and self.weights is not None and self.weights.expert_width > 0
        return self.gpus_per_copy * (max(1, self.count("data-parallel-size", 1)) if spread else 1)

    @property
    def cache_dtype(self) -> str:
        return str(self.args.get("kv-cache-dtype", "auto"))

    @property
    def fp8_cache(self) -> bool:
        return self.cache_dtype.startswith("fp8")

    @property
    def quantisation(self) -> str:
        """The quantisation that will run: the one asked for, else the one that the weights have."""
        return str(self.args.get("quantization") or (self.weights and self.weights.quantisation) or "").lower()

    def finding(self, rule: str, severity: Severity, key: str, why: str, fix: str) -> Finding:
        """A finding at the place of a flag or of `weights`, `release`, `gpus`."""
        return Finding(rule=rule, severity=severity, where=self.locate(key), why=why, fix=fix)

    def repairable(self, found: Finding, flag: str, value: object) -> Finding:
        """The finding with the change that `--fix` makes: the flag's new value, or None to remove it."""
        edits = self.edit(flag, value)
        return Repairable(**{name: getattr(found, name) for name in Finding.__struct_fields__}, edits=edits)
