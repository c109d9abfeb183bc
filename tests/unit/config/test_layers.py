"""defaults < hardware < scenario < environment < file < its overlay; the limits of the hardware stand above all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.config.layers import profile, profile_names
from forebay.config.load import Loaded, load
from forebay.config.provenance import Layer, Node, Path, Place, find, leaves, merge, plain, read_path, show_path
from forebay.config.schema import VllmEngine
from forebay.config.validate import validate
from forebay.core.errors import UsageError

from .conftest import Write

LAYERS: tuple[Layer, ...] = ("default", "hardware", "scenario", "environment", "file")


def service(extra: str = "", engine: str = "", release: str = "0.33.0") -> str:
    return (
        f"version: 1\n{extra}models:\n  m:\n    engines:\n"
        f"      - {{kind: vllm, weights: /w, release: {release}{engine}}}\n"
    )


def args(loaded: Loaded) -> dict[str, Any]:
    engine = loaded.config.models["m"].engines[0]
    assert isinstance(engine, VllmEngine)
    return engine.args


def test_a_t4_beats_production(write: Write) -> None:
    loaded = load(write(service("environment: production\nhardware: t4\n")))
    assert args(loaded) == {
        "gpu-memory-utilization": 0.85,
        "max-num-seqs": 64,
        "dtype": "float16",
        "kv-cache-dtype": "auto",
    }
    assert {note.rule for note in loaded.notes} == {"hardware_limit"}
    assert all(note.severity == "note" for note in loaded.notes)
    assert any("0.9 becomes 0.85 on t4" in note.why for note in loaded.notes)


@pytest.mark.parametrize(
    ("extra", "share", "sequences", "layer"),
    [
        ("", 0.8, 32, "environment"),
        ("environment: staging\n", 0.85, 64, "environment"),
        ("environment: production\n", 0.9, 96, "environment"),
        ("environment: production\nscenario: chat\n", 0.9, 96, "environment"),
        ("environment: production\nhardware: b200\nscenario: low-cost\n", 0.9, 96, "environment"),
        ("engine_defaults: {vllm: {args: {gpu-memory-utilization: 0.7, max_num_seqs: 9}}}\n", 0.7, 9, "file"),
    ],
)  # fmt: skip
def test_the_higher_layer_wins(write: Write, extra: str, share: float, sequences: int, layer: str) -> None:
    loaded = load(write(service(extra)))
    assert (args(loaded)["gpu-memory-utilization"], args(loaded)["max-num-seqs"]) == (share, sequences)
    assert loaded.origin("models.m.engines[0].args.max-num-seqs").layer == layer


def test_an_engines_own_flag_beats_the_defaults_in_any_spelling(write: Write) -> None:
    extra = "engine_defaults: {vllm: {args: {--max-num-seqs: 5}}}\n"
    loaded = load(write(service(extra, ", args: {max_num_seqs: 6, device-memory-utilization: 0.5}")))
    assert args(loaded)["max-num-seqs"] == 6
    assert args(loaded)["device-memory-utilization"] == 0.5
    assert "gpu-memory-utilization" not in args(loaded)


def test_a_limit_takes_the_operators_own_value_back_with_a_warning(write: Write) -> None:
    loaded = load(write(service("hardware: t4\n", ", args: {gpu-memory-utilization: 0.97}")))
    assert args(loaded)["gpu-memory-utilization"] == 0.85
    (warning,) = [note for note in loaded.notes if note.severity == "warning"]
    assert warning.where == "forebay.yaml:6: models.m.engines[0].args.gpu-memory-utilization"
    assert warning.fix == "Write 0.85, or leave hardware out of the file to keep 0.97"


def test_a_value_within_the_limits_is_left_alone(write: Write) -> None:
    loaded = load(write(service("hardware: t4\n", ", args: {gpu-memory-utilization: 0.6, dtype: float32}")))
    assert (args(loaded)["gpu-memory-utilization"], args(loaded)["dtype"]) == (0.6, "float32")
    assert not loaded.notes


def test_a_profiles_flag_that_the_release_lacks_is_left_out_with_a_note(write: Write) -> None:
    loaded = load(write(service("scenario: chat\n", release="0.15.0")))
    assert "performance-mode" not in args(loaded)
    assert [note.rule for note in loaded.notes] == ["flag_absent"]
    assert "performance-mode" in args(load(write(service("scenario: chat\n"))))


def test_an_overlay_of_the_file_applies_in_its_environment_alone(write: Write) -> None:
    path = write(service("gateway: {workers: 3}\nenvironments:\n  staging:\n    gateway: {workers: 5}\n"))
    assert load(path).config.gateway.workers == 3
    staged = load(path, "staging")
    assert (staged.config.environment, staged.config.gateway.workers) == ("staging", 5)
    story = staged.origin("gateway.workers")
    assert (story.line, [below.line for below in story.overrides]) == (5, [2])


def test_an_overlay_may_choose_the_hardware(write: Write) -> None:
    path = write(service("environments:\n  production:\n    hardware: t4\n"))
    assert load(path).facts is None
    facts = load(path, "production").facts
    assert facts is not None
    assert facts.gpu == "NVIDIA T4"


def test_the_story_of_a_value_names_every_layer_it_went_through(write: Write) -> None:
    loaded = load(
        write(service("environment: production\nhardware: t4\nscenario: chat\n", ", args: {max-num-seqs: 100}"))
    )
    story = loaded.origin("models.m.engines.0.args.max-num-seqs")
    told = [(part.layer, part.value) for part in (story, *story.overrides)]
    assert told == [("limit", 64), ("file", 100), ("environment", 96), ("scenario", 32), ("hardware", 32)]


def test_a_default_has_an_origin_too(write: Write) -> None:
    story = load(write(service())).origin("gateway.timeouts.head")
    assert (story.layer, story.value, str(story)) == ("default", 10.0, "default")


def test_a_key_that_does_not_exist_names_the_nearest(write: Write) -> None:
    with pytest.raises(UsageError) as caught:
        load(write(service())).origin("gateway.timeouts.haed")
    assert caught.value.fix == "Did you mean gateway.timeouts.head?"


def test_a_models_name_may_hold_dots_in_a_key(write: Write) -> None:
    path = write("version: 1\nmodels:\n  Qwen/Qwen2.5-7B:\n    engines: [{kind: embedded, count: 2}]\n")
    assert load(path).origin("models.Qwen/Qwen2.5-7B.engines.0.count").value == 2
    assert load(path).origin('models."Qwen/Qwen2.5-7B".engines[0].count').line == 4


@pytest.mark.parametrize(
    ("folder", "name"),
    [(folder, name) for folder in ("hardware", "scenarios", "environments") for name in profile_names(folder)],
)
def test_a_profile_holds_only_what_the_schema_knows(folder: str, name: str) -> None:
    part = profile(folder, name)
    models = {"m": {"engines": [{"kind": "embedded"}]}}
    base = _tree({"version": 1, "models": models}, "file")
    config, findings = validate(merge(base, part.values))
    assert config is not None, findings
    assert part.about.endswith(".")


LEAF = st.integers(0, 3)
TREES = st.recursive(LEAF, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)


@given(st.lists(MAPPINGS, min_size=5, max_size=5))
def test_every_value_comes_from_the_highest_layer_that_sets_it(trees: list[dict[str, Any]]) -> None:
    merged = _tree({}, "default")
    for layer, tree in zip(LAYERS, trees, strict=True):
        merged = merge(merged, _tree(tree, layer))
    for path, node in leaves(merged):
        if not isinstance(node.value, int):
            continue
        top = max(index for index, tree in enumerate(trees) if _reaches(tree, path))
        assert node.place.layer == LAYERS[top]
        assert node.value == _value(trees[top], path)


@given(MAPPINGS, MAPPINGS)
def test_merging_keeps_whatever_only_one_side_sets(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    merged = plain(merge(_tree(lower, "default"), _tree(upper, "file")))
    assert isinstance(merged, dict)
    assert set(merged) == {*lower, *upper}
    assert all(merged[key] == value for key, value in upper.items() if not isinstance(value, dict))


@given(
    st.lists(
        st.integers(0, 99) | st.text("abc-._/", min_size=1, max_size=6).filter(lambda t: not t.isdigit()),
        min_size=1,
        max_size=5,
    )
)
def test_a_path_is_read_as_it_is_shown(path: list[str | int]) -> None:
    path[0] = f"k{path[0]}"
    assert read_path(show_path(tuple(path))) == tuple(path)


def _tree(value: Any, layer: Layer) -> Node:
    place = Place(layer=layer, file=layer, line=1)
    if isinstance(value, dict):
        return Node(value={key: _tree(child, layer) for key, child in value.items()}, place=place)
    if isinstance(value, list):
        return Node(value=[_tree(child, layer) for child in value], place=place)
    return Node(value=value, place=place)


def _reaches(tree: Any, path: Path) -> bool:
    """Whether a layer decides `path`: it sets it, or sets something else than a mapping above it."""
    for part in path:
        if not isinstance(tree, dict):
            return True
        if part not in tree:
            return False
        tree = tree[part]
    return True


def _value(tree: Any, path: Path) -> Any:
    node = find(_tree(tree, "file"), path)
    return plain(node) if node is not None else None
