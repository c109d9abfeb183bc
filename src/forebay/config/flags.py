"""The flags of `vllm serve` by release: what exists, what it takes, what replaced it."""

from __future__ import annotations

import difflib
import functools
import re
from fractions import Fraction
from importlib import resources
from typing import Any, Literal

import msgspec

from forebay.core.errors import ConfigError
from forebay.messages import _

Kind = Literal["bool", "int", "float", "str", "enum", "list", "json"]


class Flag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One flag of one release.

    `open`: plugins may add choices. `default` is None where there is none or vLLM works it out at start.
    `append`: a list is written by repeating the flag. `bare`: the value may be left out. `leaves_in`: the release that
    vLLM announced will drop it.
    """

    name: str = ""
    kind: Kind
    choices: tuple[str | int, ...] = ()
    open: bool = False
    default: Any = None
    negative: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    limits: dict[Literal["gt", "ge", "lt", "le"], float] = {}
    append: bool = False
    bare: bool = False
    leaves_in: str = ""


class Run(Flag, frozen=True, kw_only=True, omit_defaults=True):
    """A flag as it was from one release to another, both inclusive."""

    since: str = msgspec.field(name="from")
    until: str = msgspec.field(name="to")

    def flag(self, name: str) -> Flag:
        return Flag(**{field: getattr(self, field) for field in Flag.__struct_fields__} | {"name": name})


class Table(msgspec.Struct, frozen=True):
    """The flags of many releases, in the form of `vllm_flags.json`."""

    releases: tuple[str, ...]
    flags: dict[str, tuple[Run, ...]]

    def at(self, version: str) -> dict[str, Flag]:
        """The flags of one release of the table, by name."""
        at = self.releases.index(version)
        return {
            name: run.flag(name)
            for name, runs in self.flags.items()
            for run in runs
            if self.releases.index(run.since) <= at <= self.releases.index(run.until)
        }


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a spelling means: the flag, whether it is negated, whether it was abbreviated."""

    flag: Flag
    negated: bool = False
    abbreviated: bool = False


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of one release, by name with dashes (`--max-num-seqs`)."""

    version: str
    flags: dict[str, Flag]
    spellings: dict[str, Found]

    def __contains__(self, name: str) -> bool:
        return name in self.flags

    def __getitem__(self, name: str) -> Flag:
        return self.flags[name]

    def find(self, written: str) -> Found | None:
        """Read a flag as vLLM's parser does: `_` is `-`, aliases, `--no-…`, `--json.key`, unique abbreviations."""
        spelling = _as_flag(written)
        if found := self.spellings.get(spelling):
            return found
        head, dot, _rest = spelling.partition(".")
        if dot:
            found = self.find(head)
            return found if found and found.flag.kind == "json" else None
        meant = {self.spellings[name].flag.name: self.spellings[name] for name in self.abbreviates(spelling)}
        if len(meant) != 1:
            return None
        (found,) = meant.values()
        return msgspec.structs.replace(found, abbreviated=True)

    def abbreviates(self, written: str) -> list[str]:
        """Every long spelling that begins so; more than one makes vLLM refuse the abbreviation."""
        spelling = _as_flag(written)
        return [name for name in self.spellings if spelling.startswith("--") and name.startswith(spelling)]

    def nearest(self, written: str) -> str | None:
        """The known spelling that a misspelt flag most likely meant; of one that once was a flag, none is."""
        if _as_flag(written) in _SUCCESSORS:
            return None
        close = difflib.get_close_matches(_as_flag(written), self.spellings, n=1, cutoff=0.75)
        return close[0] if close else None

    def successor(self, name: str) -> str | None:
        """What to write in this release instead of a flag that it lacks: a flag, or a variable of the environment."""
        return next((new for new in _SUCCESSORS.get(_as_flag(name), ()) if new in self or new.isupper()), None)


def releases() -> tuple[str, ...]:
    """Every release that the table knows, oldest first."""
    return stored_table().releases


@functools.cache
def stored_table() -> Table:
    """The table that comes with forebay."""
    stored = resources.files("forebay.config").joinpath("vllm_flags.json").read_bytes()
    return msgspec.json.decode(stored, type=Table)


@functools.cache
def release(version: str) -> Release:
    """The flags of `version`; 0.31.2 has those of 0.31.0. ConfigError names the known range otherwise."""
    known = releases()
    base = re.sub(r"^(\d+\.\d+)\.\d+$", r"\1.0", version)
    if base not in known:
        raise ConfigError(
            _("vLLM {version} is not in the table of flags, which holds {first} to {last}").format(
                version=version, first=known[0], last=known[-1]
            ),
            fix=_("State a release of that range, or add yours: python -m forebay.config.flags_derive --help"),
        )
    flags = stored_table().at(base)
    return Release(version=base, flags=flags, spellings=_spellings(flags))


def lifetime(name: str) -> tuple[str, str] | None:
    """First and last release that has the flag; None when none has."""
    runs = stored_table().flags.get(_as_flag(name))
    return (runs[0].since, runs[-1].until) if runs else None


def dashed(key: str) -> str:
    """A flag's name without leading dashes and with dashes inside; what follows a dot belongs to the value."""
    head, dot, rest = key.removeprefix("--").partition(".")
    return head.replace("_", "-") + dot + rest


def number(text: str) -> int:
    """Read a count as vLLM does: `1k` is 1000, `1K` 1024, `1.5k` 1500; ValueError otherwise."""
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)([kmgtKMGT]?)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a count")
    amount, suffix = match.groups()
    if "." in amount and not suffix.islower():
        raise ValueError(f"{text!r}: only k, m, g and t take a fraction")
    base = 1000 if suffix.islower() else 1024
    return int(Fraction(amount) * base ** (" kmgt".index(suffix.lower()) if suffix else 0))


# What each flag became, newest first; the first that the release has is the answer.
_SUCCESSORS: dict[str, tuple[str, ...]] = {
    "--log-level": ("VLLM_LOGGING_LEVEL",),
    "--log-config-file": ("--logging-config", "VLLM_LOGGING_CONFIG_PATH"),
    "--swap-space": ("--kv-offloading-size",),
    "--kv-offloading-size": ("--swap-space",),
    "--disable-log-requests": ("--no-enable-log-requests",),
    "--rope-scaling": ("--hf-overrides",),
    "--rope-theta": ("--hf-overrides",),
    "--task": ("--runner",),
    "--override-pooler-config": ("--pooler-config",),
    "--cuda-graph-sizes": ("--cudagraph-capture-sizes",),
    "--max-seq-len-to-capture": ("--max-cudagraph-capture-size",),
    "--enable-multimodal-encoder-data-parallel": ("--mm-encoder-tp-mode",),
    "--disable-mm-preprocessor-cache": ("--mm-processor-cache-gb",),
    "--eplb-log-balancedness": ("--eplb-config",),
    "--eplb-step-interval": ("--eplb-config",),
    "--eplb-window-size": ("--eplb-config",),
    "--num-redundant-experts": ("--eplb-config",),
    "--guided-decoding-backend": ("--structured-outputs-config",),
    "--speculative-model": ("--speculative-config",),
    "--num-speculative-tokens": ("--speculative-config",),
    "--num-lookahead-slots": ("--speculative-config",),
    "--enable-reasoning": ("--reasoning-parser",),
    "--worker-use-ray": ("--distributed-executor-backend",),
    "--speculative-draft-tensor-parallel-size": ("--speculative-config",),
    "--speculative-disable-by-batch-size": ("--speculative-config",),
    "--ngram-prompt-lookup-max": ("--speculative-config",),
    "--ngram-prompt-lookup-min": ("--speculative-config",),
    "--guided-decoding-disable-fallback": ("--structured-outputs-config",),
    "--max-context-len-to-capture": ("--max-cudagraph-capture-size",),
    # Gone, and nothing does the same: what is spelt alike does something else.
    "--num-scheduler-steps": (),
    "--tokenizer-pool-size": (),
    "--tokenizer-pool-type": (),
    "--enable-prompt-adapter": (),
    "--enable-lora-bias": (),
    "--override-neuron-config": (),
    # What other programs call it.
    "--max-batch-size": ("--max-num-seqs",),
    "--batch-size": ("--max-num-seqs",),
    "--context-length": ("--max-model-len",),
    "--mem-fraction-static": ("--gpu-memory-utilization",),
    "--model-path": ("--model",),
    "--tp-size": ("--tensor-parallel-size",),
    "--workers": ("--api-server-count",),
}


def _spellings(flags: dict[str, Flag]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for flag in flags.values():
        for name in (flag.name, *flag.aliases):
            found[name] = Found(flag=flag)
        for name in flag.negative:
            found.setdefault(name, Found(flag=flag, negated=True))
    return found


def _as_flag(written: str) -> str:
    """`max_num_seqs` and `max-num-seqs` as `--max-num-seqs`; a short flag stays as it is."""
    return written if written.startswith("-") and not written.startswith("--") else f"--{dashed(written)}"
