"""What a plan says that a value takes is what it takes: each is changed alone, and the units are looked at."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from forebay.config.provenance import show_path
from forebay.config.schema import Config
from forebay.controller.desired import worker_ports
from forebay.controller.judging import touched
from forebay.controller.plan import Planned, plan
from forebay.core.errors import ForebayError
from forebay.engines.fleet import expand
from forebay.release.classes import RestartClass
from forebay.release.difference import steps
from forebay.release.version import effective, read_config
from forebay.render.edge import site_of
from forebay.render.edge_programs import program_of
from forebay.store.state_dir import StateDir

VLLM = {"kind": "vllm", "weights": "org/model", "release": "0.32.0", "args": {"max-num-seqs": 8}, "env": {"A": "b"}}
FILE = {
    "version": 1,
    "models": {
        "small": {"engines": [{"kind": "embedded", "count": 2}]},
        "large": {"engines": [VLLM]},
        "other": {"engines": [{"kind": "external", "url": "http://10.0.0.9:8000"}]},
    },
    "valkey": {"kind": "bundled"},
}
BASE = effective(Config.model_validate(FILE))
# Words that a field may hold, where any other text would be refused.
_WORDS = (
    "debug",
    "info",
    "warning",
    "error",
    "none",
    "external",
    "closed",
    "off",
    "tenant",
    "least_tokens",
    "power_of_two",
)
_ENGINE = {"engine_restart", "recreate"}
_FROM_EDGE_RELOAD = get_args(RestartClass)[get_args(RestartClass).index("edge_reload") :]


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _leaves(child, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, child in enumerate(value):
            yield from _leaves(child, (*path, index))
    else:
        yield path, value


def _others(value: Any) -> list[Any]:
    """Values of the same kind, of which the schema may take one."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value + 7]
    if isinstance(value, float):
        return [value / 2 + 0.1, value + 1.0]
    if isinstance(value, str):
        return ["127.0.0.2", "7s", "7KiB", "0.33.0", "changed", "http://10.0.0.8:8000", *_WORDS]
    return [["changed"]] if isinstance(value, list) else [1, 1.5, "changed", "7s", "7KiB"]


def _with(path: tuple[str | int, ...], value: Any) -> Config | None:
    """The base with one other value; None where the schema refuses it."""
    values = copy.deepcopy(BASE)
    at: Any = values
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    try:
        return read_config(values)
    except ForebayError:
        return None


def _changed() -> Iterator[Any]:
    for path, value in _leaves(BASE):
        if path[0] in ("version", "environment", "hardware", "scenario"):
            continue
        found = [config for other in _others(value) if other != value and (config := _with(path, other)) is not None]
        if found:
            yield pytest.param(path, found[0], id=show_path(path))


def _units(config: Config, folder: Path) -> dict[str, Planned]:
    return plan(config, expand(config, folder), StateDir(folder), folder, lambda _worker: None)


def _edge(config: Config, folder: Path) -> str:
    site = site_of(config, folder, folder / "c.pem", worker_ports(config))
    return "" if config.edge.kind == "none" else "".join(program_of(config).render(config, site).values())


@pytest.mark.parametrize(("path", "config"), list(_changed()))
def test_a_value_takes_what_the_plan_says(path: tuple[str | int, ...], config: Config, tmp_path: Path) -> None:
    base = read_config(BASE)
    try:
        before, after = _units(base, tmp_path), _units(config, tmp_path)
    except ForebayError:
        pytest.skip("refused before it is planned")
    (step,) = steps(BASE, effective(config))
    units = touched(before, after)
    kinds = {(after.get(name) or before[name])[0].kind for name in units}
    said = step.restart
    if before.keys() != after.keys():
        assert said == "recreate"
    elif "engine" in kinds and config.models["other"] == base.models["other"]:
        assert said in _ENGINE, kinds
    elif "worker" in kinds:
        assert said == "worker_restart"
    elif kinds & {"admin", "valkey"}:
        assert said == "service_restart"
    elif "edge" in kinds and program_of(base) is not program_of(config):
        assert said == "edge_restart"
    elif _edge(base, tmp_path) != _edge(config, tmp_path):
        assert said in _FROM_EDGE_RELOAD


def test_a_model_that_comes_or_goes_is_one_step() -> None:
    less = {**BASE, "models": {"small": BASE["models"]["small"]}}  # type: ignore[index]
    assert [(each.key, each.kind, each.restart) for each in steps(BASE, less)] == [
        ("models.large", "removed", "recreate"),
        ("models.other", "removed", "recreate"),
    ]
    assert [each.kind for each in steps(less, BASE)] == ["added", "added"]


def test_what_may_be_a_secret_is_not_shown() -> None:
    one = Config.model_validate(
        {**FILE, "models": {"m": {"engines": [{**VLLM, "env": {"HF_TOKEN": "hunter2", "N": "1"}}]}}}
    )
    other = Config.model_validate(
        {**FILE, "models": {"m": {"engines": [{**VLLM, "env": {"HF_TOKEN": "hunter3", "N": "2"}}]}}}
    )
    text = str(steps(effective(one), effective(other))) + str(steps({}, effective(one)))
    assert "hunter" not in text
    assert "env.N" in text
