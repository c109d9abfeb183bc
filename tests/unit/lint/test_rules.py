"""What lint knows: each rule finds its case, says what would work, and stays silent otherwise."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from forebay.config.load import load
from forebay.config.schema.root import Hardware
from forebay.core.errors import Finding
from forebay.lint import catalogue, run
from forebay.lint.run import engine_rules, lint, load_rules, rules

QWEN = "Qwen/Qwen3-VL-235B-A22B-Instruct"
FP8 = f"{QWEN}-FP8"
PRODUCTION = "environment: production\nedge: {kind: none}\n"


def findings(
    tmp_path: Path, head: str = "", engine: str = "", weights: str = "/w", release: str = "0.33.0"
) -> list[Finding]:
    path = tmp_path / "forebay.yaml"
    path.write_text(
        f"version: 1\n{head}models:\n  m:\n    engines:\n"
        f"      - {{kind: vllm, weights: {weights}, release: {release}{engine}}}\n",
        encoding="utf-8",
    )
    return list(lint(load(path)))


def of(rule: str, found: list[Finding]) -> Finding:
    (finding,) = [finding for finding in found if finding.rule == rule]
    return finding


def gpus(count: int, extra: str = "") -> str:
    return f", gpus: {list(range(count))}, args: {{tensor-parallel-size: {count}{extra}}}"


def test_a_sound_configuration_has_no_findings(tmp_path: Path) -> None:
    assert not findings(tmp_path, "hardware: h100\n", ", gpus: [0]")


def test_every_rule_says_what_it_is_for() -> None:
    load_rules()
    assert all(part.__doc__ for _name, part in [*rules.items(), *engine_rules.items()])


def test_flags_that_would_be_refused_are_found_with_their_line(tmp_path: Path) -> None:
    finding = of("flag_unknown", findings(tmp_path, "", ", args: {swap-space: 4}"))
    assert finding.where.startswith("forebay.yaml:5: models.m.engines[0].args.")


def test_a_secret_in_the_file_is_told_with_its_place_and_without_itself(tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        finding = of("secret_written", findings(tmp_path, "", f", env: {{{name}: hf_abcdefghijklm}}"))
        assert finding.where.startswith("forebay.yaml:5: models.m.engines[0]")
        assert "hf_abc" not in str(finding)
    for harmless in ("TOKENIZERS_PARALLELISM: 'false-ish'", "HF_TOKEN: ''", "MAX_TOKENS_LIMIT: '1000000000'"):
        assert not findings(tmp_path, "", f", env: {{{harmless}}}")


def test_a_v100_needs_an_old_release(tmp_path: Path) -> None:
    finding = of("hardware_release", findings(tmp_path, "hardware: v100\n"))
    assert "0.33.0 is not built for NVIDIA V100" in finding.why
    assert finding.fix.startswith("Run 0.19.1 or older")
    assert not findings(tmp_path, "hardware: v100\n", release="0.19.1")


@pytest.mark.parametrize(
    ("hardware", "weights", "engine", "why", "fix"),
    [
        ("a100", QWEN, gpus(4), "131 GiB on each of 4 GPUs", "tensor-parallel-size: 16 or its FP8 form on 4 GPUs"),
        ("a100", QWEN, gpus(8), "66 GiB on each of 8 GPUs", "tensor-parallel-size: 16 or its FP8 form on 4 GPUs"),
        ("t4", QWEN, gpus(8), "66 GiB on each of 8 GPUs", "Nothing of this model fits on 16 such GPUs"),
        ("h100", FP8, gpus(1), "221 GiB on each of 1 GPUs", "tensor-parallel-size: 4"),
        ("b200", QWEN, gpus(2), "263 GiB on each of 2 GPUs", "tensor-parallel-size: 4 or its FP8 form on 2 GPUs"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_say_what_would(
    tmp_path: Path, hardware: str, weights: str, engine: str, why: str, fix: str
) -> None:
    finding = of("model_fits", findings(tmp_path, f"{PRODUCTION}hardware: {hardware}\n", engine, weights))
    assert why in finding.why
    assert fix in finding.fix
    assert finding.severity == "error"


@pytest.mark.parametrize(
    ("hardware", "weights", "engine"),
    [
        ("b200", QWEN, gpus(4)),
        ("b200", FP8, gpus(4)),
        ("h100", FP8, gpus(8, ", enable-expert-parallel: true")),
        ("h100", FP8, gpus(4)),
        ("a100", FP8, gpus(4)),
        ("a100", FP8, gpus(8, ", enable-expert-parallel: true")),
    ],
)
def test_weights_that_fit_are_let_through(tmp_path: Path, hardware: str, weights: str, engine: str) -> None:
    assert not [
        f for f in findings(tmp_path, f"{PRODUCTION}hardware: {hardware}\n", engine, weights) if f.severity == "error"
    ]


def test_a_context_that_does_not_fit_says_how_long_it_may_be(tmp_path: Path) -> None:
    folder = model(tmp_path, layers=32, kv_heads=32, total_gb=50, context=131072)
    finding = of("model_fits", findings(tmp_path, "hardware: h100\n", ", args: {kv-cache-dtype: auto}", str(folder)))
    assert "one request of 131072 tokens needs 64 GiB of KV cache" in finding.why
    assert finding.fix.startswith("Set max-model-len: ")


def test_tensor_parallelism_must_divide_the_experts_blocks(tmp_path: Path) -> None:
    finding = of("tensor_parallel", findings(tmp_path, "", gpus(8), FP8))
    assert finding.fix == "Set tensor-parallel-size: 4, or enable-expert-parallel: true"
    assert not [f for f in findings(tmp_path, "", gpus(4), FP8) if f.rule == "tensor_parallel"]
    assert of("tensor_parallel", findings(tmp_path, "", gpus(8), QWEN)).severity == "note"  # KV heads are held twice


def test_tensor_parallelism_must_divide_the_heads(tmp_path: Path) -> None:
    folder = model(tmp_path, heads=28, kv_heads=4)
    assert "28 attention heads" in of("tensor_parallel", findings(tmp_path, "", gpus(8), str(folder))).why


def test_an_fp8_cache_on_an_a100_is_a_note_and_its_weights_a_warning(tmp_path: Path) -> None:
    found = findings(tmp_path, f"{PRODUCTION}hardware: a100\n", gpus(8, ", enable-expert-parallel: true"), FP8)
    assert sorted(f.severity for f in found if f.rule == "fp8_hardware") == ["note", "warning"]
    assert not [f for f in findings(tmp_path, "hardware: h100\n", "", FP8) if f.rule == "fp8_hardware"]


@pytest.mark.parametrize("hardware", ["v100", "t4"])
def test_fp8_weights_on_an_old_card_are_an_error(tmp_path: Path, hardware: str) -> None:
    found = findings(tmp_path, f"hardware: {hardware}\n", ", args: {quantization: fp8}", release="0.19.1")
    assert of("fp8_hardware", found).severity == "error"


@pytest.mark.parametrize(
    ("scenario", "count", "told"),
    [("chat", 65536, True), ("chat", 16384, False), ("batch", 65536, False), ("batch", 262144, True)],
)
def test_large_batches_stall_streams(tmp_path: Path, scenario: str, count: int, told: bool) -> None:
    found = findings(tmp_path, f"scenario: {scenario}\n", f", args: {{max-num-batched-tokens: {count}}}")
    assert any(f.rule == "batched_tokens" for f in found) == told


def test_eager_execution_is_told_except_on_a_cpu(tmp_path: Path) -> None:
    assert of("eager", findings(tmp_path, "", ", args: {enforce-eager: true}")).severity == "warning"
    assert not [f for f in findings(tmp_path, "hardware: cpu\n") if f.rule == "eager"]


def test_gpus_without_accelerators_contradict(tmp_path: Path) -> None:
    assert of("no_accelerator", findings(tmp_path, "hardware: cpu\n", ", gpus: [0]"))


def test_a_scenario_beaten_by_its_environment_is_told_once(tmp_path: Path) -> None:
    found = [
        f
        for f in findings(tmp_path, "environment: staging\nscenario: chat\nedge: {kind: none}\n")
        if f.rule == "scenario_overridden"
    ]
    assert [f.fix for f in found] == ["To keep the scenario's, write max-num-seqs: 32 under engine_defaults.vllm.args"]


@pytest.mark.parametrize(
    ("head", "errors"),
    [
        ("environment: production\n", 1),
        ("environment: staging\n", 1),
        ("environment: production\nedge: {kind: none}\n", 0),
        ("environment: production\nedge: {certificate: {chain: /tls/c.pem, key: file:/tls/k.pem}}\n", 0),
        (
            "environment: production\nedge: {certificate: {chain: .forebay/tls/c.pem, key: file:.forebay/tls/k.pem}}\n",
            2,
        ),
        ("environment: development\n", 0),
    ],
)
def test_customers_need_a_real_certificate(tmp_path: Path, head: str, errors: int) -> None:
    assert sum(f.rule == "certificate" and f.severity == "error" for f in findings(tmp_path, head)) == errors


@pytest.mark.parametrize(
    ("head", "severity"),
    [
        ("admin: {bind: 0.0.0.0}\n", "error"),
        ("observe: {metrics: {bind: 0.0.0.0}}\n", "warning"),
        ("gateway: {bind: '::'}\n", "warning"),
        ("environment: staging\nedge: {bind: 127.0.0.1, certificate: {chain: c, key: 'file:k'}}\n", "note"),
    ],
)
def test_what_listens_beyond_this_machine_is_told(tmp_path: Path, head: str, severity: str) -> None:
    assert of("exposed", findings(tmp_path, head)).severity == severity


@pytest.mark.parametrize(
    ("written", "severity"),
    [
        ("host: db.example.com", None),
        ("host: db.example.com, tls: false", "warning"),
        ("host: 'localhost,db.example.com', tls: false", "warning"),
        ("host: localhost, tls: false", None),
        ("host: db.example.com, tls: false", "error"),
    ],
)
def test_keys_do_not_travel_in_the_clear(tmp_path: Path, written: str, severity: str | None) -> None:
    head = f"environment: {'production' if severity == 'error' else 'staging'}\n"
    found = findings(tmp_path, f"{head}store: {{postgres: {{{written}, pepper: 'file:p'}}}}\n")
    told = [each.severity for each in found if each.rule == "store_in_the_clear"]
    assert told == ([] if severity is None else [severity])


def test_a_promised_context_must_be_held(tmp_path: Path) -> None:
    path = tmp_path / "forebay.yaml"
    path.write_text("version: 1\nmodels:\n  m: {context_tokens: 8192, engines: [{kind: embedded}]}\n")
    assert of("context_promised", list(lint(load(path)))).severity == "error"


@pytest.mark.parametrize(
    ("head", "rule", "severity"),
    [
        ("edge: {client_body: 1MiB}\n", "edge_body", "error"),
        ("edge: {client_body: 16MiB}\n", "edge_body", ""),
        ("edge: {client_body: 1MiB, kind: none}\n", "edge_body", ""),
        ("gateway: {timeouts: {drain: 30m}}\n", "drain_times", "error"),
        ("gateway: {timeouts: {drain: 10m}}\n", "drain_times", ""),
    ],
)
def test_the_edge_holds_what_the_gateway_promises(tmp_path: Path, head: str, rule: str, severity: str) -> None:
    assert [f.severity for f in findings(tmp_path, head) if f.rule == rule] == ([severity] if severity else [])


def test_a_drain_that_somebody_wrote_is_measured_against_the_longest_call(tmp_path: Path) -> None:
    assert of("drain_times", findings(tmp_path, "", ", drain: 30s")).severity == "note"
    assert not [f for f in findings(tmp_path, "", ", drain: 10m") if f.rule == "drain_times"]


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        (", adapters: [a]", "enable-lora is off"),
        (", adapters: [a], args: {enable-lora: true, lora-modules: [b=/b]}", "does not load a"),
        (", adapters: [a], adapter_slots: 4, args: {enable-lora: true, lora-modules: [a=/a]}", "more than max-loras"),
        (", adapters: [a], adapter_slots: 4, args: {enable-lora: true, max-loras: 4, lora-modules: [a=/a]}", ""),
        (', adapters: [a], args: {enable-lora: true, lora-modules: [\'{"name": "a", "path": "/a"}\']}', ""),
        (", adapters: [a], args: {enable-lora: true}", ""),
    ],
)
def test_adapters_that_are_promised_are_served(tmp_path: Path, engine: str, told: str) -> None:
    found = [f.why for f in findings(tmp_path, "", engine) if f.rule == "adapters_served"]
    assert (told in found[0]) if told else not found


def test_every_rule_that_a_finding_can_name_is_in_the_reference() -> None:
    """Findings name a rule file, or what the catalogue explains."""
    source = Path(run.__file__).parents[1]
    load_rules()
    known = {*rules, *engine_rules, *catalogue.EVERY}
    named = re.compile(r"""(?:rule=|_error\(|_finding\(\s*|\.finding\(\s*)"([a-z][a-z_0-9]+)\"""")
    for folder in ("lint", "engines", "config"):
        for path in (source / folder).rglob("*.py"):
            missing = set(named.findall(path.read_text(encoding="utf-8"))) - known
            assert not missing, f"{path}: explain them in forebay.lint.catalogue"


def test_every_hardware_profile_states_its_limits() -> None:
    from forebay.config.layers import profile  # noqa: PLC0415  named beside its use

    for name in Hardware.__args__:  # type: ignore[attr-defined]
        assert profile("hardware", name).facts is not None


def model(tmp_path: Path, **shape: Any) -> Path:
    """Weights on disk as far as rules look at them."""
    folder = tmp_path / "model"
    folder.mkdir()
    config = {
        "num_hidden_layers": shape.get("layers", 2),
        "num_attention_heads": shape.get("heads", 32),
        "num_key_value_heads": shape.get("kv_heads", 8),
        "hidden_size": shape.get("heads", 32) * 128,
        "max_position_embeddings": shape.get("context", 4096),
    }
    (folder / "config.json").write_text(json.dumps({"text_config": config}))
    index = {"metadata": {"total_size": shape.get("total_gb", 1) * 10**9}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
