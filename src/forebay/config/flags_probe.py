"""Prints the flags of the vLLM it runs in, in the form of `vllm_flags.json`. Stdlib alone: any interpreter can run it.

What a spelling does and what a type takes is tried out, not read from names, so that it survives vLLM's rearrangements.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any


def main() -> None:
    """Write the table to stdout, whose own lines vLLM must not reach."""
    answer, sys.stdout = sys.stdout, sys.stderr
    version = importlib.import_module("vllm").__version__.split("+")[0]
    release = ".".join([*version.split(".")[:2], "0"])
    flags = {}
    parser = serve_parser()
    for action in parser._actions:
        # What an action lists of itself lacks the spellings that are accepted but hidden from help.
        spellings = [spelling for spelling, named in parser._option_string_actions.items() if named is action]
        long = [spelling for spelling in spellings if spelling.startswith("--")]
        if long and action.dest != "help":
            row = described(parser, action, spellings, long[0])
            flags[long[0]] = [{"from": release, "to": release, **row}]
    json.dump({"releases": [release], "flags": dict(sorted(flags.items()))}, answer)


def serve_parser() -> argparse.ArgumentParser:
    """The parser of `vllm serve`; its place has been the same since 0.11."""
    serve = importlib.import_module("vllm.entrypoints.cli.serve")
    root = serve.FlexibleArgumentParser()
    parser: argparse.ArgumentParser = serve.ServeSubcommand().subparser_init(root.add_subparsers())
    return parser


def described(
    parser: argparse.ArgumentParser, action: argparse.Action, spellings: list[str], name: str
) -> dict[str, Any]:
    """One flag, without what a parser cannot show: bounds, choices that plugins may extend, announced removals."""
    negative = [spelling for spelling in spellings if negates(parser, action, spelling)]
    row: dict[str, Any] = {"kind": kind(action)}
    # Older releases listed "None" and every pair of choices, joined by a comma, as choices of their own.
    choices = [choice for choice in action.choices or () if choice not in (None, "None") and "," not in str(choice)]
    if choices:
        row["choices"] = choices
    default = plain(action.default)
    if default is not None:
        row["default"] = default
    if negative:
        row["negative"] = sorted(negative, key=lambda spelling: (not spelling.startswith("--no-"), spelling))
    if aliases := [s for s in spellings if s != name and s not in negative]:
        row["aliases"] = aliases
    if isinstance(action, argparse._AppendAction):
        row["append"] = True
    if action.nargs == "?":
        row["bare"] = True
    return row


def kind(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "bool"
    if action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction):
        return "list"
    return "enum" if action.choices else value_kind(action.type)


def value_kind(convert: Any) -> str:
    """What a type makes of samples tells its kind."""
    if not callable(convert):
        return "str"
    if not isinstance(tried(convert, "{}"), str | list | None):
        return "json"
    for sample, wanted, name in (("7", int, "int"), ("0.5", float, "float")):
        if isinstance(tried(convert, sample), wanted):
            return name
    return "str"


def tried(convert: Callable[[str], Any], text: str) -> Any:
    try:
        return convert(text)
    except Exception:  # noqa: BLE001  a type may refuse a sample in any way it likes
        return None


def negates(parser: argparse.ArgumentParser, action: argparse.Action, spelling: str) -> bool:
    if action.nargs != 0:
        return False
    seen = argparse.Namespace()
    action(parser, seen, [], spelling)
    return getattr(seen, action.dest, None) is False


def plain(default: Any) -> Any:
    """A default as JSON holds it; None for what vLLM builds itself and for the empty text, which says nothing."""
    if isinstance(default, Enum):
        default = str(default.value)
    if default in (argparse.SUPPRESS, ""):
        return None
    try:
        json.dumps(default)
    except TypeError:
        return None
    return default


if __name__ == "__main__":
    main()
