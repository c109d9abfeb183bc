# ruff: noqa: E501  a table reads by its columns
"""Each rule about one engine finds its case and stays silent beside it."""

from __future__ import annotations

import pytest
from tests.unit.lint.served import QUIET, judged, rules_of

from forebay.core.errors import UsageError
from forebay.lint import catalogue
from forebay.lint.foreign.asked import read_hardware, read_release
from forebay.lint.run import engine_rules, load_rules

FP8 = "Qwen/Qwen3-VL-235B-A22B-Instruct-FP8"
RUN = "docker run --gpus all --ipc host -p 127.0.0.1:8000:8000"

# rule, hardware, model's config, release, what breaches, what does not.
TABLE = [
    ("attention_backend", "t4", "", "0.33.0", "--attention-backend FLASH_ATTN", "--attention-backend TRITON_ATTN"),
    ("attention_backend", "a100", "", "0.33.0", "--attention-backend FLASH_ATTN --kv-cache-dtype fp8", "--attention-backend FLASH_ATTN"),
    ("attention_backend", "a100", "", "0.33.0", "--attention-backend FLASHMLA", "--attention-backend FLASHINFER"),
    ("batched_tokens", "", "", "0.33.0", "--max-num-batched-tokens 262144", "--max-num-batched-tokens 65536"),
    ("context_model", "", "qwen3-32b", "0.33.0", "--max-model-len 131072", "--max-model-len 32K"),
    ("context_model", "", "qwen3-32b", "0.33.0", "--max-model-len 131072", "--max-model-len 131072 --hf-overrides {}"),
    ("context_model", "", "llama-8b", "0.33.0", "--max-model-len 0x", "--max-model-len 131072"),
    ("dtype_hardware", "t4", "", "0.33.0", "--dtype bfloat16", "--dtype half"),
    ("eager", "", "", "0.33.0", "--enforce-eager", "--no-enforce-eager"),
    ("flag_dangerous", "", "", "0.33.0", "--trust-remote-code", "--no-trust-remote-code"),
    ("flag_dangerous", "", "", "0.33.0", "--allowed-local-media-path /srv", "--allowed-media-domains a.example"),
    ("flag_leaving", "", "", "0.33.0", "--log-config-file x", "--log-level INFO"),
    ("flag_needs", "", "", "0.33.0", "--enable-auto-tool-choice", "--enable-auto-tool-choice --tool-call-parser hermes"),
    ("flag_needs", "", "", "0.33.0", "--lora-modules a=b", "--lora-modules a=b --enable-lora"),
    ("flag_needs", "", "", "0.33.0", "--max-loras 4 --max-cpu-loras 2", "--max-loras 4 --max-cpu-loras 4"),
    ("fp8_hardware", "v100", "", "0.19.1", "--kv-cache-dtype fp8", "--kv-cache-dtype auto"),
    ("gpu_count", "a100x4", "", "0.33.0", "-tp 8", "-tp 4"),
    ("gpu_count", "a100x4", "", "0.33.0", "-tp 2 -dp 4", "-tp 2 -dp 2"),
    ("hardware_release", "v100", "", "0.20.0", "", None),
    ("listening", "", "", "0.33.0", "--host 0.0.0.0", "--host 127.0.0.1"),
    ("listening", "", "", "0.33.0", "--api-key abc", ""),
    ("memory_share", "", "", "0.33.0", "--gpu-memory-utilization 0.98", "--gpu-memory-utilization 0.95"),
    ("memory_share", "", "", "0.33.0", "--gpu-memory-utilization 0.3", "--gpu-memory-utilization 0.5"),
    ("model_fits", "a100", "qwen3-32b", "0.33.0", "--gpu-memory-utilization 0.7", "--kv-cache-dtype fp8"),
    ("model_fits", "h100x8", "deepseek-v3", "0.33.0", "-tp 8", "-tp 16"),
    ("model_fits", "b200", "deepseek-v3", "0.33.0", "-dp 8 --max-model-len 8192", "-dp 8 --enable-expert-parallel --max-model-len 8192"),
    ("quantisation_hardware", "v100", "llama-70b-awq", "0.19.1", "", None),
    ("quantisation_hardware", "a100", "", "0.33.0", "-q fp_quant", "-q awq"),
    ("quantisation_model", "", "llama-70b-awq", "0.33.0", "--quantization gptq", "--quantization awq_marlin"),
    ("quantisation_model", "", "deepseek-v3", "0.33.0", "-q fp8 --kv-cache-dtype fp8_e5m2", "-q fp8 --kv-cache-dtype fp8"),
    ("redundant_flags", "", "", "0.33.0", "--async-scheduling", "--enable-prefix-caching"),
    ("redundant_flags", "", "", "0.33.0", "--enable-chunked-prefill", "--enable-chunked-prefill --runner pooling"),
    ("secret_written", "", "", "0.33.0", "--hf-token hf_abcdefghijkl", ""),
    ("slow_choices", "", "", "0.33.0", "--no-enable-chunked-prefill", "--enable-prefix-caching"),
    ("small_batches", "a100", "", "0.33.0", "--max-num-seqs 2", "--max-num-seqs 8"),
    ("small_batches", "a100", "", "0.33.0", "--max-num-batched-tokens 512", "--max-num-batched-tokens 2048"),
    ("tensor_parallel", "", "llama-8b", "0.33.0", "-tp 6", "-tp 8"),
    ("tensor_parallel", "", "qwen3-vl-235b-fp8", "0.33.0", "-tp 8", "-tp 4"),
    ("tokens_for_sequences", "", "", "0.33.0", "--max-num-seqs 4096 --max-num-batched-tokens 2048", "--max-num-seqs 256 --max-num-batched-tokens 2k"),
    ("tokens_for_sequences", "", "", "0.33.0", "--no-enable-chunked-prefill --max-num-batched-tokens 2048 --max-model-len 8192", "--max-num-batched-tokens 2048 --max-model-len 8192"),
    ("tokens_for_sequences", "", "", "0.33.0", "--max-num-active-seqs 9 --max-num-seqs 8", "--max-num-active-seqs 8 --max-num-seqs 8"),
    ("tokens_for_sequences", "", "", "0.33.0", "--max-model-len 1024 --long-prefill-token-threshold 2048", "--max-model-len 4096 --long-prefill-token-threshold 2048"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "hardware", "model", "release", "breach", "clean"), TABLE)
def test_a_rule_finds_its_breach_and_nothing_beside_it(
    rule: str, hardware: str, model: str, release: str, breach: str, clean: str | None
) -> None:
    if "0x" not in breach:
        assert rule in rules_of(judged(f"vllm serve m {QUIET} {breach}", hardware, model, release))
    if clean is not None:
        found = judged(f"vllm serve m {QUIET} {clean}", hardware, model, release)
        assert not [finding for finding in found if finding.rule == rule and finding.severity != "note"]


ENVIRONMENT = [
    ("VLLM_SERVER_DEV_MODE=1", "env_dangerous"),
    ("VLLM_ALLOW_INSECURE_SERIALIZATION=1", "env_dangerous"),
    ("VLLM_USE_V1=0", "env_unread"),
    ("VLLM_ATTENTION_BACKEND=FLASH_ATTN", "attention_backend"),
    ("HF_TOKEN=hf_abcdefghijklm", "secret_written"),
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "secret_written"),
    ("VLLM_API_KEY=abcdefghijkl", "secret_written"),
]


@pytest.mark.parametrize(("given", "rule"), ENVIRONMENT)
def test_variables_are_judged_wherever_they_are_set(given: str, rule: str) -> None:
    name, _equals, _value = given.partition("=")
    for command in (f"{given} vllm serve m {QUIET}", f"env {given} nohup vllm serve m {QUIET}", f"{RUN} -e {given} vllm/vllm-openai:v0.33.0 m"):  # fmt: skip
        assert rule in rules_of(judged(command))
    assert rule not in rules_of(judged(f"{name}= vllm serve m {QUIET}"))


CONTAINERS = [
    ("image_tag", f"{RUN} vllm/vllm-openai:latest m", f"{RUN} vllm/vllm-openai:v0.33.0 m"),
    ("image_tag", f"{RUN} vllm/vllm-openai m", f"{RUN} vllm/vllm-openai@sha256:00ff m"),
    ("shared_memory", "docker run --gpus all i/vllm:v1 m -tp 2", "docker run --gpus all --shm-size 16g i/vllm:v1 m -tp 2"),
    ("container_gpus", "docker run i/vllm:v1 m", "docker run --gpus all i/vllm:v1 m"),
    ("container_gpus", "docker run i/vllm:v1 m", "docker run i/vllm-cpu:v1 m"),
    ("container_port", f"{RUN} i/vllm:v1 m --port 8200", f"{RUN} i/vllm:v1 m"),
    ("container_stop", f"{RUN} i/vllm:v1 m --shutdown-timeout 60", f"{RUN} --stop-timeout 75 i/vllm:v1 m --shutdown-timeout 60"),
    ("listening", "docker run --gpus all -p 8000:8000 i/vllm:v1 m", f"{RUN} i/vllm:v1 m"),
    ("gpu_count", """docker run --gpus '"device=0,1"' --ipc=host i/vllm:v1 m -tp 4""", """docker run --gpus '"device=0,1"' --ipc=host i/vllm:v1 m -tp 2"""),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "breach", "clean"), CONTAINERS)
def test_containers_are_judged_with_their_engine(rule: str, breach: str, clean: str) -> None:
    assert rule in rules_of(judged(breach))
    assert rule not in rules_of(judged(clean))


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("vllm serve --port 8000", "model_named"),
        ("python3 -m vllm.entrypoints.openai.api_server", "model_named"),
        ("python3 -m vllm.entrypoints.openai.api_server m", "model_ignored"),
        ("python3 -m vllm.entrypoints.openai.api_server --model m x y", "word_stray"),
        (f"vllm serve {FP8} -tp 4", "vision_flags"),
        ("vllm serve m", "shutdown_aborts"),
        ("vllm serve m --disable-log-stats", "flag_dangerous"),
    ],
)
def test_what_is_left_out_is_told(command: str, rule: str) -> None:
    assert rule in rules_of(judged(command))


@pytest.mark.parametrize(
    ("command", "fix"),
    [
        ("vllm serve m \u2013-max-model-len 8192", "--max-model-len"),
        ("vllm serve m \u2014port 1", "--port"),
        ("vllm serve m --max-num-seqs \u201c64\u201d", "plain quotes"),
        ("vllm serve m --port 1 true", "Remove it"),
        ("python3 -m vllm.entrypoints.openai.api_server --model m --enforce-eager true", "Remove it"),
        ("vllm serve m --num-scheduler-steps 8", "Remove it"),
        ("vllm serve m --max-batch-size 8", "Write --max-num-seqs"),
        ("vllm serve m --guided-decoding-backend x", "Write --structured-outputs-config"),
        ("vllm serve m --gpu-memory-utilisation 0.9", "Write --gpu-memory-utilization"),
    ],
)
def test_an_error_says_what_to_write(command: str, fix: str) -> None:
    assert fix in next(found.fix for found in judged(command) if found.severity == "error")


def test_metrics_that_are_turned_off_are_an_error_and_remote_code_a_warning() -> None:
    assert "flag_dangerous" in rules_of(judged("vllm serve m --disable-log-stats"), "error")
    assert "flag_dangerous" not in rules_of(judged("vllm serve m --trust-remote-code"), "error")
    assert "flag_dangerous" in rules_of(judged("vllm serve m --allowed-local-media-path /"), "error")


def test_every_rule_of_engines_is_tried_here_or_with_forebay_yaml() -> None:
    load_rules()
    tried = {row[0] for row in (*TABLE, *CONTAINERS)} | {
        "environment",
        "model_named",
        "vision_flags",
        "shutdown_aborts",
    }
    assert set(engine_rules) - tried <= {"container_health", "no_accelerator"}
    assert not set(engine_rules) & set(catalogue.EVERY)


@pytest.mark.parametrize(
    ("text", "name", "gpus", "gib"),
    [("a100x4", "a100", 4, 80), ("H100", "h100", 0, 80), ("8xb200", "b200", 8, 178), ("a100-40gx2", "a100", 2, 40), ("cpu", "cpu", 0, 0)],
)  # fmt: skip
def test_hardware_is_named_with_its_count(text: str, name: str, gpus: int, gib: int) -> None:
    found = read_hardware(text)
    assert (found[0], found[2], found[1].memory_bytes // 2**30) == (name, gpus, gib)


@pytest.mark.parametrize("text", ["", "rtx", "a100x", "a100x4x4", "x4"])
def test_hardware_that_is_not_known_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_hardware(text)
    assert "a100" in refused.value.fix


@pytest.mark.parametrize(("text", "release"), [("0.33.0", "0.33.0"), ("v0.18.1", "0.18.1"), ("0.11", "0.11.0"), ("0.32.0+cpu", "0.32.0")])  # fmt: skip
def test_releases_are_read_as_people_write_them(text: str, release: str) -> None:
    assert read_release(text) == release


@pytest.mark.parametrize("text", ["", "0.10.2", "0.34.0", "latest", "1"])
def test_releases_outside_the_table_are_refused_with_the_range(text: str) -> None:
    with pytest.raises(UsageError, match="release"):
        read_release(text)
