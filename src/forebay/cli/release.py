"""`forebay release`: store, list, compare, approve and promote releases."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from forebay.cli import releasing
from forebay.cli.auditing import decided
from forebay.cli.findings import lines
from forebay.cli.flags import Flags, columns, common, spelled
from forebay.cli.states import takes_word
from forebay.cli.wiring import state_dir
from forebay.core.errors import ConfigError, StateError, UsageError
from forebay.messages import _
from forebay.release.approvals import Approval, approvals, approve, missing_approvals
from forebay.release.difference import files as file_diff
from forebay.release.difference import steps
from forebay.release.history import Event, append, author, change_id, events
from forebay.release.running import read_running
from forebay.release.store import Store
from forebay.release.version import Release, read_config

_ORDER = ("development", "staging", "production")


@click.group(help=_("Store, list, compare, approve and promote releases."))
def release() -> None:
    """The noun; its verbs follow."""


@release.command(help=_("Store what the file says as a release, for every environment that it can run in."))
@click.argument("name", required=False)
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config", "env", "output", "dry_run")
def create(flags: Flags, name: str | None, reason: str) -> None:
    """The release, and why environments are not in it."""
    made = releasing.built(flags)
    for environment, findings in made.left_out.items():
        flags.say(_("it cannot run in {environment}:").format(environment=environment))
        flags.say("\n".join(f"  {line}" for line in lines(findings)))
    if flags.dry_run:
        flags.answer(sorted(made.files), lambda: "\n".join(sorted(made.files)))
        return
    stored = releasing.record(flags, made.files, reason, name)
    releasing.committed(flags, _event("created", stored, "", stored.created.by, reason))
    flags.answer(_told(stored), lambda: f"{stored.name} {stored.short}")


@release.command("list", help=_("Show every release, who made it, and where it runs."))
@common("config", "output")
def list_releases(flags: Flags) -> None:
    store = Store.beside(flags.config)
    current = _current(store)
    running = read_running(state_dir(flags).running)
    rows: list[dict[str, Any]] = []
    for name in store.names():
        try:
            found = store.read(name)
        except StateError as error:
            rows.append({"name": name, "digest": "", "damaged": str(error), "current": current.get(name, [])})
            continue
        runs = running is not None and running.release.digest == found.digest
        rows.append({**_told(found), "current": current.get(name, []), "runs": runs})
    head = (_("NAME"), _("DIGEST"), _("MADE"), _("BY"), _("CURRENT IN"), _("REASON"))
    flags.answer(rows, lambda: columns(head, [_row(each) for each in rows]))


@release.command(help=_("Show a release: its files, its approvals, and what became of it."))
@click.argument("name")
@common("config", "env", "output")
def show(flags: Flags, name: str) -> None:
    store = Store.beside(flags.config)
    found = store.read(name)
    given = [each for place in _ORDER for each in approvals(store, found.digest, place)]
    answer = {
        **_told(found),
        "files": {path: len(content) for path, content in sorted(found.files.items())},
        "approvals": given,
        "log": [event for event in events(store.root) if event.digest == found.digest],
    }
    if flags.environment:
        answer["config"] = found.values(flags.environment)
    flags.answer(answer)


@release.command(help=_("Show what differs between two releases, value by value and file by file."))
@click.argument("one")
@click.argument("other")
@click.option("--files", "with_files", is_flag=True, help=_("Show the rendered files that differ, too."))
@common("config", "env", "output")
def diff(flags: Flags, one: str, other: str, with_files: bool) -> None:
    store = Store.beside(flags.config)
    before, after = store.read(one), store.read(other)
    shared = [name for name in before.environments if name in after.environments]
    environment = flags.environment or (shared[0] if shared else "")
    found = steps(before.values(environment), after.values(environment))
    texts = list(file_diff(before, after, environment)) if with_files else []
    head = (_("KEY"), one, other, _("TAKES"))
    rows = [(each.key, _cell(each.before), _cell(each.after), takes_word(each.restart)) for each in found]
    answer = {"environment": environment, "steps": found, "files": texts}
    flags.answer(answer, lambda: "\n".join([columns(head, rows), *texts]))


@release.command("approve", help=_("Say that a release may run in an environment; nobody approves their own."))
@click.argument("name")
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config", "env", "output")
def approve_release(flags: Flags, name: str, reason: str) -> None:
    store = Store.beside(flags.config)
    found = store.read(name)
    environment = flags.environment or "production"
    config = read_config(found.values(environment))
    approval = Approval(
        by=author(store.root), at=time.time(), digest=found.digest, environment=environment, reason=reason
    )
    with decided(state_dir(flags), "release.approve", release=name, digest=found.digest, environment=environment):
        path = approve(store, found, approval, config.releases.approvers)
    event = _event("approved", found, environment, approval.by, reason)
    append(store.root, event)
    releasing.committed(flags, event, path)
    flags.answer(approval, lambda: _("{by} approves {name} for {environment}").format(
        by=approval.by, name=name, environment=environment
    ))  # fmt: skip


@release.command(help=_("Make what one environment runs the current release of the next: of staging, production's."))
@click.argument("name", required=False)
@click.option("--to", "to", type=click.Choice(_ORDER[1:]), default="production", show_default=True, help=_("Where to."))
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config", "output")
def promote(flags: Flags, name: str | None, to: str, reason: str) -> None:
    """Only what is current in the environment before; `forebay apply --release current` then puts it in force there."""
    store = Store.beside(flags.config)
    before = _ORDER[_ORDER.index(to) - 1]
    proven = store.current(before)
    if proven is None:
        what = _("{environment} has no current release").format(environment=before)
        raise StateError(what, fix=_("Run it there first: forebay up --env {environment}").format(environment=before))
    if name is not None and store.read(name).digest != proven.digest:
        what = _("{name} is not what {environment} runs: that is {current}")
        raise UsageError(what.format(name=name, environment=before, current=proven.name), fix=_("Try it there first"))
    old = store.current(to)
    values = old.values(to) if old is not None else None
    config = read_config(proven.values(to))
    current = read_config(values) if values is not None else None
    findings = missing_approvals(store, config, current, proven.digest, proven.created.by)
    if findings:
        raise ConfigError(_("{name} cannot be promoted").format(name=proven.name), findings=findings)
    with decided(state_dir(flags), "release.promote", release=proven.name, digest=proven.digest, environment=to):
        store.make_current(to, proven.name)
    event = _event("promoted", proven, to, author(store.root), reason)
    append(store.root, event)
    releasing.committed(flags, event)
    flags.answer({**_told(proven), "environment": to}, lambda: _("{name} is current in {environment}").format(
        name=proven.name, environment=to
    ))  # fmt: skip


def _current(store: Store) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for environment in _ORDER:
        if store.link(environment).is_symlink():
            found.setdefault(store.link(environment).readlink().name, []).append(environment)
    return found


def _event(what: str, found: Release, environment: str, by: str, reason: str) -> Event:
    return Event(
        at=time.time(), what=what, release=found.name, digest=found.digest, environment=environment, by=by,
        reason=reason, change=change_id(),
    )  # fmt: skip


def _told(found: Release) -> dict[str, Any]:
    return {
        "name": found.name,
        "digest": found.digest,
        "environments": found.environments,
        "by": found.created.by,
        "at": found.created.at,
        "reason": found.created.reason,
        "change": found.created.change,
    }


def _row(each: dict[str, Any]) -> list[object]:
    if "damaged" in each:
        return [each["name"], _("damaged"), "-", "-", ", ".join(each["current"]), each["damaged"].splitlines()[0]]
    made = datetime.fromtimestamp(each["at"], UTC).strftime("%Y-%m-%d %H:%M")
    where = " ".join([", ".join(each["current"]), *([_("(runs)")] if each["runs"] else [])]).strip()
    return [each["name"], each["digest"][:12], made, each["by"], where, each["reason"]]


def _cell(value: object) -> str:
    return "-" if value is None else spelled(value)
