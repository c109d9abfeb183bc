"""`forebay compliance record` and `stores`: the record of processing activities, and what is to be declared for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from forebay.cli.flags import Flags, columns, common
from forebay.cli.wiring import configuration
from forebay.config.schema import Config
from forebay.core.files import write_atomically
from forebay.core.units import show_duration
from forebay.messages import _, spoken
from forebay.privacy.stores import FOR_EVER, kept_of_people

_PURPOSE, _RETENTION_S = "service", 30 * 86_400.0


@click.command(help=_("Write the record of processing activities (GDPR Art. 30) that the configuration makes."))
@click.option("--format", "form", type=click.Choice(("md", "html", "json")), default="md", show_default=True,
              help=_("Form of the record."))  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help=_("The file. Default: standard output."))
@common("config", "env")
def record(flags: Flags, form: str, out: Path | None) -> None:
    """In the language that is spoken; what is missing in the declaration is said in it."""
    import msgspec  # noqa: PLC0415  not needed for --help

    from forebay.ops.compliance.record import record as recorded  # noqa: PLC0415
    from forebay.ops.compliance.record_page import markdown, page  # noqa: PLC0415

    now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = recorded(configuration(flags).config, now)
    if form == "json":
        text = msgspec.json.format(msgspec.json.encode(made), indent=2).decode() + "\n"
    else:
        text = markdown(made) if form == "md" else page(made, spoken())
    if out is None:
        click.echo(text, nl=False)
    else:
        write_atomically(out, text.encode(), mode=0o644)
        flags.say(_("the record is {path}").format(path=out))


@click.command(help=_("List where something is kept of people; -o yaml prints what to declare of it."))
@common("config", "env", "output")
def stores(flags: Flags) -> None:
    """Every store that is on with its fields; as YAML, what is declared already and a proposal for the rest."""
    config = configuration(flags).config
    declared = {str(name): said for name, said in config.processing.stores.items()}
    rows, written = [], {}
    for name, store in kept_of_people(config).items():
        said = declared.get(name)
        purpose = said.purpose if said else _not_declared()
        shown = show_duration(said.retention) if said else ""
        rows.append((name, purpose, shown, ", ".join(store.personal), store.place))
        written[name] = {
            "purpose": said.purpose if said else _PURPOSE,
            "fields": list(store.personal),
            "retention": show_duration(said.retention if said else _proposed_s(store.kept_s(config))),
            **({"region": said.region} if said and said.region else {}),
        }
    heads = (_("STORE"), _("PURPOSE"), _("RETENTION"), _("FIELDS"), _("PLACE"))
    proposal = {"processing": {"purposes": _purposes(config), "stores": written}}
    flags.answer(proposal, table=lambda: columns(heads, rows))


def _not_declared() -> str:
    return _("not declared")


def _proposed_s(kept_s: float | None) -> float:
    """What a store keeps by its own setting; where it has none, a month."""
    return _RETENTION_S if kept_s is None or kept_s == FOR_EVER else kept_s


def _purposes(config: Config) -> dict[str, Any]:
    """The purposes that are declared, and where none is, one for what the service needs to run."""
    found = {
        name: purpose.model_dump(mode="json", exclude_defaults=True)
        for name, purpose in config.processing.purposes.items()
    }
    return found or {_PURPOSE: {"why": "To run the service safely", "basis": "legitimate_interests"}}
