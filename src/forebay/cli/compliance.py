"""`forebay compliance`: what software can check of a law or a standard, checked on what runs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from forebay.cli.flags import Flags, columns, common, paint
from forebay.cli.processing import record, stores
from forebay.cli.wiring import configuration, state_dir
from forebay.config.load import Loaded
from forebay.config.secrets import resolve
from forebay.controller.status import Status, read_status
from forebay.core.files import write_atomically
from forebay.messages import _, spoken
from forebay.ops.compliance import report as pages
from forebay.ops.compliance.control import load_pack, shipped_packs
from forebay.ops.compliance.kept import keep
from forebay.ops.compliance.run import Assessed, Report, Running, Subject, assess, load_probes
from forebay.store.state_dir import StateDir

_COLOURS = {"pass": "green", "fail": "red", "not assessed": "yellow"}


@click.group(help=_("Check the service against laws and standards."))
def compliance() -> None:
    """The noun."""


for about_processing in (record, stores):
    compliance.add_command(about_processing)


@compliance.command(help=_("Probe the running service for every control; exit 1 where one fails."))
@click.option("--pack", "packs", multiple=True, metavar="NAME|FILE", help=_("These controls alone; a name or a file."))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help=_("Write the report as a page, too."))
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=_("API key to call with. Default: compliance.key, else the development key, where there is one."),
)
@click.option("--keep", "kept", is_flag=True, help=_("Keep the report, and tell what was met before and is not now."))
@common("config", "env", "output")
def check(flags: Flags, packs: tuple[str, ...], html: Path | None, key_file: Path | None, kept: bool) -> int:
    """Every control of the packs with its verdict, evidence and date."""
    state, loaded = state_dir(flags), configuration(flags)
    probes, base = load_probes(), flags.config.resolve().parent
    # A pack of the configuration's that is no shipped one is a file beside it.
    declared = [each if each in shipped_packs() else str(base / each) for each in loaded.config.compliance.packs]
    chosen = [load_pack(name, probes) for name in packs or declared or shipped_packs()]
    running = _running(read_status(state.status))
    key = _key(loaded, base, state, key_file)
    subject = Subject(loaded=loaded, state=state, running=running, key=key, now_s=time.time())
    found = assess(subject, chosen, probes)
    if kept:
        for lost in keep(found, state.compliance, loaded.config.compliance.keep).lost:
            flags.say(_("met before, and not any more: {pack} {id}").format(pack=lost.pack, id=lost.control))
    if html is not None:
        write_atomically(html, pages.page(found, spoken()).encode(), mode=0o644)
        flags.say(_("the report is {path}").format(path=html))
    flags.answer(found, table=lambda: _table(found))
    return int(found.failed)


def _key(loaded: Loaded, base: Path, state: StateDir, file: Path | None) -> str | None:
    """The key that probes call with."""
    if file is None and loaded.config.compliance.key is not None:
        return resolve(loaded.config.compliance.key, base)
    file = file or (state.dev_key if state.dev_key.exists() else None)
    return file.read_text("utf-8").strip() if file else None


def _running(status: Status | None) -> Running | None:
    """What runs by the controller's last word; None where nothing does."""
    if status is None or status.state in ("stopped", "failed"):
        return None
    models = {engine.model for engine in status.engines}
    return Running(
        url=status.edge.url,
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
