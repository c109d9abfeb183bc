"""`forebay supply`: what forebay is made of, whether an advisory names a part of it, and what runs before it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import msgspec

from forebay.cli.flags import Flags, columns, common
from forebay.core.errors import RunError, UsageError
from forebay.messages import _, ngettext
from forebay.security.materials import Material, advised, bill, installed, locked
from forebay.security.startup_files import foreign_startup_files

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(help=_("What forebay is made of, and whether that can be trusted."))
def supply() -> None:
    """Group of the commands below."""


@supply.command("bill", help=_("Print a bill of materials (CycloneDX): of what is installed, or of locks."))
@click.option("--lock", "locks", multiple=True, type=_FILE, help=_("A lock file, with the hashes that it allows."))
@common()
def bill_(flags: Flags, locks: tuple[Path, ...]) -> None:
    """JSON on stdout, the same for the same packages."""
    flags.output = "json"
    flags.answer(bill(_materials(locks), version("forebay")))


@supply.command(help=_("Compare packages with stored advisories, and look for files that run at every start."))
@click.option("--advisories", type=_FILE, help=_("Advisories in OSV's form: a list, or a file of one a line."))
@click.option("--lock", "locks", multiple=True, type=_FILE, help=_("Look at a lock file instead of what is installed."))
@common("output")
def check(flags: Flags, advisories: Path | None, locks: tuple[Path, ...]) -> None:
    """Nothing is asked of any network. Exit 1 where something is found."""
    found = advised(_materials(locks), _read(advisories)) if advisories is not None else []
    foreign = foreign_startup_files()
    answer = {
        "advisories": msgspec.to_builtins(found),
        "startup_files": [{"path": str(path), "why": why} for path, why in foreign],
    }
    rows = [(each.name, each.version, each.advisory, ", ".join(each.fixed) or "-", each.summary) for each in found]
    rows += [(path.name, "-", "-", "-", why) for path, why in foreign]
    head = (_("PACKAGE"), _("VERSION"), _("ADVISORY"), _("FIXED IN"), _("WHY"))
    flags.answer(answer, lambda: columns(head, rows) if rows else _("nothing found"))
    if rows:
        what = ngettext("{n} finding in the supply chain", "{n} findings in the supply chain", len(rows))
        raise RunError(what.format(n=len(rows)), code="supply_chain")


def _materials(locks: tuple[Path, ...]) -> list[Material]:
    return locked(locks) if locks else installed()


def _read(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    try:
        try:
            found = msgspec.json.decode(content)
            return found if isinstance(found, list) else [found]
        except msgspec.DecodeError:
            return [msgspec.json.decode(line, type=dict[str, Any]) for line in content.splitlines() if line.strip()]
    except msgspec.DecodeError as error:
        raise UsageError(
            _("{path} is no file of advisories: {why}").format(path=path, why=error), fix=_("Save OSV's JSON there")
        ) from None
