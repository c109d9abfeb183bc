"""`check --fix`: the safe changes, made in the operator's file, which must then be no worse than before."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from forebay.config.edit import Change, edited
from forebay.config.load import Loaded
from forebay.core.errors import ConfigError, Finding
from forebay.core.files import write_atomically
from forebay.lint.edits import Edit, Repairable
from forebay.messages import _


def repairs(findings: Iterable[Finding]) -> list[Repairable]:
    """The findings that a change of the file would end, one for each key."""
    found: dict[tuple[int, int], Repairable] = {}
    for finding in findings:
        if isinstance(finding, Repairable) and finding.edits:
            first = finding.edits[0]
            found.setdefault((first.line, first.column), finding)
    return list(found.values())


def repaired_text(loaded: Loaded, wanted: Iterable[Repairable]) -> tuple[str, str]:
    """The file before and after; nothing is written."""
    before = loaded.path.read_text(encoding="utf-8")
    edits = [edit for finding in wanted for edit in finding.edits]
    return before, edited(before, [_plain(edit) for edit in edits])


def write(path: Path, text: str, before: str) -> None:
    """Replace the file, unless someone changed it meanwhile."""
    if path.read_text(encoding="utf-8") != before:
        raise ConfigError(_("the file changed while it was checked"), where=str(path), fix=_("Run it again"))
    write_atomically(path, text.encode(), mode=path.stat().st_mode & 0o777)


def difference(before: str, after: str, name: str) -> str:
    """What would change, as a patch shows it."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="")
    return "\n".join(lines)


def _plain(edit: Edit) -> tuple[int, int, Change, object]:
    return edit.line, edit.column, edit.change, edit.to
