"""`forebay render`: the files that forebay generates, for reading or for use elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from forebay.cli.flags import Flags, columns, common
from forebay.cli.wiring import checked_configuration
from forebay.core.errors import UsageError
from forebay.core.files import write_atomically
from forebay.messages import _


@click.command(help=_("Write the files that forebay generates: nginx, compose, Prometheus and others."))
@click.argument("target", required=False, default="")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help=_("Directory to write to."))
@click.option("--list", "listing", is_flag=True, help=_("Say which targets there are."))
@common("config", "env", "output", "dry_run")
def render(flags: Flags, target: str, out: Path | None, listing: bool) -> None:
    """Check the configuration, and write one target's files below `--out`."""
    from forebay.render.target import Subject, load_targets  # noqa: PLC0415  `--help` needs no renderer

    known = load_targets()
    if listing:
        told = [{"target": name, "about": _(each.about)} for name, each in known.items()]
        head = (_("TARGET"), _("ABOUT"))
        flags.answer(told, table=lambda: columns(head, [(one["target"], one["about"]) for one in told]))
        return
    if target not in known:
        raise UsageError(_("there is no target {name}").format(name=target or "''"), fix=", ".join(known))
    if out is None:
        raise UsageError(_("where to write is not said"), fix=_("Add --out DIRECTORY"))
    subject = Subject(config=checked_configuration(flags).config, folder=out.resolve())
    files = known[target].files(subject)
    if not flags.dry_run:
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out / name, text.encode(), mode=0o755 if name.endswith(".sh") else 0o644)
    flags.answer([str(out / name) for name in files], table=lambda: "\n".join(str(out / name) for name in files))
