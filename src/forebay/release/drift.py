"""What runs and is not what the release says: units that were changed, are gone or are nobody's, and edited files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from forebay.config.schema import Config
from forebay.core.errors import StateError
from forebay.engines.record import UnitRecord
from forebay.engines.spec import EngineSpec
from forebay.messages import _
from forebay.release.store import Store
from forebay.release.version import canonical
from forebay.render.edge import site_in
from forebay.render.edge_programs import program_of
from forebay.substrate.base import is_controller


def unit_drift(wanted: Mapping[str, str], seen: Mapping[str, UnitRecord], slots: Mapping[str, str]) -> Iterator[str]:
    """Units that are not what they should be. `wanted` are digests by slot, `slots` say which engine a unit is."""
    running = {name: record for name, record in seen.items() if record.holder.alive and record.ended_at is None}
    for slot, digest in wanted.items():
        mine = [record for name, record in running.items() if slots.get(name, name) == slot]
        if not mine:
            yield _("{name} does not run").format(name=slot)
        elif all(record.digest != digest for record in mine):
            yield _("{name} was started with something else than the release says").format(name=slot)
    for name in running:
        if slots.get(name, name) not in wanted and not is_controller(name):
            yield _("{name} runs and is in no release").format(name=name)


def edge_drift(config: Config, folder: Path, worker_ports: tuple[int, ...]) -> Iterator[str]:
    """Whether somebody edited the edge's rendered file; what in it is the machine's own is left as it is."""
    if config.edge.kind == "none":
        return
    program = program_of(config)
    try:
        content = (folder / program.conf).read_bytes()
    except OSError:
        yield _("{file} is gone").format(file=folder / program.conf)
        return
    expected = program.render(config, site_in(content, folder, worker_ports, config))[program.conf].encode()
    if content != expected:
        yield _("{file} was edited").format(file=folder / program.conf)


def link_drift(store: Store, environment: str, running: str, digest: str) -> Iterator[str]:
    """Whether the link to the current release leads nowhere, or to another one than runs."""
    try:
        current = store.current(environment)
    except StateError as error:
        yield str(error)
        return
    if current is not None and current.digest != digest:
        what = _("{link} leads to {current}, and {running} runs")
        yield what.format(link=store.link(environment), current=current.name, running=running)


def live_digest(seen: Mapping[str, UnitRecord], drift: tuple[str, ...]) -> str:
    """Names what runs: a unit that was restarted is the same, one that was changed, came or went is not."""
    running = sorted((name, record.digest) for name, record in seen.items() if record.holder.alive)
    return hashlib.sha256(canonical([running, drift])).hexdigest()[:16]


def slots_of(seen: Mapping[str, UnitRecord], engines: tuple[EngineSpec, ...]) -> dict[str, str]:
    """Which engine each unit is: one that was started beside another carries a mark behind the engine's name."""
    names = {engine.name for engine in engines}
    marked = {name: re.fullmatch(r"(.+)\.[0-9a-f]{6}", name) for name in seen if name not in names}
    return {name: found[1] for name, found in marked.items() if found is not None and found[1] in names}
