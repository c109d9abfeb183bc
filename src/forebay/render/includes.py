"""The operator's own lines within the edge's file, between marks that lead from a refusal back to them. Pure."""

from __future__ import annotations

import re

from forebay.config.schema import Config

_BEGIN, _END = "# edge.include.{key}: begin", "# edge.include.{key}: end"
_MARK = re.compile(r"\s*# edge\.include\.(\w+): (begin|end)")


def included(config: Config, key: str) -> list[str]:
    """The lines that stand at `key`, and nothing where there are none."""
    text = getattr(config.edge.include, key)
    return [_BEGIN.format(key=key), *text.splitlines(), _END.format(key=key)] if text.strip() else []


def written_at(content: str, line: int) -> str:
    """Which line of the operator's own a line of the whole file is, such as `edge.include.nginx_http:3`; or empty."""
    lines = content.splitlines()
    for number in range(min(line, len(lines)), 0, -1):
        found = _MARK.match(lines[number - 1])
        if found is not None and found[2] == "begin":
            return f"edge.include.{found[1]}:{max(1, line - number)}"
        # What lacks its end is told of the line behind it.
        if found is not None and line - number > 1:
            return ""
    return ""
