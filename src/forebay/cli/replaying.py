"""Joins an access log and two policies for `forebay plan --replay`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from forebay.cli.flags import columns
from forebay.cli.planning import Here
from forebay.config.schema import Config
from forebay.config.schema.store import Store
from forebay.controller.snapshot import EngineNow, build
from forebay.core.errors import StateError
from forebay.engines.fleet import expand
from forebay.gateway.snapshot import Snapshot
from forebay.messages import _
from forebay.observe.access_lines import calls
from forebay.release.plan import Plan
from forebay.release.replay import Replayed, replay
from forebay.release.version import config_path, read_config
from forebay.security import key_store
from forebay.security.stores import opened


def replayed(at: Here, made: Plan, log: Path) -> Replayed:
    """The calls of `log` under what runs and under what is planned."""
    if not at.values:
        raise StateError(_("there is no release to compare with: nothing runs here"))
    values: dict[str, Any] = msgspec.json.decode(made.files[config_path(at.environment)])
    keys = _keys(at, read_config(at.values).store)
    before, after = (_snapshot(read_config(each), at, keys) for each in (at.values, values))
    with log.open("rb") as lines:
        return replay(calls(lines), before, after)


def table(found: Replayed) -> str:
    """The replay for a person."""
    rows: list[tuple[object, ...]] = [
        (
            _("calls: {outcome}").format(outcome=name),
            found.before.outcomes.get(name, 0),
            found.after.outcomes.get(name, 0),
        )
        for name in sorted(found.before.outcomes.keys() | found.after.outcomes.keys())
    ]
    rows += [
        (_("engine: {name}").format(name=name), found.before.engines.get(name, 0), found.after.engines.get(name, 0))
        for name in sorted(found.before.engines.keys() | found.after.engines.keys())
    ]
    rows += [
        (_("cost of {tenant}, USD").format(tenant=name), _usd(found.before.usd, name), _usd(found.after.usd, name))
        for name in sorted(found.before.usd)
    ]
    said = _(
        "{calls} recorded calls, {skipped} left out: {outcome} fare otherwise, {engine} go elsewhere, {cost} cost else"
    )
    head = said.format(
        calls=found.calls, skipped=found.skipped, outcome=found.outcome_differs, engine=found.engine_differs,
        cost=found.cost_differs,
    )  # fmt: skip
    return "\n".join([head, columns(("", _("NOW"), _("THEN")), rows)])


def _usd(money: dict[str, float], tenant: str) -> str:
    return f"{money.get(tenant, 0.0):.6f}"


def _snapshot(config: Config, at: Here, keys: list[key_store.KeyRow]) -> Snapshot:
    engines = [EngineNow(spec=spec, port=spec.port or 1, routable=True) for spec in expand(config, at.base)]
    return build(config, engines, keys, "", 0)


def _keys(at: Here, store: Store) -> list[key_store.KeyRow]:
    if store.postgres is None and not at.state.database.exists():
        return []
    with opened(store, at.state, at.base) as keys:
        return key_store.active(keys.database, time.time())
