"""`forebay rollout`: how far the rollout is, and what a person may want of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from forebay.cli import releasing
from forebay.cli.auditing import decided
from forebay.cli.flags import Flags, columns, common
from forebay.cli.states import rollout_word
from forebay.cli.wiring import state_dir
from forebay.controller.status import ReleaseStatus, RolloutStatus, read_status
from forebay.core.errors import RunError
from forebay.messages import _
from forebay.release.history import author
from forebay.release.rollout.orders import FILE, Order, Wish, leave
from forebay.release.running import Running

_TAKEN_S = 30.0
_POLL_S = 0.1


@click.group(help=_("Follow a rollout, hold it, end it early or take it back."))
def rollout() -> None:
    """The noun; its verbs follow."""


@rollout.command(help=_("Show the step, the lanes, and what the judge says so far."))
@common("config", "output")
def status(flags: Flags) -> None:
    """Of the rollout under way; how the last change ended where there is none."""
    state = state_dir(flags)
    running = releasing.running_now(state)
    seen = read_status(state.status)
    release = seen.release if seen is not None else None
    found = release.rollout if release is not None and running.change is not None else None
    answer: dict[str, Any] = {
        "release": running.release.name,
        "to": running.change.to.name if found is not None and running.change is not None else None,
        "rollout": None if found is None else msgspec.to_builtins(found),
        "last": release.last if release is not None else "",
    }
    flags.answer(answer, lambda: _text(running, release, found))


@rollout.command(help=_("Stay at this share until `resume`; the guard goes on."))
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config")
def pause(flags: Flags, reason: str) -> None:
    _ask(flags, "pause", reason)
    flags.say(_("paused: `forebay rollout resume` goes on"))


@rollout.command(help=_("Go on after `pause`."))
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config")
def resume(flags: Flags, reason: str) -> None:
    _ask(flags, "resume", reason)
    flags.say(_("the rollout goes on"))


@rollout.command(help=_("Put the release in force now, whatever the judge has seen so far."))
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config")
def promote(flags: Flags, reason: str) -> None:
    running = _ask(flags, "promote", reason)
    assert running.change is not None  # noqa: S101  only a rollout under way is asked
    flags.say(_("{name} takes all calls: `forebay status` tells when").format(name=running.change.to.name))


@rollout.command(help=_("Take the release back now."))
@click.option("--reason", default="", help=_("Why, for the log."))
@common("config")
def abort(flags: Flags, reason: str) -> None:
    running = _ask(flags, "abort", reason)
    flags.say(_("going back to {name}").format(name=running.release.name))


def lines(found: RolloutStatus) -> list[str]:
    """A rollout for people, as `forebay status` shows it too."""
    text = _("{strategy}, {stage}: step {step} of {steps}, {share:.4g}% of the calls, until {until}")
    if found.stage == "watching" and found.step_ends_at is not None and found.step_ends_at < time.time():
        text = _(
            "{strategy}, {stage}: step {step} of {steps}, {share:.4g}% of the calls; over at {until}, asks for more"
        )
    told = [
        text.format(
            strategy=rollout_word(found.strategy),
            stage=rollout_word(found.stage),
            step=found.step,
            steps=found.steps,
            share=100 * found.share_ratio,
            until=_clock(found.step_ends_at),
        )
    ]
    if found.held:
        told.append(f"! {found.held_shown}")
    if found.no_baseline:
        told.append(_("no fresh engine of the old release beside it: {why}").format(why=found.no_baseline))
    head = (_("model"), _("canary"), _("calls"), _("compared with"), _("calls"))
    rows = [
        (
            each.model,
            ", ".join(each.canary) or "-",
            each.canary_calls,
            ", ".join(each.baseline) or _("the others"),
            each.baseline_calls,
        )
        for each in found.lanes
    ]
    told.append(columns(head, rows))
    if found.outcome:
        told.append(_("so far: {outcome}").format(outcome=found.outcome))
    return told + [f"  {figure}" for figure in (*found.figures, *(each.text for each in found.effects))]


def _text(running: Running, release: ReleaseStatus | None, found: RolloutStatus | None) -> str:
    if found is None or running.change is None:
        last = release.last if release is not None else ""
        return "\n".join(filter(None, (_("no rollout is under way"), last and _("last: {last}").format(last=last))))
    return "\n".join([f"{running.release.name} -> {running.change.to.name}", *lines(found)])


def _ask(flags: Flags, wish: Wish, reason: str) -> Running:
    """Leave the wish, and wait until the controller has taken it."""
    state = state_dir(flags)
    running = releasing.running_now(state)
    change = running.change
    if change is None or change.rollout is None or change.slots is None or change.phase != "forward":
        what = _("no rollout is under way")
        raise RunError(what, fix=_("`forebay apply --rollout canary` begins one"), code="no_rollout")
    releasing.refuse_standby(state)
    # A rollout that does harm is held or ended, recorded or not.
    with decided(state, f"rollout.{wish}", urgent=wish in {"abort", "pause"}, change=change.id, reason=reason[:500]):
        leave(state.run, Order(change=change.id, wish=wish, by=author(flags.config.resolve().parent), reason=reason))
    deadline = time.monotonic() + (flags.timeout_s or _TAKEN_S)
    while (state.run / FILE).exists():
        if time.monotonic() > deadline:
            (state.run / FILE).unlink(missing_ok=True)
            raise RunError(_("the controller does not answer"), fix=_("`forebay status` tells whether it runs"))
        time.sleep(_POLL_S)
    return running


def _clock(at: float | None) -> str:
    return "-" if at is None else datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
