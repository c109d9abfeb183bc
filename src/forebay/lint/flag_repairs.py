"""Repairs of flags that change no answer: full names, successors that mean the same, flags that did nothing."""

from __future__ import annotations

from forebay.config.arg_names import table
from forebay.config.load import Loaded
from forebay.config.provenance import Path, find
from forebay.lint.edits import Edit
from forebay.lint.engines import edits_at

# Gone, and without effect in the last releases that had them.
_WITHOUT_EFFECT = frozenset(
    (
        "swap-space",
        "disable-log-requests",
        "disable-frontend-multiprocessing",
        "num-lookahead-slots",
        "enable-lora-bias",
    )
)
# Called otherwise now, with the same values.
_RENAMED = {
    "cuda-graph-sizes": "cudagraph-capture-sizes",
    "max-seq-len-to-capture": "max-cudagraph-capture-size",
    "override-pooler-config": "pooler-config",
}
_VALUES = {("dtype", "fp16"): "float16", ("dtype", "bf16"): "bfloat16", ("dtype", "fp32"): "float32"}
# INT8 and FP8 are quantisations: `auto` is what such a dtype meant.
_NO_DTYPE = ("int8", "fp8", "int4")
_REMOVED_FLAGS = ("disable-log-stats", "host")


def repair(rule: str, path: Path, loaded: Loaded, release: str) -> tuple[Edit, ...]:
    """The change that ends a finding of the flag table, where one is safe."""
    key = str(path[-1])
    name = key.removeprefix("--").replace("_", "-")
    if rule == "flag_abbreviated":
        flags = table(release)
        found = flags.find(key) if flags is not None else None
        return edits_at(loaded, path, "name", found.flag.name.removeprefix("--")) if found is not None else ()
    if rule == "flag_unknown":
        return _gone(name, path, loaded, release)
    if rule in ("flag_dangerous", "flag_owned"):
        return edits_at(loaded, path, "remove", None) if name in _REMOVED_FLAGS else ()
    if rule == "env_refused":
        return edits_at(loaded, path, "remove", None)
    return _value(name, path, loaded) if rule == "flag_value" else ()


def _gone(name: str, path: Path, loaded: Loaded, release: str) -> tuple[Edit, ...]:
    flags = table(release)
    new = _RENAMED.get(name)
    if new is not None and flags is not None and f"--{new}" in flags:
        return edits_at(loaded, path, "name", new)
    return edits_at(loaded, path, "remove", None) if name in _WITHOUT_EFFECT else ()


def _value(name: str, path: Path, loaded: Loaded) -> tuple[Edit, ...]:
    node = find(loaded.tree, path)
    value = str(node.value).lower() if node is not None else ""
    if (name, value) in _VALUES:
        return edits_at(loaded, path, "value", _VALUES[name, value])
    return edits_at(loaded, path, "remove", None) if name == "dtype" and value in _NO_DTYPE else ()
