"""What differs between two releases, value by value. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from forebay.config.hidden import shown
from forebay.config.provenance import Path, show_path
from forebay.release.classes import RestartClass, restart_class
from forebay.release.version import Release

_ABSENT = object()


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One value that changes; None is absent too where `kind` says that it comes or goes."""

    key: str
    kind: str
    before: Any
    after: Any
    restart: RestartClass


def steps(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Step, ...]:
    """Every change from one effective configuration to another, in the order of their keys."""
    return tuple(_walk((), before, after))


def files(before: Release | None, after: Release, environment: str) -> Iterator[str]:
    """The rendered files of an environment that differ, as unified diffs."""
    ours = {} if before is None else _rendered(before, environment)
    theirs = _rendered(after, environment)
    for path in sorted(ours.keys() | theirs.keys()):
        old, new = ours.get(path, ""), theirs.get(path, "")
        if old != new:
            yield from difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{path}", f"b/{path}", lineterm="")


def _rendered(release: Release, environment: str) -> dict[str, str]:
    return {
        path: content.decode("utf-8", "replace")
        for path, content in release.files.items()
        if f"/{environment}/" in path or path == f"engines/{environment}.json"
    }


def _walk(path: Path, before: Any, after: Any) -> Iterator[Step]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _walk((*path, key), before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif _is_list_of_sections(before) and _is_list_of_sections(after):
        for index in range(max(len(before), len(after))):
            yield from _walk((*path, index), _at(before, index), _at(after, index))
    else:
        yield _step(path, before, after)


def _step(path: Path, before: Any, after: Any) -> Step:
    kind = "added" if before is _ABSENT else "removed" if after is _ABSENT else "changed"
    whole = isinstance(before, dict) or isinstance(after, dict)
    entry = kind != "changed" and (len(path) == 2 or (len(path) == 4 and path[2] == "engines"))
    return Step(
        key=show_path(path),
        kind=kind,
        before=_shown(path, before),
        after=_shown(path, after),
        restart=restart_class(path, (before, after), whole=whole and entry),
    )


def _shown(path: Path, value: Any) -> Any:
    if value is _ABSENT:
        return None
    if isinstance(value, dict):
        return {key: _shown((*path, key), each) for key, each in value.items()}
    if _is_list_of_sections(value):
        return [_shown((*path, index), each) for index, each in enumerate(value)]
    return shown(str(path[-1]), value) if "env" in path and path[-1] != "env" else value


def _is_list_of_sections(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else _ABSENT
