"""`forebay compliance`: what software can check of a law or a standard, checked on what runs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from forebay.cli.flags import Flags, columns, common, paint
from forebay.cli.wiring import configuration, state_dir
from forebay.controller.status import Status, read_status
from forebay.core.files import write_atomically
from forebay.messages import _, spoken
from forebay.ops.compliance import report as pages
from forebay.ops.compliance.control import load_pack, shipped_packs
from forebay.ops.compliance.run import Assessed, Report, Running, Subject, assess, load_probes

_COLOURS = {"pass": "green", "fail": "red", "not assessed": "yellow"}


@click.group(help=_("Check the service against laws and standards."))
def compliance() -> None:
    """The noun."""


@compliance.command(help=_("Probe the running service for every control; exit 1 where one fails."))
@click.option("--pack", "packs", multiple=True, metavar="NAME|FILE", help=_("These controls alone; a name or a file."))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help=_("Write the report as a page, too."))
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=_("API key to call with. Default: the development key, where there is one."),
)
@common("config", "env", "output")
def check(flags: Flags, packs: tuple[str, ...], html: Path | None, key_file: Path | None) -> int:
    """Every control of the packs with its verdict, evidence and date."""
    state = state_dir(flags)
    probes = load_probes()
    chosen = [load_pack(name, probes) for name in packs or shipped_packs()]
    running = _running(read_status(state.status))
    file = key_file or (state.dev_key if state.dev_key.exists() else None)
    key = file.read_text("utf-8").strip() if file else None
    subject = Subject(loaded=configuration(flags), state=state, running=running, key=key, now_s=time.time())
    found = assess(subject, chosen, probes)
    if html is not None:
        write_atomically(html, pages.page(found, spoken()).encode(), mode=0o644)
        flags.say(_("the report is {path}").format(path=html))
    flags.answer(found, table=lambda: _table(found))
    return int(found.failed)


def _running(status: Status | None) -> Running | None:
    """What runs by the controller's last word; None where nothing does."""
    if status is None or status.state in ("stopped", "failed"):
        return None
    models = {engine.model for engine in status.engines}
    return Running(
        url=status.edge.url,
        gateway_url=status.gateway.url,
        admin_url=status.gateway.admin_url,
        worker_urls=tuple(worker.url for worker in status.gateway.workers),
        engines={model: tuple(engine.url for engine in status.engines if engine.model == model) for model in models},
        pids={unit.name: unit.pid for unit in status.units if unit.pid},
    )


def _table(found: Report) -> str:
    texts = []
    for pack in found.packs:
        rows = [
            (control.clause, paint(pages.words(control.verdict), _COLOURS[control.verdict]), control.title[spoken()])
            for control in pack.controls
        ]
        heads = (_("Clause"), _("Verdict"), _("Control"))
        texts.append(f"{pack.title[spoken()]} ({pack.edition})\n{columns(heads, rows)}\n{pages.count_line(pack)}")
        texts.extend(_failures(pack.controls))
    return "\n\n".join(texts)


def _failures(controls: tuple[Assessed, ...]) -> list[str]:
    """What fails, why, and how to mend it, once a probe."""
    told: dict[str, str] = {}
    for control in controls:
        for name, outcome in control.outcomes.items():
            if outcome.verdict == "fail":
                fix = f"\n  {outcome.fix}" if outcome.fix else ""
                told[name] = f"{paint(_('fail'), 'red')}: {outcome.why} [{name}]{fix}"
    return ["\n".join(told.values())] if told else []
