# ruff: noqa: E501  a table reads by its columns
"""Compose files: each service that runs vLLM is judged with the container around it."""

from __future__ import annotations

import pytest
from tests.unit.lint.served import asked, judged, rules_of

from forebay.core.errors import ConfigError
from forebay.lint.foreign.adopt import adopt
from forebay.lint.foreign.check import engines
from forebay.lint.foreign.compose import launches_of_compose

# As the source document prints it: no command, another port, `latest`, no shared memory, a minute to start.
PRINTED = """
services:
  vllm:
    image: vllm/vllm-openai:latest
    ports: ["8200:8200"]
    deploy:
      resources:
        reservations:
          devices: [{driver: nvidia, count: 4, capabilities: [gpu]}]
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8200/health"]
      start_period: 60s
  nginx:
    image: nginx:1.25
"""
SOUND = """
services:
  vllm:
    image: vllm/vllm-openai:v0.33.0
    command:
      - --model
      - Qwen/Qwen3-VL-235B-A22B-Instruct-FP8
      - --tensor-parallel-size=4
      - --port=8200
      - --mm-encoder-tp-mode=data
      - --shutdown-timeout=60
    ipc: host
    expose: ["8200"]
    stop_grace_period: 1m30s
    deploy:
      resources:
        reservations:
          devices: [{driver: nvidia, count: 4, capabilities: [gpu]}]
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8200/health"]
      start_period: 10m
"""


def test_every_defect_of_the_printed_file_is_found() -> None:
    found = judged(PRINTED, "a100x4", release=None, kind="compose")
    assert {"model_named", "container_port", "container_health"} <= rules_of(found, "error")
    assert {"image_tag", "shared_memory", "container_health"} <= rules_of(found, "warning")
    assert next(finding.where for finding in found if finding.rule == "image_tag") == "file:4: services.vllm.image"


def test_a_sound_file_has_nothing_but_notes() -> None:
    assert not rules_of(judged(SOUND, "h100x4", release=None, kind="compose"), "error", "warning")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("1m30s", "10s", "container_stop"),
        ("ipc: host", "shm_size: 64m", "shared_memory"),
        ("v0.33.0", "nightly", "image_tag"),
        ("localhost:8200", "localhost:8000", "container_health"),
        ("start_period: 10m", "start_period: 30s", "container_health"),
        ('expose: ["8200"]', 'ports: ["127.0.0.1:8200:8000"]', "container_port"),
        ('expose: ["8200"]', 'ports: [{target: 8200, published: 80}]', "listening"),
        ("ipc: host", "ipc: host\n    environment: {VLLM_SERVER_DEV_MODE: 1}", "env_dangerous"),
        ("ipc: host", "ipc: host\n    environment: [HF_TOKEN=hf_abcdefghijkl]", "secret_written"),
        ("--port=8200", "--swap-space=8", "flag_unknown"),
        ("count: 4", "count: 2", "gpu_count"),
        ("count: 4", "device_ids: ['0', '1']", "gpu_count"),
        ("deploy:", "x-deploy:", "container_gpus"),
        ("Instruct-FP8", "Instruct", "model_fits"),
    ],
)  # fmt: skip
def test_one_defect_is_one_finding(old: str, new: str, rule: str) -> None:
    assert rule in rules_of(judged(SOUND.replace(old, new), "h100x4", release=None, kind="compose"), "error", "warning")


EXTENDED = """
services:
  base: {image: 'i/vllm:v0.17.1', ipc: host, environment: {NCCL_DEBUG: INFO, OMP_NUM_THREADS: 1}}
  a:
    extends: {service: base}
    command: --model m --swap-space 4
  b:
    extends: a
    environment: [NCCL_DEBUG=WARN]
  c: {extends: {service: c}, image: 'i/vllm:v0.17.1'}
  d:
    image: i/vllm:v0.33.0
    extends: {file: common.yml, service: vllm}
"""


def test_a_service_has_what_it_extends() -> None:
    launches, notes = launches_of_compose(EXTENDED, "c.yml")
    found = {launch.key.removeprefix("services."): launch for launch in launches}
    assert list(found) == ["base", "a", "b", "c", "d"]
    assert [word.text for word in found["b"].words] == ["--model", "m", "--swap-space", "4"]
    assert (found["b"].release, found["b"].env) == ("0.17.1", {"NCCL_DEBUG": "WARN", "OMP_NUM_THREADS": "1"})
    assert (found["a"].line, found["b"].line) == (6, 6)
    assert [(note.rule, note.where) for note in notes] == [("script_sourced", "c.yml:13: services.d.extends")]


def test_an_image_that_is_built_here_has_no_tag_to_judge_and_goes_by_its_service() -> None:
    text = "services: {v: {build: ., command: vllm serve m}}"
    assert "image_tag" not in rules_of(judged(text, kind="compose"))
    told: list[str] = []
    adopt(engines(launches_of_compose(text, "c.yml")[0], asked()), told)
    assert told[0].startswith("services.v: forebay starts")


def test_variables_take_their_defaults_and_others_are_told() -> None:
    text = "services: {v: {image: 'i/vllm:${TAG:-v0.33.0}', command: '--model m --max-num-seqs ${N:-8} --port ${P} --x $$'}}"
    ((launch,), _notes) = launches_of_compose(text, "c.yml")
    assert [word.shown for word in launch.words] == ["--model", "m", "--max-num-seqs", "8", "--port", "…", "--x", "$"]
    assert launch.release == "0.33.0"
    assert "value_unknown" in rules_of(judged(text, kind="compose"), "note")


@pytest.mark.parametrize(
    "service",
    [
        "{build: ., command: vllm serve m --port 1}",
        "{image: mine, entrypoint: [vllm, serve], command: [m, --port, '1']}",
        "{image: i/vllm:v1, entrypoint: [bash, -c], command: ['cd /x && vllm serve m --port 1']}",
        "{image: i/vllm:v1, command: \"bash -c 'vllm serve m --port 1'\"}",
    ],
)
def test_a_service_starts_vllm_in_its_own_way(service: str) -> None:
    ((launch,), _notes) = launches_of_compose("services: {v: " + service + "}", "c.yml")
    assert [word.text for word in launch.words] == ["m", "--port", "1"]
    assert launch.container is not None


def test_no_vllm_is_a_finding() -> None:
    assert rules_of(judged("services: {a: {image: nginx}}", kind="compose")) == {"nothing_started"}


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "services: 3", "services: {a: 1}", "a: [", "services: {a: {image: *x}}", "a: 1\n---\nb: 2", "x" * 2_000_000, "services: {a: {image: !!python/object:os.system x}}"],
)  # fmt: skip
def test_what_is_no_compose_file_is_refused(text: str) -> None:
    try:
        _launches, notes = launches_of_compose(text, "c.yml")
    except ConfigError:
        return
    assert [note.rule for note in notes] == ["nothing_started"]
