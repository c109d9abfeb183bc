"""Claims about the command line of a vLLM engine: whole lines, as an operator would type them."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from forebay.config.flags import release, releases
from forebay.config.schema import VllmEngine
from forebay.config.schema.engines import VllmDefaults
from forebay.core.errors import ConfigError, Finding
from forebay.engines.command import Command, command

PRIVATE = {"DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1"}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def rendered(
    *, version: str = "0.33.0", defaults: dict[str, Any] | None = None, gpus: tuple[int, ...] = (), **keys: Any
) -> Command:
    engine = VllmEngine.model_validate({"kind": "vllm", "weights": "/w", "release": version, **keys})
    given = VllmDefaults.model_validate(defaults or {})
    return command(engine, served_name="m", release=release(version), defaults=given, gpus=gpus, where="engine")


def refusals(**keys: Any) -> list[Finding]:
    with pytest.raises(ConfigError) as refused:
        rendered(**keys)
    return list(refused.value.findings)


GOLDEN = [
    (
        {},
        "vllm serve /w --host {host} --port {port} --served-model-name m --log-level INFO --shutdown-timeout 30 "
        "--disable-uvicorn-access-log",
        PRIVATE | OFFLINE,
    ),
    (
        {"version": "0.30.0", "log_level": "warning", "shutdown": "1500ms"},
        "vllm serve /w --host {host} --port {port} --served-model-name m --shutdown-timeout 2 "
        "--disable-uvicorn-access-log",
        PRIVATE | OFFLINE | {"VLLM_LOGGING_LEVEL": "WARNING"},
    ),
    (
        {"version": "0.11.0", "args": {"swap-space": 8}, "usage_reporting": True, "offline": False},
        "vllm serve /w --host {host} --port {port} --served-model-name m --disable-uvicorn-access-log --swap-space 8.0",
        {"VLLM_LOGGING_LEVEL": "INFO"},
    ),
    (
        # The source document's production engine, as far as it is still true.
        {
            "gpus": (0, 1, 2, 3),
            "socket_interface": "eth0",
            "log_level": "warning",
            "args": {
                "tensor_parallel_size": 4,
                "max-model-len": "256K",
                "gpu-memory-utilization": 0.9,
                "max-num-seqs": 96,
                "dtype": "bfloat16",
                "kv-cache-dtype": "fp8",
                "async-scheduling": True,
                "enable-prefix-caching": False,
                "limit-mm-per-prompt": {"image": 4, "video": 0},
                "disable-uvicorn-access-log": False,
            },
            "env": {"NCCL_DEBUG": "WARN", "NCCL_SOCKET_IFNAME": "ib0"},
        },
        "vllm serve /w --host {host} --port {port} --served-model-name m --log-level WARNING --shutdown-timeout 30 "
        "--async-scheduling --no-disable-uvicorn-access-log --dtype bfloat16 --no-enable-prefix-caching "
        "--gpu-memory-utilization 0.9 --kv-cache-dtype fp8 "
        """--limit-mm-per-prompt '{"image":4,"video":0}' --max-model-len 262144 --max-num-seqs 96 """
        "--tensor-parallel-size 4",
        PRIVATE
        | OFFLINE
        | {
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "CUDA_VISIBLE_DEVICES": "0,1,2,3",
            "GLOO_SOCKET_IFNAME": "eth0",
            "NCCL_DEBUG": "WARN",
            "NCCL_SOCKET_IFNAME": "ib0",
        },
    ),
    (
        {"program": ["python", "-m", "x"], "modelscope": True, "env": {"VLLM_LOGGING_LEVEL": "DEBUG"}},
        "python -m x /w --host {host} --port {port} --served-model-name m --shutdown-timeout 30 "
        "--disable-uvicorn-access-log",
        PRIVATE | OFFLINE | {"VLLM_LOGGING_LEVEL": "DEBUG", "VLLM_USE_MODELSCOPE": "True"},
    ),
    (
        # An engine's own flag beats a default in another spelling; its level beats the default's.
        {
            "defaults": {"args": {"max_num_seqs": 8, "enforce-eager": True}, "env": {"A": "1"}, "log_level": "error"},
            "args": {"max-num-seqs": 4, "no-enforce-eager": True},
            "env": {"A": "2"},
        },
        "vllm serve /w --host {host} --port {port} --served-model-name m --log-level ERROR --shutdown-timeout 30 "
        "--disable-uvicorn-access-log --no-enforce-eager --max-num-seqs 4",
        PRIVATE | OFFLINE | {"A": "2"},
    ),
    (
        {"args": {"compilation-config.cudagraph_mode": "NONE", "compilation-config.pass_config": {"a": True}}},
        "vllm serve /w --host {host} --port {port} --served-model-name m --log-level INFO --shutdown-timeout 30 "
        "--disable-uvicorn-access-log --compilation-config.cudagraph_mode NONE "
        """--compilation-config.pass_config '{"a":true}'""",
        PRIVATE | OFFLINE,
    ),
]


@pytest.mark.parametrize(("keys", "line", "env"), GOLDEN)
def test_the_whole_command_line(keys: dict[str, Any], line: str, env: dict[str, str]) -> None:
    start = rendered(**keys)
    assert start.argv == tuple(shlex.split(line))
    assert start.env == env


@pytest.mark.parametrize("version", releases())
def test_an_engine_without_flags_renders_for_every_release(version: str) -> None:
    known = release(version)
    flags = [word for word in rendered(version=version).argv if word.startswith("--")]
    assert all(flag in known for flag in flags)


REFUSED = [
    ({"max-num-sqes": 9}, "flag_unknown", "vLLM 0.33.0 has no flag --max-num-sqes", "Write max-num-seqs instead"),
    (
        {"swap-space": 4},
        "flag_unknown",
        "vLLM 0.33.0 has no flag --swap-space, which exists from 0.11.0 to 0.17.0",
        "Write kv-offloading-size instead",
    ),
    (
        {"max-num-seq": 9},
        "flag_abbreviated",
        "max-num-seq abbreviates --max-num-seqs; another release may read it otherwise",
        "Write max-num-seqs",
    ),
    ({"max-num-seqs": "x"}, "flag_value", "--max-num-seqs takes a whole number", ""),
    ({"dtype": "int8"}, "flag_value", "--dtype takes auto", "INT8 is a quantisation"),
    ({"port": 1}, "flag_owned", "--port is forebay's to set", "Set the engine's port"),
    ({"api_key": "s"}, "flag_owned", "--api-key is forebay's to set", "Remove it: keys are checked at the gateway"),
    ({"served-model-name": "x"}, "flag_owned", "--served-model-name is forebay's to set", "Set the model's name"),
    ({"disable-log-stats": True}, "flag_dangerous", "--disable-log-stats is refused: it removes every", "Remove it"),
    ({"trust-remote-code": True}, "flag_dangerous", "--trust-remote-code is refused", "Remove it"),
    ({"no-trust-remote-code": False}, "flag_dangerous", "--trust-remote-code is refused", "Remove it"),
    ({"allowed-local-media-path": "/"}, "flag_dangerous", "--allowed-local-media-path is refused", "Remove it"),
    ({"enable-prompt-embeds": True}, "flag_dangerous", "--enable-prompt-embeds is refused: it unpacks", "Remove it"),
    ({"enable_mm_embeds": True}, "flag_dangerous", "--enable-mm-embeds is refused: it unpacks", "Remove it"),
    ({"max-num-seqs": 1, "max_num_seqs": 2}, "flag_twice", "--max-num-seqs is given twice", "Keep one of them"),
    ({"compilation-config.mode": "--trust-remote-code"}, "flag_value", "--compilation-config cannot take a text", ""),
]


@pytest.mark.parametrize(("args", "rule", "why", "fix"), REFUSED)
def test_a_flag_that_may_not_be_given_is_refused_with_what_to_do(
    args: dict[str, Any], rule: str, why: str, fix: str
) -> None:
    (finding,) = refusals(args=args)
    assert (finding.rule, finding.severity) == (rule, "error")
    assert finding.where == f"engine.args.{list(args)[-1]}" or "." in list(args)[-1]
    assert finding.why.startswith(why)
    assert finding.fix.startswith(fix)


def test_a_flag_that_the_release_lacks_but_forebay_owns_names_the_key() -> None:
    (finding,) = refusals(version="0.11.0", args={"log-level": "INFO"})
    assert finding.fix == "Set the engine's log_level"


def test_what_is_refused_may_be_said_to_be_off() -> None:
    assert "--no-trust-remote-code" in rendered(args={"trust-remote-code": False}).argv
    assert "--disable-log-stats" not in rendered(args={"disable-log-stats": False}).argv


@pytest.mark.parametrize("name", ["VLLM_SERVER_DEV_MODE", "VLLM_ALLOW_INSECURE_SERIALIZATION", "VLLM_API_KEY"])
def test_a_dangerous_variable_is_refused_from_the_engine_and_from_the_defaults(name: str) -> None:
    (own,) = refusals(env={name: "1"})
    (general,) = refusals(defaults={"env": {name: "1"}})
    assert (own.rule, own.where) == ("env_refused", f"engine.env.{name}")
    assert general.where == f"engine_defaults.vllm.env.{name}"


def test_gpus_may_not_be_said_twice() -> None:
    (finding,) = refusals(gpus=(0,), env={"CUDA_VISIBLE_DEVICES": "1"})
    assert finding.where == "engine.env.CUDA_VISIBLE_DEVICES"


def test_weights_that_read_as_a_flag_are_refused() -> None:
    (finding,) = refusals(weights="--trust-remote-code")
    assert finding.where == "engine.weights"


def test_every_reason_is_told_at_once() -> None:
    found = refusals(args={"port": 1, "nonsense": 2, "dtype": "int8"}, env={"VLLM_SERVER_DEV_MODE": "1"})
    assert [finding.rule for finding in found] == ["flag_owned", "flag_unknown", "flag_value", "env_refused"]
