"""Bring the Chinese catalogue in step with the texts in the code: extract, update, compile. `make messages`.

Needs babel, which only developers have. click's own texts are taken along, so that `--help` speaks one language.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

CATALOGUE = Path(__file__).parent / "zh" / "LC_MESSAGES" / "forebay.po"
Text = str | tuple[str, ...]
SOURCE = Path(__file__).parents[1]
# `N_` marks texts that are translated where they are used.
_KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}


def texts() -> Catalog:
    """Every text that can be shown, with where it stands."""
    catalog = Catalog(locale="zh", domain="forebay", fuzzy=False)
    for place, message in (*_own(), *_schema(), *_profiles(), *_clicks()):
        catalog.add(message, locations=[(place, 0)])
    return catalog


def updated(old: Catalog) -> Catalog:
    """The catalogue with today's texts: translations kept, texts that are gone dropped."""
    new = texts()
    for message in new:
        known = old.get(message.id) if message.id else None
        if known is not None and known.string:
            # A text that told no number before, and does now.
            became_counted = message.pluralizable and isinstance(known.string, str)
            message.string = (str(known.string),) if became_counted else known.string
    return new


def read(path: Path = CATALOGUE) -> Catalog:
    """The catalogue on disk; an empty one where there is none."""
    if not path.exists():
        return Catalog(locale="zh", domain="forebay")
    return read_po(io.BytesIO(path.read_bytes()), locale="zh", domain="forebay")


def compiled(catalog: Catalog) -> bytes:
    """The catalogue as gettext reads it."""
    # Babel writes the hour into the header; the same texts must give the same bytes.
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def written(catalog: Catalog) -> bytes:
    """The catalogue as people read it, without dates and line numbers that would change with every edit."""
    out = io.BytesIO()
    write_po(out, catalog, width=0, sort_output=True, include_lineno=False, omit_header=True)
    header = b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n"Language: zh\\n"\n'
    plural = b'"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
    return header + plural + out.getvalue().lstrip()


def untranslated(catalog: Catalog) -> list[str]:
    """Texts without a translation."""
    return [str(message.id) for message in catalog if message.id and not _whole(message.string)]


def main() -> None:
    """Write both files and say what is left to translate."""
    catalog = updated(read())
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    CATALOGUE.write_bytes(written(catalog))
    CATALOGUE.with_suffix(".mo").write_bytes(compiled(read()))
    for text in untranslated(catalog):
        sys.stdout.write(f"not translated: {text}\n")


def _whole(string: object) -> bool:
    return all(string) if isinstance(string, tuple | list) else bool(string)


def _own() -> Iterator[tuple[str, Text]]:
    found = extract_from_dir(SOURCE, method_map=[("**.py", "python")], keywords=_KEYWORDS)
    for name, _line, message, _comments, _context in sorted(found, key=lambda item: item[0]):
        yield f"src/forebay/{name}", message


def _schema() -> Iterator[tuple[str, Text]]:
    """Sentences about keys: findings and `config explain` show them."""
    for path in sorted((SOURCE / "config" / "schema").glob("*.py")):
        for section in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(section, ast.ClassDef):
                continue
            for field, about in pairwise(section.body):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(about, ast.Expr)
                    and isinstance(about.value, ast.Constant)
                ):
                    yield f"src/forebay/config/schema/{path.name}", " ".join(str(about.value.value).split())


def _profiles() -> Iterator[tuple[str, Text]]:
    from ruamel.yaml import YAML  # noqa: PLC0415

    for path in sorted((SOURCE / "profiles").rglob("*.yaml")):
        whole = YAML(typ="safe", pure=True).load(path)
        place = str(path.relative_to(SOURCE.parents[1]))
        yield place, whole["about"]
        for limit in whole.get("limits", {}).values():
            yield place, limit["why"]


def _clicks() -> Iterator[tuple[str, Text]]:
    for path in sorted(Path(click.__file__).parent.glob("*.py")):
        found = extract_from_file("python", path, keywords={"_": None, "ngettext": (1, 2)})
        for _line, message, _comments, _context in found:
            yield f"click/{path.name}", message


if __name__ == "__main__":
    main()
