"""`forebay capacity` and `forebay cost` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.tune.simulate.recorded import recorded

from forebay.cli.main import run
from forebay.tune.cost.costs import EXAMPLE
from forebay.tune.load.workload import Arrivals, Lengths, Step, Workload
from forebay.tune.simulate.spec import EngineShape, Fleet, StepTime

STEP = StepTime(fixed_s=0.006, prompt_token_s=1.5e-5, sequence_s=2.5e-5, cached_token_s=4e-8)
ENGINE = EngineShape(step=STEP, max_sequences=64, max_batched_tokens=4096, cache_tokens=300_000)
SHAPE = {
    "architectures": ["Qwen3ForCausalLM"], "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 49152,
    "max_position_embeddings": 32768, "torch_dtype": "bfloat16",
}  # fmt: skip


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The answer as JSON."""
    assert run([*words, "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said where it is refused, with a way out."""
    assert run(list(words)) in {1, 64}
    said = capsys.readouterr().err
    assert said.count("\n") >= 2
    return said


def test_the_known_answer(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(
        capsys, "capacity", "plan", "--per-day", "10M", "--peak", "500", "--instance-rps", "55", "--gpus", "4"
    )
    made = found[0]["plan"]
    assert (made["serving"], made["serving"] * 4, made["standby"], made["gpus"]) == (10, 40, 1, 44)


def test_kinds_are_compared_by_price(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SHAPE))
    words = ("capacity", "plan", "--peak", "60", "--weights", str(tmp_path), "--hardware", "b200", "--hardware", "h100")
    found = asked(capsys, *words, "--slo", "ttft=500ms,tpot=50ms", "--prices", str(EXAMPLE))
    assert [each["plan"]["unit"]["kind"] for each in found] == ["h100", "b200"]
    assert [each["month"] is None for each in found] == [False, True]
    assert "%" in found[0]["how"]


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--per-day", "10M"),
        ("plan", "--per-day", "10M", "--weights", "nowhere"),
        ("plan", "--per-day", "10M", "--instance-rps", "55"),
        ("plan", "--per-day", "10M", "--instance-rps", "55", "--prices", str(EXAMPLE)),
        ("simulate", "--rate", "5"),
    ],
)
def test_hardware_that_nobody_knows_is_told_first_with_what_was_probably_meant(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    said = refused(capsys, "capacity", *words, "--hardware", "h1000")
    assert "nothing is known of the accelerator 'h1000'" in said
    assert "Did you mean h100?" in said
    assert "b200, h200, h100, a100, v100, t4" in said


def test_a_stated_rate_on_known_hardware_has_its_power(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("capacity", "plan", "--peak", "50", "--instance-rps", "55", "--hardware", "h100", "--gpus", "2")
    (found,) = asked(capsys, *words)
    assert found["plan"]["unit"]["power_w"] == 1400
    assert found["plan"]["energy_kwh"] > 0


def test_hardware_that_has_a_price_alone_is_planned_by_its_rate(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    prices = tmp_path / "costs.yaml"
    prices.write_text(EXAMPLE.read_text("utf-8").replace("hardware: h100", "hardware: ascend910b"), "utf-8")
    words = ("capacity", "plan", "--peak", "50", "--instance-rps", "55", "--hardware", "ascend910b")
    (found,) = asked(capsys, *words, "--prices", str(prices))
    assert found["plan"]["unit"]["kind"] == "ascend910b"
    assert found["month"] is not None


@pytest.mark.long
def test_the_peak_is_played_with_all_engines_and_with_one_lost(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    engine = tmp_path / "engine.json"
    engine.write_bytes(msgspec.json.encode(ENGINE))
    words = ("capacity", "plan", "--peak", "60", "--engine", str(engine), "--slo", "ttft=500ms,tpot=40ms", "--simulate")
    (found,) = asked(capsys, *words)
    assert found["hour_at_peak"]["attained_ratio"] >= 0.95
    assert len(found["one_lost"]["engines"]) == found["plan"]["engines"]
    assert found["one_lost"]["failed"].keys() <= {"cut"}


def test_a_run_is_learned_from_and_its_engine_simulated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    load = Workload(
        arrivals=Arrivals(shape="steps", steps=(Step(rate_rps=1, duration_s=20), Step(rate_rps=10, duration_s=20))),
        input_tokens=Lengths(shape="uniform", least=100, most=900), output_tokens=Lengths(tokens=60), duration_s=None,
    )  # fmt: skip
    run_file, engine = tmp_path / "run.json", tmp_path / "engine.json"
    run_file.write_bytes(recorded(Fleet(engines=(ENGINE,)), load).encode())
    found = asked(
        capsys, "capacity", "calibrate", str(run_file), "--max-sequences", "64", "--max-batched-tokens", "4096",
        "--cache-tokens", "300000", "--check", str(run_file), "--to", str(engine),
    )  # fmt: skip
    assert max(abs(each["error_ratio"]) for each in found["errors"][f"{run_file} 1"]) < 0.05
    assert msgspec.json.decode(engine.read_bytes(), type=EngineShape).max_sequences == 64
    words = ("capacity", "simulate", "--engine", str(engine), "--engines", "2", "--rate", "20", "--duration", "30s")
    outcome = asked(capsys, *words, "--slo", "ttft=500ms", "--routing", "least_tokens")
    assert outcome["sent"] == outcome["completed"] > 500
    assert outcome["attained_ratio"] > 0.99


def test_a_day_is_played_hour_by_hour(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    engine = tmp_path / "engine.json"
    engine.write_bytes(msgspec.json.encode(ENGINE))
    words = ("capacity", "simulate", "--engine", str(engine), "--per-day", "20k", "--peak", "1", "--slo", "ttft=1s")
    found = asked(capsys, *words)
    assert len(found["slices"]) == 24
    assert found["sent"] == pytest.approx(20_000, rel=0.05)
    assert found["slices"][15]["rate_rps"] > 3 * found["slices"][3]["rate_rps"]


@pytest.mark.parametrize(
    "words",
    [
        ("capacity", "plan", "--instance-rps", "55"),
        ("capacity", "plan", "--peak", "0", "--instance-rps", "55"),
        ("capacity", "plan", "--per-day", "lots", "--instance-rps", "55"),
        ("capacity", "plan", "--peak", "5", "--instance-rps", "55", "--simulate"),
        ("capacity", "plan", "--peak", "5", "--instance-rps", "0"),
        ("capacity", "plan", "--per-day", "1M", "--instance-rps", "5", "--peak-hour", "30"),
        ("capacity", "plan", "--peak", "5", "--instance-rps", "5", "--headroom", "1"),
        ("capacity", "plan", "--peak", "5", "--instance-rps", "5", "--survive", "-1"),
        ("capacity", "plan", "--peak", "5", "--instance-rps", "1", "--slo", "speed=1s"),
        ("capacity", "plan", "--peak", "5", "--instance-rps", "1", "--slo", "ttft=0s"),
        ("cost", "compare", str(EXAMPLE), str(EXAMPLE), "--currency", "SEK"),
        ("cost", "compare", str(EXAMPLE), str(EXAMPLE), "--once", "much"),
        ("cost", "compare", str(EXAMPLE), str(EXAMPLE), "--once", "nan"),
        ("cost", "compare", str(EXAMPLE), str(EXAMPLE), "--calls", "inf"),
        ("cost", "report", "--prices", str(EXAMPLE), "--log", str(EXAMPLE)),
        ("cost", "report", "--prices", str(EXAMPLE), "--log", str(EXAMPLE), "--since", "noon"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_way_out(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    refused(capsys, *words)


def test_the_example_is_printed_checked_and_reckoned_in_yuan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert asked(capsys, "cost", "prices")["currency"] == "USD"
    assert run(["cost", "prices"]) == 0
    file = tmp_path / "prices.yaml"
    file.write_text(capsys.readouterr().out.replace("2026-11-22", "2020-01-01"))
    assert run(["cost", "prices", str(file), "--currency", "CNY"]) == 0
    told = capsys.readouterr()
    assert "¥" in told.out
    assert "2020-01-01" in told.err


def test_a_log_is_shared_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = {
        "timestamp": "2026-11-22T00:30:00.000Z", "model": "m", "tokens": {"input": 900, "output": 100},
        "latency_ms": 60_000.0, "endpoint": "/v1/completions", "status": 200, "tenant": "shop", "engine": "e1",
    }  # fmt: skip
    log = tmp_path / "worker-1.log"
    log.write_text(f"{json.dumps(line)}\n{json.dumps({**line, 'tenant': 'bank', 'status': 502})}\n")
    words = ("cost", "report", "--prices", str(EXAMPLE), "--log", str(log), "--engines", "2")
    window = ("--since", "2026-11-22T00:00:00Z", "--until", "2026-11-22T01:00:00Z")
    found = asked(capsys, *words, *window)
    assert found["calls"] == 2
    assert found["good_calls"] == 1
    assert {each["tenant"] for each in found["shares"]} == {"shop", "bank"}
    assert run([*words, *window]) == 0
    assert "shop" in capsys.readouterr().out


def test_a_load_that_comes_two_ways_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["capacity", "simulate", "--engine", str(EXAMPLE), "--rate", "5", "--concurrency", "5"]) == 64
    assert "rate, concurrency exclude one another" in capsys.readouterr().err
