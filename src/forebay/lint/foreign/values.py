"""Texts of a command line into the values that vLLM will hold, or why it refuses them."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec

from forebay.config.flag_values import fault
from forebay.config.flags import Flag, number
from forebay.messages import _

Value = None | bool | int | float | str | list[object] | dict[str, object]

# Counts that may be written 32k or 32K; every other one is read by Python's int.
_SUFFIXES = {
    "--max-model-len",
    "--max-num-batched-tokens",
    "--max-num-scheduled-tokens",
    "--kv-cache-memory-bytes",
    "--safetensors-prefetch-block-size",
    "--max-num-queued-tokens",
}
# Mappings for which vLLM also takes a plain name.
_NAMES_TOO = {
    "--additional-config",
    "--hf-overrides",
    "--model-loader-extra-config",
    "--pt-load-map-location",
    "--optimization-level",
}
# Mappings for which vLLM takes any JSON; the others stand for a configuration of several fields.
_ANY_JSON = {
    "--allowed-headers",
    "--allowed-methods",
    "--allowed-origins",
    "--custom-histogram-buckets",
    "--default-chat-template-kwargs",
    "--default-mm-loras",
    "--diffusion-config",
    "--limit-mm-per-prompt",
    "--media-io-kwargs",
    "--mm-processor-kwargs",
    "--model-class-overrides",
    "--override-generation-config",
    "--rope-scaling",
    "--speculative-config",
    "--watermark-config",
}
_LISTS_OF_COUNTS = {"--cudagraph-capture-sizes", "--cuda-graph-sizes", "--numa-bind-nodes"}
# Texts for which argparse's type is None, whatever the flag takes otherwise.
_NOTHING = ("", "None")


class Faulty(msgspec.Struct, frozen=True):
    """Why the parser refuses a value, and what to write instead where that is known."""

    why: str
    fix: str = ""


def read_value(flag: Flag, texts: list[str]) -> Value | Faulty:
    """The value of a flag, from the words that it took."""
    if not texts:
        return True  # only flags that may stand bare come without
    if flag.kind == "list":
        return _listed(flag, texts)
    (text,) = texts
    if text in _NOTHING and flag.default is None:
        return None
    counts = flag.kind == "enum" and flag.choices and isinstance(flag.choices[0], int)
    return _READERS.get("int" if counts else flag.kind, _checked)(flag, text)


def _checked(flag: Flag, value: Value) -> Value | Faulty:
    why = fault(flag, value)
    return Faulty(why) if why else value


def _count(flag: Flag, text: str) -> Value | Faulty:
    if flag.name == "--max-model-len" and text.lower() == "auto":
        return _checked(flag, text)
    try:
        count = number(text) if flag.name in _SUFFIXES else int(text)
    except ValueError:
        if flag.name in _SUFFIXES:
            return Faulty(fault(flag, text) or _not(flag, text, _("a whole number")))
        return Faulty(_not(flag, text, _("a whole number in digits")), _digits(text))
    return _checked(flag, count)


def _listed(flag: Flag, texts: list[str]) -> Value | Faulty:
    odd = [text for text in texts if flag.name in _LISTS_OF_COUNTS and not text.lstrip("-").isdigit()]
    if odd and not (flag.default is None and odd == texts and odd[0] in _NOTHING):
        return Faulty(_not(flag, odd[0], _("whole numbers")))
    return _checked(flag, list(texts))


def _digits(text: str) -> str:
    try:
        return _("Write {count}").format(count=number(text))
    except ValueError:
        return ""


def _real(flag: Flag, text: str) -> Value | Faulty:
    try:
        return _checked(flag, float(text))
    except ValueError:
        return Faulty(_not(flag, text, _("a number")))


def _mapping(flag: Flag, text: str) -> Value | Faulty:
    if flag.name in _NAMES_TOO and not text.lstrip().startswith("{"):
        return text
    try:
        value: Value = json.loads(text)
    except (ValueError, RecursionError):
        return Faulty(_not(flag, text, _("JSON")), _as_json(text))
    if flag.name not in _ANY_JSON and flag.name not in _NAMES_TOO and not isinstance(value, dict):
        return Faulty(_not(flag, text, _("a mapping")))
    return value


def _as_json(text: str) -> str:
    """`image=4,video=1`, which old releases took, in the form that is read now."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.isidentifier() and equals and value.isdigit() for name, equals, value in pairs):
        return _("Quote it for the shell: '{\"key\": 1}'")
    return _("Write '{json}'").format(json=json.dumps({name: int(value) for name, _equals, value in pairs}))


_READERS: dict[str, Callable[[Flag, str], Value | Faulty]] = {"json": _mapping, "int": _count, "float": _real}


def _not(flag: Flag, text: str, wanted: str) -> str:
    return _("{name} takes {wanted}, not {value!r}").format(name=flag.name, wanted=wanted, value=text)
