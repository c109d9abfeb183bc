"""check --command/--script/--compose/--fix/--upgrade-to and init --from-…, as an operator types them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.cli.main import run
from forebay.messages import speak

GOLDEN = Path(__file__).parents[1] / "lint" / "golden"
ENGINE = (
    "version: 1\nmodels:\n  m:\n    engines:\n      - kind: vllm\n        weights: /w\n        release: {release}\n"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory, English before and after, and no state but its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.delenv("FOREBAY_STATE", raising=False)
    yield tmp_path
    speak("en")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run([*arguments, "-o", "json"])
    return code, json.loads(capsys.readouterr().out)


def written(args: str = "", release: str = "0.33.0", top: str = "") -> None:
    Path("forebay.yaml").write_text(top + ENGINE.format(release=release) + args, encoding="utf-8")


def test_a_command_is_answered_with_a_list_of_findings(capsys: pytest.CaptureFixture[str]) -> None:
    config = str(GOLDEN / "qwen3-vl-235b-fp8.json")
    code, told = answer(
        capsys, "check", "--command", "vllm serve /m --host 127.0.0.1 -tp 8 --dtype int8", "--vllm-version", "0.33.0",
        "--hardware", "a100x8", "--model-config", config,
    )  # fmt: skip
    assert code == 1
    assert all(list(finding) == ["rule", "severity", "where", "why", "fix"] for finding in told)
    assert {"flag_value", "tensor_parallel"} <= {finding["rule"] for finding in told if finding["severity"] == "error"}


def test_warnings_and_notes_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = answer(capsys, "check", "--command", "vllm serve m --enforce-eager", "--vllm-version", "0.33.0")
    assert code == 0
    assert {finding["severity"] for finding in told} == {"warning", "note"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--command", ""], 64, "the command is empty"),
        (["--command", "ls -l"], 64, "does not start vLLM"),
        (["--command", "vllm serve m", "--script", "x"], 64, "exclude one another"),
        (["--command", "vllm serve m", "--vllm-version", "0.9"], 64, "from 0.11.0 to 0.33.0"),
        (["--command", "vllm serve m", "--hardware", "z9"], 64, "a100x4"),
        (["--hardware", "a100"], 64, "--command"),
        (["--fix", "--script", "x"], 64, "forebay.yaml alone"),
        (["--upgrade-to", "next"], 64, "no release of vLLM"),
        (["--script", "nowhere.sh"], 1, "there is no such file"),
        (["--compose", "nowhere.yml"], 1, "there is no such file"),
        (["--script", "."], 64, "directory"),
        (["--command", "vllm serve m", "--model-config", "nowhere.json"], 1, "no config.json"),
        (["--command", "vllm serve 'm"], 0, "cannot be read"),
    ],
)
def test_mistakes_are_told_with_their_exit_code(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    found = run(["check", *arguments])
    shown = capsys.readouterr()
    if said != "cannot be read":
        assert (found, said in shown.out + shown.err) == (code, True), shown


@pytest.mark.parametrize("content", [b"\x7fELF\x00\xff\xfe", b"", b"   \n", b"echo \xff", b"a" * 10_000_000])
@pytest.mark.parametrize("option", ["--script", "--compose"])
def test_files_that_are_no_scripts_are_findings(
    capsys: pytest.CaptureFixture[str], option: str, content: bytes
) -> None:
    Path("x").write_bytes(content)
    code, told = answer(capsys, "check", option, "x")
    assert (code, [finding["rule"] for finding in told]) == (1, ["unreadable"])


def test_a_missing_file_is_a_list_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = answer(capsys, "check", "-c", "nowhere.yaml")
    assert (code, told[0]["rule"], told[0]["where"]) == (1, "unreadable", "nowhere.yaml")


DEFECTS = """\
        gpus: [0]  # the first
        args:
          # what the old one had
          swap-space: 8
          max-num-seq: 48   # short
          dtype: bf16
          max-num-batched-tokens: 262144
          disable-log-stats: true
          async-scheduling: true
          tensor-parallel-size: 1
"""
REPAIRED = """\
        gpus: [0]  # the first
        args:
          # what the old one had
          max-num-seqs: 48   # short
          dtype: bfloat16
          max-num-batched-tokens: 65536
          tensor-parallel-size: 1
"""


def test_fix_makes_the_safe_repairs_and_keeps_comments(capsys: pytest.CaptureFixture[str]) -> None:
    written(DEFECTS)
    assert answer(capsys, "check")[0] == 1
    assert answer(capsys, "check", "--fix") == (0, [])
    assert Path("forebay.yaml").read_text() == ENGINE.format(release="0.33.0") + REPAIRED


def test_fix_with_dry_run_shows_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    written(DEFECTS)
    assert run(["check", "--fix", "--dry-run"]) == 1
    assert "-          swap-space: 8" in capsys.readouterr().err
    assert "swap-space" in Path("forebay.yaml").read_text()


def test_fix_leaves_what_needs_a_decision(capsys: pytest.CaptureFixture[str]) -> None:
    written("        args: {trust-remote-code: true, enforce-eager: true, max-model-len: x}\n")
    before = Path("forebay.yaml").read_text()
    code, told = answer(capsys, "check", "--fix")
    assert (code, {finding["rule"] for finding in told}) == (1, {"flag_dangerous", "flag_value", "eager"})
    assert Path("forebay.yaml").read_text() == before


def test_fix_repairs_what_the_hardware_and_the_edge_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    written("        args: {gpu-memory-utilization: 0.97}\n", top="hardware: h100\nedge: {client_body: 1MiB}\n")
    assert answer(capsys, "check", "--fix")[0] == 0
    text = Path("forebay.yaml").read_text()
    assert "edge: {}" in text
    assert "{gpu-memory-utilization: 0.95}" in text


def test_remote_code_runs_where_the_weights_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    written("        args: {trust-remote-code: true}\n        trusted_code: [/other]\n")
    assert [finding["rule"] for finding in answer(capsys, "check")[1]] == ["flag_dangerous"]
    written("        args: {trust-remote-code: true}\n        trusted_code: [/w]\n")
    assert answer(capsys, "check") == (0, [])


def test_an_upgrade_says_what_goes_and_what_becomes_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    written("        args: {swap-space: 4, max-num-seqs: 8}\n", "0.17.0")
    code, told = answer(capsys, "check", "--upgrade-to", "0.33.0")
    assert code == 1
    assert {finding["rule"] for finding in told} == {"upgrade_flag", "upgrade_default"}
    assert any("kv-offloading-size" in finding["fix"] for finding in told)
    told = answer(capsys, "check", "--command", "vllm serve m", "--vllm-version", "0.17.0", "--upgrade-to", "0.33.0")[1]
    assert any(finding["why"].startswith("gpu-memory-utilization is not set") for finding in told)
    written("        args: {max-num-seqs: 8}\n", "0.17.0")
    assert answer(capsys, "check", "--upgrade-to", "0.17.0") == (0, [])


def test_an_upgrade_of_a_command_knows_the_hardware(capsys: pytest.CaptureFixture[str]) -> None:
    command = "vllm serve m --host 127.0.0.1 --log-config-file x"
    code, told = answer(
        capsys,
        "check",
        "--command",
        command,
        "--vllm-version",
        "0.19.0",
        "--hardware",
        "v100",
        "--upgrade-to",
        "0.33.0",
    )
    assert code == 1
    assert "hardware_release" in {finding["rule"] for finding in told}


@pytest.mark.parametrize("environment", ["production", "staging", "development"])
def test_what_a_script_starts_becomes_a_file_that_passes(capsys: pytest.CaptureFixture[str], environment: str) -> None:
    shutil.copy(GOLDEN / "deploy.sh", "deploy.sh")
    code, told = answer(capsys, "init", "--from-script", "deploy.sh", "--env", environment, "--release", "0.33.0")
    assert code == 0
    assert told["changes"]
    text = Path("forebay.yaml").read_text()
    sequences = {"production": 96, "staging": 64, "development": 32}[environment]
    for kept in (f"max-num-seqs: {sequences}", "max-model-len: 262144", "tensor-parallel-size: 4", "trusted_code"):
        assert kept in text
    assert all(f"# {line}" in text for change in told["changes"] for line in change.splitlines())
    assert answer(capsys, "check")[0] == 0


def test_what_a_compose_file_starts_becomes_a_file_that_passes(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.yml").write_text(
        "services:\n  a:\n    image: vllm/vllm-openai:v0.20.1\n    command: [--model, Qwen/Qwen3-8B, --port, '8200',"
        " --served-model-name, qwen, q8, --max-num-seqs, '64', --api-key, s3cret]\n"
        "    environment: {VLLM_LOGGING_LEVEL: DEBUG, HF_TOKEN: hf_sesamesesame, NCCL_DEBUG: INFO}\n"
    )
    code, told = answer(capsys, "init", "--from-compose", "c.yml")
    assert code == 0
    text = Path("forebay.yaml").read_text()
    for kept in (
        "qwen:",
        "q8",
        'release: "0.20.1"',
        "log_level: debug",
        "max-num-seqs: 64",
        "NCCL_DEBUG",
        "offline: false",
    ):
        assert kept in text
    assert "sesame" not in text + str(told)
    assert "s3cret" not in text + str(told)
    assert answer(capsys, "check")[0] == 0


def test_several_engines_of_a_script_become_copies_and_models(capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.sh").write_text(
        "for p in 1 2; do CUDA_VISIBLE_DEVICES=$((p-1)) vllm serve /a/one --port 800$p & done\n"
        "CUDA_VISIBLE_DEVICES=2,3 vllm serve /a/two -tp 2 --port 8003 --trust-remote-code\n"
    )
    assert answer(capsys, "init", "--from-script", "s.sh", "--release", "0.33.0")[0] == 0
    code, told = answer(capsys, "config", "show")
    assert code == 0
    engines = {name: model["engines"][0] for name, model in told["models"].items()}
    assert (engines["one"]["count"], engines["one"]["gpus"], engines["two"]["gpus"]) == (2, [0, 1], [2, 3])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--from-script", "no.sh"], 1),
        (["--from-script", "a.sh", "--from-compose", "b.yml"], 64),
        (["--from-script", "a.sh", "--model", "m"], 64),
    ],
)
def test_what_cannot_be_taken_over_is_refused_and_nothing_is_written(arguments: list[str], code: int) -> None:
    Path("a.sh").write_text("echo hello\n")
    assert run(["init", *arguments]) == code
    assert run(["init", "--from-script", "a.sh"]) == 1
    assert not Path("forebay.yaml").exists()


def test_what_does_not_fit_is_refused_with_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.sh").write_text("vllm serve Qwen/Qwen3-VL-235B-A22B-Instruct -tp 4\n")
    assert run(["init", "--from-script", "s.sh", "--hardware", "a100"]) == 1
    assert "its FP8 form on 4 GPUs" in capsys.readouterr().err


def test_findings_speak_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", "--command", "vllm serve m --swap-space 4", "--vllm-version", "0.33.0", "--lang", "zh"])
    assert "没有参数" in capsys.readouterr().out
