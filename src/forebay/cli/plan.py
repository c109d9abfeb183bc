"""`forebay plan`, `apply`, `rollback`: what would change and what it costs, then the change, then the way back."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from forebay.cli import planning, releasing
from forebay.cli.auditing import decided
from forebay.cli.findings import lines
from forebay.cli.flags import Flags, columns, common, paint, spelled
from forebay.cli.service import sole
from forebay.cli.states import takes_word
from forebay.cli.wiring import state_dir
from forebay.config.schema.rollout import RolloutStrategy
from forebay.controller.status import Status
from forebay.core.errors import ConfigError, RunError
from forebay.engines.fleet import expand
from forebay.messages import _
from forebay.release import plan as plans
from forebay.release.difference import Step
from forebay.release.history import Event, change_id
from forebay.release.plan import Plan
from forebay.release.rollout.begin import Begun
from forebay.release.running import Running, Strategy, refuse_second
from forebay.release.version import Release, config_path, read_config

_CHANGES = 2
_ROLLOUT = click.Choice(RolloutStrategy.__args__)  # type: ignore[attr-defined]
_STRATEGY = click.Choice(Strategy.__args__)  # type: ignore[attr-defined]


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `apply`."""

    release: str | None
    strategy: Strategy
    rollout: RolloutStrategy | None
    detach: bool
    reason: str


class _Going(msgspec.Struct, frozen=True, kw_only=True):
    """A change that the controller is bringing about."""

    change: str
    stored: Release
    made: Plan
    asked: releasing.Asked


@click.command(help=_("Show what would change, what is restarted for it and how long it takes; change nothing."))
@click.option("--release", metavar="NAME", help=_("A stored release, or `current`, instead of what the file says."))
@click.option("--strategy", type=_STRATEGY, default="auto", show_default=True, help=_("How engines are replaced."))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help=_("Save the plan to this file."))
@click.option("--detailed-exitcode", is_flag=True, help=_("Exit 2 where something would change."))
@click.option(
    "--replay",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=_("An access log: say which of its calls would fare otherwise."),
)
@common("config", "env", "output")
def plan(
    flags: Flags,
    release: str | None,
    strategy: Strategy,
    out: Path | None,
    detailed_exitcode: bool,
    replay: Path | None,
) -> int:
    """Exit 1 where the plan cannot be applied, 2 with changes where that is asked for."""
    at = planning.here(flags)
    made = planning.make(at, planning.wanted(flags, at, release), strategy)
    if out is not None and not made.refused:
        plans.save(made, out)
    answer = told(made)
    text = _text(made)
    if replay is not None:
        from forebay.cli import replaying  # noqa: PLC0415  only where it is asked for

        found = replaying.replayed(at, made, replay)
        answer["replay"] = found
        text = f"{text}\n\n{replaying.table(found)}"
    flags.answer(answer, lambda: text)
    if made.refused:
        return 1
    return _CHANGES if detailed_exitcode and made.changes else 0


@click.command(help=_("Put a plan in force; without FILE, one that is made and shown now."))
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--release", metavar="NAME", help=_("A stored release, or `current`, instead of what the file says."))
@click.option("--strategy", type=_STRATEGY, default="auto", show_default=True, help=_("How engines are replaced."))
@click.option(
    "--rollout",
    type=_ROLLOUT,
    help=_("Try it on part of the calls first, and let the judge decide. Default: rollout.strategy."),
)
@click.option("--detach", is_flag=True, help=_("Return once it has begun; a rollout may take hours."))
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config", "env", "output", "yes", "timeout")
def apply(flags: Flags, file: Path | None, **options: Any) -> None:
    """Refused where what runs is not what the plan was made for; taken back where it fails."""
    wish = _Wish(**options)
    saved = plans.read(file) if file is not None else None
    state = state_dir(flags)
    releasing.running_now(state)
    with sole(state):
        at = planning.here(flags)
        if at.running is None:
            raise RunError(_("nothing runs"), fix=_("Start it with `forebay up`"))
        refuse_second(at.running)
        if saved is not None:
            plans.refuse_moved(saved, planning.basis(at, planning.drifted(at)))
        files = saved.files if saved is not None else planning.wanted(flags, at, wish.release)
        made = planning.make(at, files, saved.strategy if saved is not None else wish.strategy)
        if made.refused:
            raise ConfigError(_("the plan cannot be applied"), findings=made.refused)
        if not made.changes:
            _unchanged(flags, at.running, _("nothing changes"))
            return
        if saved is None:
            flags.say(_text(made))
            flags.confirm(_("Apply it?"), _("a change wants a confirmation"))
        begun = _begun(at, made, wish.rollout)
        stored = releasing.record(flags, files, wish.reason)
        asked = releasing.Asked(kind="apply", within_s=0.0, reason=wish.reason, begun=begun)
        going = _begin(flags, at, stored, made, asked)
        if begun is None and not wish.detach:
            _finish(flags, at, going)
    # A rollout may take hours, which is no reason to refuse every other command until then: the change itself does.
    if begun is not None and not wish.detach:
        _finish(flags, at, going)
    elif wish.detach:
        flags.say(_("begun: `forebay status` tells how it goes"))
        _answered(flags, stored.name, stored.digest, "begun")


@click.command(help=_("Go back to the release before, or to VERSION; no plan is needed."))
@click.argument("version", required=False)
@click.option("--strategy", type=_STRATEGY, default="auto", show_default=True, help=_("How engines are replaced."))
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config", "env", "output", "timeout")
def rollback(flags: Flags, version: str | None, strategy: Strategy, reason: str) -> None:
    """What runs is replaced by a release that is stored."""
    state = state_dir(flags)
    releasing.running_now(state)
    with sole(state):
        at = planning.here(flags)
        if at.running is None:
            raise RunError(_("nothing runs"), fix=_("Start it with `forebay up`"))
        refuse_second(at.running)
        name = version or at.running.previous
        if not name:
            raise RunError(_("there is no release before this one"), fix=_("Name one: `forebay release list`"))
        stored = at.store.read(name)
        if stored.digest == at.digest:
            at.store.make_current(at.environment, stored.name)
            _unchanged(flags, at.running, _("{name} runs already").format(name=stored.name))
            return
        made = planning.make(at, stored.files, strategy)
        errors = tuple(finding for finding in made.refused if finding.rule != "release_approvals")
        if errors:
            raise ConfigError(_("{name} cannot be run").format(name=name), findings=errors)
        asked = releasing.Asked(kind="rollback", within_s=0.0, reason=reason)
        _finish(flags, at, _begin(flags, at, stored, made, asked))


def told(made: Plan) -> dict[str, Any]:
    """A plan for programs: all but the files of the release."""
    answer: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(made, files={}))
    del answer["files"], answer["seal"]
    return {**answer, "changes": made.changes, "refused": bool(made.refused), "summary": str(made.price)}


def _begun(at: planning.Here, made: Plan, asked: RolloutStrategy | None) -> Begun | None:
    """The rollout that is asked for, by the command or by the new release itself."""
    config = read_config(msgspec.json.decode(made.files[config_path(at.environment)]))
    strategy = asked or config.rollout.strategy
    return None if strategy == "none" else planning.rollout(at, config, strategy, at.base)


def _begin(flags: Flags, at: planning.Here, stored: Release, made: Plan, asked: releasing.Asked) -> _Going:
    config = read_config(stored.values(at.environment))
    specs = expand(config, at.base)
    limit_s = flags.timeout_s or releasing.patience_s(specs)
    asked = msgspec.structs.replace(asked, within_s=limit_s, strategy=made.strategy)
    start = releasing.start_of(flags, config, at.state)
    assert at.running is not None  # noqa: S101  both commands have seen to it
    flags.say(_("{old} -> {new}: {price}").format(old=at.release, new=stored.name, price=made.price))
    if asked.begun is not None and asked.begun.rollout.no_baseline:
        why = asked.begun.rollout.no_baseline
        flags.say(_("no fresh engine of the old release beside it: {why}").format(why=why))
    with decided(at.state, asked.kind, release=stored.name, digest=stored.digest, environment=at.environment):
        change = releasing.begin_change(start, at.running, stored, asked)
    return _Going(change=change, stored=stored, made=made, asked=asked)


def _finish(flags: Flags, at: planning.Here, going: _Going) -> None:
    stored, made, asked = going.stored, going.made, going.asked
    try:
        outcome = releasing.follow(at.state, going.change, flags.say)
    except KeyboardInterrupt:
        flags.say(_("the change goes on without this command: `forebay status` tells"))
        raise
    status = releasing.settled(at.state, outcome)
    event = Event(
        at=made.at, what=asked.kind, release=stored.name, digest=stored.digest, environment=at.environment,
        by=made.by, reason=asked.reason, change=outcome.id or change_id(),
    )  # fmt: skip
    releasing.committed(flags, event)
    _done(flags, stored, status)


def _done(flags: Flags, stored: Release, status: Status) -> None:
    flags.say(_("{name} runs").format(name=stored.name))
    _answered(flags, stored.name, stored.digest, status.state)


def _unchanged(flags: Flags, running: Running, text: str) -> None:
    flags.say(text)
    _answered(flags, running.release.name, running.release.digest, "unchanged")


def _answered(flags: Flags, release: str, digest: str, state: str) -> None:
    """What programs are told of a command that changes, or would: on every way out."""
    if flags.output != "table":
        flags.answer({"release": release, "digest": digest, "state": state})


def _text(made: Plan) -> str:
    basis = made.basis
    old = basis.release or _("nothing")
    parts = [_("{environment}: {old} -> {new}").format(
        environment=basis.environment, old=old, new=made.name or made.digest[:12]
    )]  # fmt: skip
    if made.steps:
        head = (_("KEY"), _("NOW"), _("THEN"), _("TAKES"))
        rows = [(step.key, _short(step.before), _short(step.after), takes_word(step.restart)) for step in made.steps]
        parts.append(columns(head, rows))
        parts += [text for step in made.steps for text in _diff(step)]
    parts += [paint("~ ", "yellow") + text for text in made.drift]
    parts += lines(made.findings)
    if not basis.release:
        parts.append(_("this is the first release: there is nothing to compare it with"))
    else:
        parts.append(str(made.price) if made.changes else _("nothing changes"))
    return "\n".join(parts)


def _diff(step: Step) -> Iterator[str]:
    """Text of several lines, line by line: a table has no room for it."""
    before, after = (str(value or "").splitlines() for value in (step.before, step.after))
    if max(len(before), len(after)) > 1 and isinstance(step.before or step.after, str):
        yield from difflib.unified_diff(before, after, f"a/{step.key}", f"b/{step.key}", lineterm="")


def _short(value: Any) -> str:
    text = "-" if value is None else spelled(_said(value))
    first, *more = text.splitlines() or [""]
    return first if len(first) <= 48 and not more else f"{first[:45]}..."


def _said(value: Any) -> Any:
    """A section without what nobody said: no line of a table has room for every default."""
    if not isinstance(value, dict):
        return value
    pruned = {key: _said(below) for key, below in value.items()}
    return {key: below for key, below in pruned.items() if below not in (None, {}, [])}
