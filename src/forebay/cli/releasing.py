"""Makes releases of the configuration, puts them in force, and follows what becomes of them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from forebay.cli.flags import Flags
from forebay.cli.service import Say, Start, launch, tell_changes
from forebay.config.load import Loaded
from forebay.config.schema import Config
from forebay.controller.status import Status, read_status
from forebay.core.errors import ConfigError, RunError, StateError
from forebay.engines.spec import EngineSpec
from forebay.messages import _
from forebay.release.approvals import missing_approvals
from forebay.release.build import Built, build
from forebay.release.history import Event, append, author, change_id, commit
from forebay.release.rollout.begin import Begun
from forebay.release.running import Change, Kind, Outcome, Running, Side, Strategy, begin, read_running, write_running
from forebay.release.store import Store
from forebay.release.version import Created, Release, manifest, read_config
from forebay.render.target import Subject, load_targets
from forebay.store.state_dir import StateDir

_EDGE_FOLDER = Path("/var/lib/forebay/edge")
_MONITORING = ("prometheus", "alertmanager", "grafana")
_POLL_S = 0.1
_MARGIN_S = 60.0
_STATUS_S = 10.0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a command wants: `kind` of change, how engines are replaced, until when, why, and on which calls first."""

    kind: Kind
    within_s: float
    strategy: Strategy = "auto"
    reason: str = ""
    begun: Begun | None = None


def built(flags: Flags) -> Built:
    """The files of a release of the configuration that the flags name."""
    return build(flags.config, flags.environment, {"edge": _edge, "monitoring": _monitoring})


def record(flags: Flags, files: dict[str, bytes], reason: str = "", name: str | None = None) -> Release:
    """Store a release and write the log; one that cannot be stored is still one, without a name."""
    store = Store.beside(flags.config)
    created = Created(by=author(store.root), at=time.time(), reason=reason, change=change_id())
    known = store.names()
    try:
        release = store.save(files, created, name)
        if release.name not in known:
            append(store.root, _created(release))
    except OSError as error:
        flags.say(_("the release is not stored: {why}").format(why=error))
        found = manifest(files, created)
        return Release(name=f"unsaved-{found.digest[:8]}", digest=found.digest, created=created, files=files)
    return release


def side(release: Release, environment: str) -> Side:
    """A release as what runs in `environment`."""
    return Side(name=release.name, digest=release.digest, config=release.values(environment))


def refuse_unapproved(flags: Flags, config: Config, release: Release, current: Config | None) -> None:
    """ConfigError where the environment wants approvals that the release does not have."""
    store = Store.beside(flags.config)
    if current is None:
        current = _current_config(store, config.environment)
    findings = missing_approvals(store, config, current, release.digest, release.created.by)
    if findings:
        raise ConfigError(_("{name} cannot be run").format(name=release.name), findings=findings)


def first(start: Start, release: Release) -> None:
    """What a service that starts now runs."""
    environment = start.config.environment
    write_running(start.state.running, Running(environment=environment, release=side(release, environment)))


def make_current(flags: Flags, environment: str, release: Release) -> None:
    """Lead the environment's link to what runs."""
    store = Store.beside(flags.config)
    try:
        if release.name in store.names():
            store.make_current(environment, release.name)
    except OSError as error:
        flags.say(_("the release is not stored: {why}").format(why=error))


def running_now(state: StateDir) -> Running:
    """What runs; RunError where nothing does."""
    running = read_running(state.running) if state.root.is_dir() else None
    if running is None or read_status(state.status) is None:
        raise RunError(_("nothing runs"), fix=_("Start it with `forebay up`"))
    return running


def change(start: Start, running: Running, release: Release, asked: Asked, say: Say) -> Outcome:
    """Put `release` in the place of what runs, and follow it to its end."""
    return follow(start.state, begin_change(start, running, release, asked), say)


def begin_change(start: Start, running: Running, release: Release, asked: Asked) -> str:
    """Have the controller put `release` in the place of what runs; returns the change's id."""
    refuse_standby(start.state)
    rollout = asked.begun.rollout if asked.begun is not None else None
    now = time.time()
    wanted = Change(
        id=change_id(),
        kind=asked.kind,
        by=author(start.config_path.resolve().parent),
        pid=os.getpid(),
        at=now,
        by_s=now + asked.within_s,
        to=side(release, running.environment),
        strategy=asked.strategy,
        reason=asked.reason,
        slots=None if rollout is None else tuple(slot for each in rollout.slots.values() for slot in each),
        beside=asked.begun is not None and asked.begun.beside,
        rollout=rollout,
    )
    begin(start.state.running, running, wanted)
    launch(start)
    return wanted.id


def refuse_standby(state: StateDir) -> None:
    """RunError where the controllers of this machine only stand by: they would never make the change."""
    status = read_status(state.status)
    if status is not None and not status.controller.leads:
        what = _("the controllers of this machine stand by: {reasons}").format(reasons="; ".join(status.shown))
        raise RunError(what, fix=_("Make the change on the machine whose controller leads"))


def follow(state: StateDir, change: str, say: Say) -> Outcome:
    """Tell what happens until the controller has ended the change."""
    told: dict[str, str] = {}
    turned, step = False, ""
    while True:
        running = read_running(state.running)
        if running is None:
            raise RunError(_("the service was stopped from elsewhere"))
        if running.last is not None and running.last.id == change:
            return running.last
        if running.change is None or running.change.id != change:
            raise RunError(_("the change was ended from elsewhere"))
        if running.change.phase == "back" and not turned:
            turned = True
            say(_("failed: {why}").format(why=running.change.why))
            say(_("going back to {name}").format(name=running.release.name))
        step = _tell_step(running.change, step, say)
        _tell(state, told, say)
        time.sleep(_POLL_S)


def settled(state: StateDir, outcome: Outcome) -> Status:
    """The status once it came about; RunError where it did not come about."""
    running = read_running(state.running)
    if outcome.result != "applied" or running is None:
        name = "?" if running is None else running.release.name
        if outcome.result == "reverted":
            what = _("{name} was not taken: {old} serves again").format(name=outcome.release, old=name)
        else:
            what = _("{name} was not taken, and {old} is not wholly back").format(name=outcome.release, old=name)
        raise RunError(f"{what}\n  {outcome.why}", fix=_("`forebay status` shows every unit"), code="apply_failed")
    deadline = time.monotonic() + _STATUS_S
    while True:
        status = read_status(state.status)
        if status is None:
            raise RunError(_("the service was stopped from elsewhere"))
        told = status.release
        if time.monotonic() > deadline or (told is not None and (told.digest, told.change) == (outcome.digest, "")):
            return status
        time.sleep(_POLL_S)


def committed(flags: Flags, event: Event, *more: Path) -> None:
    """Put an event into git, where `configs` is in git; a hook that refuses leaves the log file as it is."""
    store = Store.beside(flags.config)
    paths = [*more, store.versions / event.release]
    if event.environment:
        paths.append(store.link(event.environment))
    try:
        found = commit(store.root, paths, event)
    except RunError as error:
        flags.say(_("not committed: {why}").format(why=error))
        return
    if found is not None:
        flags.say(_("committed as {commit}").format(commit=found[:12]))


def patience_s(specs: tuple[EngineSpec, ...]) -> float:
    """How long a change of all engines may take, one after another, start and drain at their limits."""
    return sum(spec.start_s + spec.drain_s + spec.shutdown_s for spec in specs) + _MARGIN_S


def _current_config(store: Store, environment: str) -> Config | None:
    try:
        found = store.current(environment)
        return read_config(found.values(environment)) if found is not None else None
    except StateError:  # a link to nowhere says nothing of what is needed
        return None


def _created(release: Release) -> Event:
    created = release.created
    return Event(
        at=created.at,
        what="created",
        release=release.name,
        digest=release.digest,
        by=created.by,
        reason=created.reason,
        change=created.change,
    )


def _edge(loaded: Loaded) -> dict[str, str]:
    return _rendered(loaded, [loaded.config.edge.kind])


def _monitoring(loaded: Loaded) -> dict[str, str]:
    return _rendered(loaded, _MONITORING)


def _rendered(loaded: Loaded, names: Sequence[str]) -> dict[str, str]:
    known = load_targets()
    subject = Subject(config=loaded.config, folder=_EDGE_FOLDER)
    return {path: text for name in names if name in known for path, text in known[name].files(subject).items()}


def _tell_step(change: Change, told: str, say: Say) -> str:
    """Say which step of a rollout begins, and what it waits for."""
    rollout = change.rollout
    if rollout is None or change.phase == "back" or not rollout.step_at:
        return told
    if change.slots is None:
        text = _("promoted: {name} takes all calls").format(name=change.to.name)
    else:
        text = _("step {step} of {steps}: {share:.4g}% of the calls").format(
            step=rollout.step + 1, steps=len(rollout.steps), share=100 * rollout.now.share_ratio
        )
        text += f" ({rollout.held_shown})" if rollout.held else ""
    if text != told:
        say(text)
    return text


def _tell(state: StateDir, told: dict[str, str], say: Say) -> None:
    try:
        status = read_status(state.status)
    except StateError:
        return
    if status is not None:
        fresh = not told
        tell_changes(status, told, (lambda _line: None) if fresh else say)


def start_of(flags: Flags, config: Config, state: StateDir) -> Start:
    """What `launch` needs to reach the controller that runs."""
    return Start(config=config, config_path=flags.config, environment=flags.environment, state=state)
