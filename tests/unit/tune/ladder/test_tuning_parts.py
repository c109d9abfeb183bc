"""The smaller parts: what may be tried, what failures teach, time, roofline, causes, and what goes into the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.tune.ladder.simulated import VLLM, space

from forebay.config.load import load
from forebay.config.weights import Weights
from forebay.tune.bottleneck import causes
from forebay.tune.budget import pace_of
from forebay.tune.carry import carried, patch
from forebay.tune.constraints import failed_like
from forebay.tune.hardware import Machine
from forebay.tune.objective import OBJECTIVES, Objective, objective
from forebay.tune.roofline import distance
from forebay.tune.setting import Change, Setting
from forebay.tune.stage import ORDER, Situation, load_stages, proposals, stages
from forebay.tune.trial import Failure, FailureKind, Rung, Trial

BASE = {"max-num-seqs": 256, "gpu-memory-utilization": 0.9, "kv-cache-dtype": "auto"}


def failed(kind: FailureKind = "out of memory", **args: object) -> Trial:
    setting = Setting(args={**BASE, **{key.replace("_", "-"): value for key, value in args.items()}})
    failure = Failure(kind=kind, why="")
    return Trial(id=1, setting=setting, repeat=0, label="", outcome="failed", began_at=0.0, failure=failure)


@pytest.mark.parametrize(
    ("tried", "forbidden"),
    [
        ({"max-num-seqs": 512}, True),
        ({"max-num-seqs": 1024, "gpu-memory-utilization": 0.95}, True),
        ({"max-num-seqs": 384}, False),
        ({"max-num-seqs": 1024, "kv-cache-dtype": "fp8"}, False),
        ({"max-num-seqs": 1024, "gpu-memory-utilization": 0.8}, False),
    ],
)
def test_what_asks_at_least_as_much_as_a_failure_is_not_tried(tried: dict[str, object], forbidden: bool) -> None:
    assert (failed_like(Setting(args={**BASE, **tried}), [failed(max_num_seqs=512)]) is not None) is forbidden


def test_a_refusal_says_nothing_of_larger_settings() -> None:
    assert failed_like(Setting(args={**BASE, "max-num-seqs": 1024}), [failed("refused", max_num_seqs=512)]) is None


def test_every_stage_has_its_place(tmp_path: Path) -> None:
    assert set(ORDER) == set(load_stages())


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_proposals_make_a_difference_and_lint_allows_them_or_says_why(name: str, tmp_path: Path) -> None:
    where = space(tmp_path, VLLM, cores=16)
    at = Situation(space=where, objective=objective(name), setting=where.baseline())
    for _stage, changes in proposals(at):
        for change in changes:
            made = change.applied(at.setting)
            assert made != at.setting
            assert all(finding.why for finding in where.objections(made, at.setting))


def test_guesses_are_not_tried_on_random_weights(tmp_path: Path) -> None:
    load_stages()
    for args, offered in (({}, 1), ({"load-format": "dummy"}, 0)):
        where = space(tmp_path, VLLM)
        setting = Setting(args={**where.baseline().args, **args})
        at = Situation(space=where, objective=objective("chat"), setting=setting)
        assert len(list(stages["speculation"](at))) == offered


def test_a_change_takes_flags_away_and_lays_them_on() -> None:
    change = Change(stage="s", name="n", why="", args={"a": None, "b": 2}, env={"E": "1"}, copies=2)
    made = change.applied(Setting(args={"a": 1, "c": 3}))
    assert made == Setting(args={"b": 2, "c": 3}, env={"E": "1"}, copies=2)
    assert made.difference(Setting(args={"a": 1, "c": 3})) == {"a": None, "b": 2, "copies": 2, "env.E": "1"}


def test_starts_that_were_seen_tell_of_starts_to_come() -> None:
    eager, compiled = Setting(args={"enforce-eager": True}), Setting()
    usual = pace_of([], window_s=6, rungs=3, is_vllm=True)
    assert usual.start_s(compiled) > usual.start_s(eager)
    seen = Trial(id=1, setting=eager, repeat=0, label="", outcome="measured", began_at=0.0, start_s=40.0)
    pace = pace_of([seen], window_s=6, rungs=3, is_vllm=True)
    assert pace.start_s(eager) == 40.0
    assert pace.start_s(compiled) == pytest.approx(usual.start_s(compiled) / 2)


def test_the_roofline_of_decoding_is_weights_and_cache_over_bandwidth() -> None:
    """8 GB of weights read by 10 sequences that get 100 tokens/s each: 100 steps/s of 8 GB, a tenth of 8 TB/s."""
    weights = Weights(source="", total_bytes=8 * 10**9, layers=1, kv_heads=1, head_size=1, dtype="bfloat16")
    rung = Rung(
        concurrency=10, requests_per_s=1, output_tokens_per_s=1000, input_tokens_per_s=0, gauges={"running": 10.0}
    )
    machine = Machine(name="x", bandwidth_bytes_s=8e12, flops=1e15)
    far = distance(rung, Setting(), weights, machine, Objective(name="x", about=""))
    assert far is not None
    assert far.bandwidth_ratio == pytest.approx(0.1, rel=0.01)
    assert far.compute_ratio == pytest.approx(2 * 4e9 * 1000 / 1e15)
    halved = distance(rung, Setting(args={"quantization": "fp8"}), weights, machine, Objective(name="x", about=""))
    assert halved is not None
    assert halved.bandwidth_ratio == pytest.approx(0.052, rel=0.01)


@pytest.mark.parametrize(
    ("rung", "what"),
    [
        ({"counters": {"preemptions": 30.0}}, "KV capacity"),
        ({"gauges": {"kv_usage": 0.98}}, "KV capacity"),
        ({"gauges": {"running": 64.0, "waiting": 40.0}}, "scheduler"),
        ({"gauges": {"running": 20.0, "waiting": 40.0}}, "queue"),
        ({"gpu_percent": 40.0}, "CPU"),
        ({"doubts": ("client_busy: the client was late",)}, "client"),
    ],
)
def test_a_cause_has_its_evidence(rung: dict[str, object], what: str) -> None:
    whole = {"concurrency": 128, "requests_per_s": 1, "output_tokens_per_s": 1, "input_tokens_per_s": 1, "sent": 100}
    found = causes(Rung(**{**whole, **rung}), Setting(args={"max-num-seqs": 64}), None)  # type: ignore[arg-type]
    assert found[0].what == what
    assert found[0].evidence


def test_the_winner_is_carried_into_the_file_and_the_rest_of_it_stays(tmp_path: Path) -> None:
    text = """# The service.
version: 1
hardware: h100
models:
  m:
    engines:
      - kind: vllm        # the one
        weights: none/known
        release: 0.25.1
        args:
          enforce_eager: true   # for a fault in May
          max-num-seqs: 64
"""
    where = space(tmp_path, text)
    winner = Change(
        stage="s", name="n", why="", args={"enforce-eager": None, "max-num-seqs": 256, "quantization": "fp8"}
    ).applied(where.baseline())
    changed = carried(text, where, winner)
    assert "# The service." in changed
    assert "# the one" in changed
    assert "enforce" not in changed
    (tmp_path / "forebay.yaml").write_text(changed, encoding="utf-8")
    args = load(tmp_path / "forebay.yaml").config.models["m"].engines[0].args  # type: ignore[union-attr]
    assert args["max-num-seqs"] == 256
    assert args["quantization"] == "fp8"
    assert patch(tmp_path / "forebay.yaml", text, changed).startswith("--- a/forebay.yaml")
    assert carried(text, where, where.baseline()) == text
