"""Values as YAML, in the order in which they were put together."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

HEAD = "# Written by forebay from forebay.yaml: changes made here are lost.\n"


def yaml_text(*documents: Any, about: str = "") -> str:
    """One file; `about` is a comment at its head."""
    writer = YAML()
    writer.width = 4096
    writer.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    out.write(HEAD)
    for line in about.splitlines():
        out.write(f"# {line}\n")
    for number, document in enumerate(documents):
        if number:
            out.write("---\n")
        writer.dump(_literal(document), out)
    return out.getvalue()


def _literal(value: Any) -> Any:
    """Text of several lines as a block, so that a person can read it."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(item) for item in value]
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    return value
