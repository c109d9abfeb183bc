"""`forebay render`: the files that forebay generates, for reading or for use elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from forebay.cli.flags import Flags, common
from forebay.cli.wiring import checked_configuration, edge_files
from forebay.core.files import write_atomically
from forebay.messages import _


@click.group(help=_("Write the files that forebay generates."))
def render() -> None:
    """The noun `render`."""


@render.command(help=_("Write the edge's nginx.conf."))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help=_("Directory to write to.")
)
@common("config", "env", "output", "dry_run")
def nginx(flags: Flags, out: Path) -> None:
    """The same text that `up` runs, with paths below `--out`."""
    files = edge_files(checked_configuration(flags), out, "nginx")
    if not flags.dry_run:
        for name, text in files.items():
            write_atomically(out / name, text.encode(), mode=0o644)
    flags.answer([str(out / name) for name in files], table=lambda: "\n".join(str(out / name) for name in files))
