"""Carries what a ladder found into forebay.yaml: a patch to look at, or the changed file itself."""

from __future__ import annotations

import difflib
import io
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from forebay.config.arg_names import canonical, table
from forebay.config.schema import VllmEngine
from forebay.core.errors import ConfigError
from forebay.messages import _
from forebay.tune.setting import Setting
from forebay.tune.space import ENGINE, Space, path_of


def carried(text: str, space: Space, winner: Setting) -> str:
    """The file with the winner's flags and variables at the engine that was tuned; comments stay.

    A flag that a profile set and the winner has not is written as vLLM's default, for the profile would set it again.
    """
    if winner == space.baseline():
        return text
    yaml = YAML(typ="rt")
    nested = re.search(r"^( *)[^ \n#-][^\n]*:[ ]*(?:#[^\n]*)?\n(?: *#[^\n]*\n)*( *)- ", text, re.MULTILINE)
    offset = len(nested[2]) - len(nested[1]) if nested else 2
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    yaml.preserve_quotes = True
    yaml.width = 1000
    whole = yaml.load(text)
    written = _engine(whole, space)
    before = space.baseline()
    for key, value in winner.difference(before).items():
        if key == "copies":
            written["count"] = value
        elif key.startswith("env."):
            _set(written, "env", key.removeprefix("env."), value)
        elif key.startswith(ENGINE):
            written[key.removeprefix(ENGINE)] = value
        elif key in winner.gateway:
            _set_path(whole, path_of(key, space.model), value)
        elif isinstance(space.engine, VllmEngine):
            _set_flag(written, space.engine, key, value)
        elif value is None:
            written.pop(key, None)
        else:
            written[key] = value
    out = io.StringIO()
    yaml.dump(whole, out)
    return out.getvalue()


def patch(path: Path, before: str, after: str) -> str:
    """The difference as `patch` takes it."""
    name = path.name
    return "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}"))


def _engine(whole: Any, space: Space) -> CommentedMap:
    engines = space.loaded.config.models[space.model].engines
    try:
        found = whole["models"][space.model]["engines"][engines.index(space.written)]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ConfigError(
            _("the engine is not written in this file"), where=str(space.loaded.path), fix=_("Change it by hand")
        ) from error
    if not isinstance(found, CommentedMap):
        raise ConfigError(_("the engine is not written in this file"), where=str(space.loaded.path))
    return found


def _set_flag(written: CommentedMap, engine: VllmEngine, flag: str, value: Any) -> None:
    flags = table(engine.release)
    args = written.get("args") or CommentedMap()
    spelt = next((key for key in args if canonical(str(key), flags) == flag), flag)
    if value is not None:
        args[spelt] = value
    elif spelt in args:
        del args[spelt]
    else:
        known = flags[f"--{flag}"] if flags is not None and f"--{flag}" in flags else None
        if known is not None and known.kind == "bool":
            args[flag] = False
        elif known is not None and known.default is not None:
            args[flag] = known.default
    written["args"] = args


def _set_path(whole: Any, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        if not isinstance(whole.get(key), CommentedMap):
            whole[key] = CommentedMap()
        whole = whole[key]
    whole[path[-1]] = value


def _set(written: CommentedMap, section: str, key: str, value: Any) -> None:
    held = written.get(section) or CommentedMap()
    if value is None:
        held.pop(key, None)
    else:
        held[key] = value
    written[section] = held
