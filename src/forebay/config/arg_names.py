"""One name for one vLLM flag, so that layers that spell it differently meet: `max_num_seqs`, `--max-num-seqs`."""

from __future__ import annotations

from forebay.config.flags import Release, dashed, release
from forebay.config.provenance import Node, find, replace
from forebay.core.errors import ConfigError

_DEFAULTS = ("engine_defaults", "vllm", "args")


def with_dashes(args: Node) -> Node:
    """The mapping with its keys so written; one given in two spellings stays, for the flag table to refuse."""
    if not isinstance(args.value, dict):
        return args
    renamed: dict[str, Node] = {}
    for key, node in args.value.items():
        renamed[key if dashed(key) in renamed else dashed(key)] = node
    return Node(value=renamed, place=args.place, below=args.below)


def defaults_with_dashes(tree: Node) -> Node:
    """The tree with the keys of `engine_defaults.vllm.args` so written."""
    args = find(tree, _DEFAULTS)
    return tree if args is None else replace(tree, _DEFAULTS, with_dashes(args))


def table(version: object) -> Release | None:
    """The flags of a release; None where it is not known, which is a finding elsewhere."""
    if not isinstance(version, str):
        return None
    try:
        return release(version)
    except ConfigError:
        return None


def canonical(key: str, flags: Release | None) -> str:
    """The flag's own name for any of its spellings (`no-async-scheduling`); the key itself where it is unknown."""
    found = flags.find(key) if flags is not None and "." not in key else None
    return dashed(found.flag.name) if found is not None else dashed(key)
