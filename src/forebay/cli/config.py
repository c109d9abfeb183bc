"""`forebay config`: the configuration as it applies, and the story of every value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from pydantic.fields import FieldInfo

from forebay.cli.flags import Flags, columns, common, spelled
from forebay.cli.wiring import configuration
from forebay.config.hidden import shown
from forebay.config.load import Loaded
from forebay.config.provenance import Origin, Path, find, plain, show_path
from forebay.config.shape import field_at
from forebay.core.errors import UsageError
from forebay.messages import _


@click.group(help=_("Show the configuration and where each value came from."))
def config() -> None:
    """The noun `config`."""


@config.command(help=_("Print the whole configuration with every default, as it applies."))
@common("config", "env", "output")
def show(flags: Flags) -> None:
    """YAML for people; secrets appear as the references they are."""
    flags.answer(values(configuration(flags)))


@config.command(help=_("Say where a value came from and what it overrode; KEY is like gateway.timeouts.head."))
@click.argument("key", required=False, default="")
@common("config", "env", "output")
def explain(flags: Flags, key: str) -> None:
    """One value, or all below a key."""
    loaded = configuration(flags)
    path = loaded.resolve(key)
    origins = [(part, value, loaded.origin(part)) for part, value in _all(loaded) if part[: len(path)] == path]
    if not origins:
        raise UsageError(_("there is no key {key}").format(key=key), fix=loaded.advice(path))
    answer = [_told(part, value, origin, loaded) for part, value, origin in origins]
    if len(origins) == 1 and origins[0][0] == path:
        flags.answer(answer[0], table=lambda: _story(answer[0]))
    else:
        head = (_("KEY"), _("VALUE"), _("LAYER"), _("WHERE"))
        rows = [(item["key"], spelled(item["value"]), item["layer"], item["where"]) for item in answer]
        flags.answer(answer, table=lambda: columns(head, rows))


@config.command(help=_("Show what differs between two environments."))
@click.argument("one")
@click.argument("other")
@common("config", "output")
def diff(flags: Flags, one: str, other: str) -> None:
    """Values that differ, side by side."""
    left, right = (_in_environment(flags, name) for name in (one, other))
    keys = sorted({*left, *right}, key=show_path)
    rows = [(show_path(key), left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)]
    answer = [{"key": key, one: mine, other: theirs} for key, mine, theirs in rows]
    cells = [(key, spelled(mine), spelled(theirs)) for key, mine, theirs in rows]
    flags.answer(answer, table=lambda: columns((_("KEY"), one, other), cells))


def values(loaded: Loaded) -> dict[str, Any]:
    """The configuration in the form of the file, without what could be a secret."""
    dumped: dict[str, Any] = loaded.config.model_dump(mode="json", exclude={"environments", "engine_defaults"})
    for model in dumped["models"].values():
        for engine in model["engines"]:
            if "env" in engine:
                engine["env"] = {name: shown(name, value) for name, value in engine["env"].items()}
    return dumped


def _all(loaded: Loaded) -> Iterator[tuple[Path, Any]]:
    yield from _flat(values(loaded))
    if (defaults := find(loaded.written, ("engine_defaults",))) is not None:
        for path, value in _flat(plain(defaults), ("engine_defaults",)):
            yield path, _hide(path, value)


def _flat(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _flat(child, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, child in enumerate(value):
            yield from _flat(child, (*path, index))
    else:
        yield path, value


def _in_environment(flags: Flags, name: str) -> dict[Path, Any]:
    flags.environment = name
    return dict(_flat(values(configuration(flags))))


def _told(path: Path, value: Any, origin: Origin, loaded: Loaded) -> dict[str, Any]:
    field = field_at(path, loaded.tree)
    return {
        "key": show_path(path),
        "value": value,
        "layer": origin.layer,
        "where": _where(origin),
        "overrides": [
            {"value": _hide(path, below.value), "layer": below.layer, "where": _where(below)}
            for below in origin.overrides
        ],
        "about": _about(field),
    }


def _about(field: FieldInfo | None) -> str:
    text = " ".join((field.description or "").split()) if field is not None else ""
    return _(text) if text else ""


def _hide(path: Path, value: object) -> object:
    return shown(str(path[-1]), str(value)) if "env" in path else value


def _where(origin: Origin) -> str:
    return str(origin) if origin.file else ""


def _story(told: dict[str, Any]) -> str:
    lines = [f"{told['key']}: {spelled(told['value'])}"]
    lines.append("  " + _from(told))
    lines += [
        "  " + _("instead of {value}, {origin}").format(value=spelled(b["value"]), origin=_from(b))
        for b in told["overrides"]
    ]
    if told["about"]:
        lines.append("  " + told["about"])
    return "\n".join(lines)


def _from(told: dict[str, Any]) -> str:
    layers = {
        "default": _("the default"),
        "hardware": _("from the hardware profile"),
        "scenario": _("from the scenario"),
        "environment": _("from the environment"),
        "file": _("from the file"),
        "limit": _("a limit of the hardware"),
    }
    text = layers[told["layer"]]
    return f"{text} ({told['where']})" if told["where"] else text
