"""Why the schema refuses a value, and what to write instead, in the operator's words and not the validator's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args, get_origin

from pydantic_core import ErrorDetails

from forebay.config.nearest import nearest_name
from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.shape import alternatives, field_at, keys_at, kinds_at
from forebay.messages import _

Explained = tuple[str, str, str]
"""The rule of the finding, why, and the fix."""


def explained(root: Node, path: Path, items: list[ErrorDetails]) -> Explained:
    """What the validator found at `path`; several `items` are the branches of a union that the value is none of."""
    if len(items) > 1:
        return "config_type", _not(items[0]["input"], _kinds_wanted(root, path)), _described(root, path)
    explain = _EXPLAINED.get(items[0]["type"], _other)
    rule, why, fix = explain(root, path, items[0])
    return rule, why, fix or _described(root, path)


def _missing(root: Node, path: Path, item: ErrorDetails) -> Explained:
    return "config_missing", _("this key is missing"), ""


def _unknown(root: Node, path: Path, item: ErrorDetails) -> Explained:
    name, known = str(path[-1]), keys_at(path[:-1], root)
    why = _("there is no key {name} here").format(name=name)
    guess = nearest_name(name, known)
    elsewhere = [] if guess else _elsewhere(name)
    if guess:
        fix = _("Did you mean {guess}?").format(guess=guess)
    elif elsewhere:
        fix = _("Did you mean {guess}?").format(guess=_(" or ").join(elsewhere[:2]))
    else:
        fix = _("Remove it; the keys here are {keys}").format(keys=", ".join(sorted(known)))
    return "config_unknown_key", why, fix


def _elsewhere(name: str, kind: Any = Config, path: str = "") -> list[str]:
    """Full names of keys deeper in the schema that are called so: a key written one level too high."""
    found = []
    for key, field in kind.model_fields.items():
        full = f"{path}.{key}" if path else key
        if key == name:
            found.append(full)
        for below in alternatives(field.annotation):
            if hasattr(below, "model_fields"):
                found += _elsewhere(name, below, full)
    return found


def _type(wanted: Callable[[], str]) -> Callable[[Node, Path, ErrorDetails], Explained]:
    def explain(root: Node, path: Path, item: ErrorDetails) -> Explained:
        return "config_type", _not(item["input"], wanted()), _quoting(item["input"], item["type"])

    return explain


def _not(value: object, wanted: str) -> str:
    if value is None:
        return _("the value is missing; {wanted} is wanted").format(wanted=wanted)
    return _("{value} is not {wanted}").format(value=_shown(value), wanted=wanted)


def _quoting(value: object, kind: str) -> str:
    if kind == "bool_type" and str(value).lower() in ("yes", "no", "on", "off", "y", "n"):
        return _("Write true or false: in YAML 1.2 {value} is text").format(value=value)
    if kind == "string_type" and isinstance(value, int | float):
        return _('Put it in quotes: "{value}"').format(value=str(value).lower() if isinstance(value, bool) else value)
    if kind == "list_type" and isinstance(value, str | int):
        return _("Write a list: [{value}]").format(value=value)
    if kind in ("int_type", "float_type") and isinstance(value, str) and re.fullmatch(r"[\d.]+", value):
        return _("Take the quotes away")
    return ""


def _range(root: Node, path: Path, item: ErrorDetails) -> Explained:
    bounds = {"greater_than_equal": "ge", "greater_than": "gt", "less_than_equal": "le", "less_than": "lt"}
    bound = item.get("ctx", {})[bounds[item["type"]]]
    texts = {
        "greater_than_equal": _("{value} is less than {bound}"),
        "greater_than": _("{value} is not more than {bound}"),
        "less_than_equal": _("{value} is more than {bound}"),
        "less_than": _("{value} is not less than {bound}"),
    }
    why = texts[item["type"]].format(value=_shown(item["input"]), bound=f"{bound:g}")
    low = item["type"].startswith("greater")
    advice = _("Write {bound} or more") if low else _("Write {bound} or less")
    return "config_range", why, advice.format(bound=f"{bound:g}")


def _choice(root: Node, path: Path, item: ErrorDetails) -> Explained:
    choices = tuple(re.findall(r"'([^']+)'", str(item.get("ctx", {}).get("expected", ""))))
    why = _("{value} is none of {choices}").format(value=_shown(item["input"]), choices=", ".join(choices))
    if not choices:  # a literal that is no text: the version of the file
        expected = item.get("ctx", {}).get("expected")
        why = _("{value} is not {wanted}").format(value=_shown(item["input"]), wanted=expected)
        return "config_choice", why, _("Write {value}").format(value=expected)
    guess = nearest_name(str(item["input"]), choices)
    return "config_choice", why, _("Did you mean {guess}?").format(guess=guess) if guess else ""


def _engine_kind(root: Node, path: Path, item: ErrorDetails) -> Explained:
    kinds = ("embedded", "vllm", "external", "discovered")
    listed = ", ".join(kinds)
    tag = item.get("ctx", {}).get("tag")
    if tag is None:
        fix = _("Add kind: {kinds}").format(kinds=_(" or ").join(kinds))
        return "config_missing", _("the engine does not say its kind"), fix
    why = _("{value} is no kind of engine: {kinds}").format(value=tag, kinds=listed)
    guess = nearest_name(str(tag), kinds)
    return "config_choice", why, _("Did you mean {guess}?").format(guess=guess) if guess else ""


def _pattern(root: Node, path: Path, item: ErrorDetails) -> Explained:
    in_key = item["loc"][-1:] == ("[key]",)
    what = _("the name {value} is not allowed") if in_key else _("{value} is not of the right form")
    hints = {
        "env:": _("Write env:NAME or file:PATH; the secret itself does not belong in this file"),
        r"\.\d+$": _("Write a release with three numbers, such as 0.33.0"),
        r"https?://[^/": _("Write https://host:port or http://host:port, without a path, user or spaces"),
        "https://": _("Write an address that begins with https://, or file:PATH where a file may be named"),
        "a-z0-9._-": _(
            "Use lower-case letters, digits, dots, dashes and underscores; start and end with one of the first two"
        ),
        "A-Za-z0-9._/-": _(
            "Use letters, digits, dots, dashes, underscores and slashes; start and end with one of the first two"
        ),
        "A-Za-z_": _("Use letters, digits and underscores; do not start with a digit"),
    }
    pattern = str(item.get("ctx", {}).get("pattern", ""))
    fix = next((hint for mark, hint in hints.items() if mark in pattern), "")
    # A value where a reference belongs is probably the secret itself, and a URL may hold one: neither is repeated.
    shown = _("the value") if "env:" in pattern or "valkey" in pattern else _shown(item["input"])
    return "config_form", what.format(value=shown), fix


def _too_short(root: Node, path: Path, item: ErrorDetails) -> Explained:
    return "config_empty", _("nothing is given here"), _("Give at least one")


def _value(root: Node, path: Path, item: ErrorDetails) -> Explained:
    error = item.get("ctx", {}).get("error")
    return "config_value", str(error) if error is not None else item["msg"], ""


def _other(root: Node, path: Path, item: ErrorDetails) -> Explained:
    return "config_value", _("{value} cannot be used here").format(value=_shown(item["input"])), ""


def _mapping() -> str:
    return _("a mapping of keys")


_EXPLAINED: dict[str, Callable[[Node, Path, ErrorDetails], Explained]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "int_type": _type(lambda: _("a whole number")),
    "int_from_float": _type(lambda: _("a whole number")),
    "float_type": _type(lambda: _("a number")),
    "float_parsing": _type(lambda: _("a number")),
    "finite_number": _type(lambda: _("a finite number")),
    "string_type": _type(lambda: _("text")),
    "bool_type": _type(lambda: _("true or false")),
    "list_type": _type(lambda: _("a list")),
    "dict_type": _type(_mapping),
    "model_type": _type(_mapping),
    "model_attributes_type": _type(_mapping),
    "greater_than_equal": _range,
    "greater_than": _range,
    "less_than_equal": _range,
    "less_than": _range,
    "literal_error": _choice,
    "union_tag_invalid": _engine_kind,
    "union_tag_not_found": _engine_kind,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _too_short,
    "too_short": _too_short,
    "value_error": _value,
}


def _kinds_wanted(root: Node, path: Path) -> str:
    kinds = kinds_at(path, root)
    words = {
        bool: _("true or false"),
        int: _("a whole number"),
        float: _("a number"),
        str: _("text"),
        list: _("a list of text"),
        dict: _mapping(),
    }
    if set(kinds) >= {int, float} or float in kinds:
        words.pop(int)
    names = [words[kind] for kind in dict.fromkeys(get_origin(k) or k for k in kinds) if kind in words]
    names += [str(choice) for kind in kinds for choice in get_args(kind) if isinstance(choice, str)]
    return _(" or ").join(names)


def _described(root: Node, path: Path) -> str:
    """The schema's own sentence about the key, as the last resort of advice."""
    field = field_at(path, root)
    text = " ".join((field.description or "").split()) if field is not None else ""
    return _(text) if text else ""


def _shown(value: object) -> str:
    if value is None:
        return _("nothing")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return _mapping()
    if isinstance(value, list):
        return _("a list")
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
