"""The stored table of flags against the parser of a real vLLM."""

from __future__ import annotations

import json
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from forebay.config.flags import release, stored_table
from forebay.config.flags_derive import derive, differences
from forebay.config.schema import VllmEngine
from forebay.engines.command import command
from tests.engine import install

PARSE = """
import json, runpy, sys
probe, *argv = sys.argv[1:]
answer, sys.stdout = sys.stdout, sys.stderr
parsed = vars(runpy.run_path(probe)["serve_parser"]().parse_args(argv))
json.dump({name: parsed[name] for name in parsed}, answer, default=str)
"""


def parsed_by_vllm(python: Path, *argv: str) -> dict[str, Any]:
    """What vLLM's own parser makes of a command line."""
    with resources.as_file(resources.files("forebay.config").joinpath("flags_probe.py")) as probe:
        ran = subprocess.run([python, "-I", "-c", PARSE, probe, *argv], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    parsed: dict[str, Any] = json.loads(ran.stdout)
    return parsed


def test_the_table_agrees_with_the_parser_of_the_real_release(vllm_python: Path) -> None:
    assert differences(stored_table(), derive(vllm_python)) == []


def test_a_rendered_command_line_means_to_vllm_what_the_file_said(vllm_python: Path) -> None:
    args = {
        "max-model-len": "1.5k",
        "max_num_batched_tokens": "8K",
        "gpu-memory-utilization": 0.85,
        "enable-prefix-caching": False,
        "no-enable-chunked-prefill": True,
        "hf-overrides": {"rope_theta": 5},
        "limit-mm-per-prompt": {"image": 2},
        "compilation-config.cudagraph_mode": "none",
        "cudagraph-capture-sizes": ["1", "2"],
        "allowed-origins": ["https://a.example"],
        "middleware": ["a.b", "c.d"],
        "tp": 2,
        "kv-cache-dtype": "fp8",
    }
    args["-tp"] = args.pop("tp")
    engine = VllmEngine.model_validate(
        {"kind": "vllm", "weights": "/weights", "release": install.VERSION, "shutdown": "2500ms", "args": args}
    )
    argv = command(engine, served_name="m", release=release(install.VERSION)).argv[2:]
    filled = {"{host}": "127.0.0.1", "{port}": "8123"}
    parsed = parsed_by_vllm(vllm_python, *(filled.get(word, word) for word in argv))
    told = {name: parsed[name] for name in EXPECTED}
    assert told == EXPECTED
    assert "none" in str(parsed["compilation_config"]).lower()


EXPECTED = {
    "model_tag": "/weights",
    "host": "127.0.0.1",
    "port": 8123,
    "served_model_name": ["m"],
    "shutdown_timeout": 3,
    "disable_uvicorn_access_log": True,
    "max_model_len": 1500,
    "max_num_batched_tokens": 8192,
    "gpu_memory_utilization": 0.85,
    "enable_prefix_caching": False,
    "enable_chunked_prefill": False,
    "hf_overrides": {"rope_theta": 5},
    "limit_mm_per_prompt": {"image": 2},
    "cudagraph_capture_sizes": [1, 2],
    "allowed_origins": ["https://a.example"],
    "middleware": ["a.b", "c.d"],
    "tensor_parallel_size": 2,
    "kv_cache_dtype": "fp8",
}


@pytest.mark.parametrize("written", ["--max-num-seq", "--max_num_seqs", "--no-enable-prefix-cachin"])
def test_spellings_that_vllm_takes_are_read_the_same_here(vllm_python: Path, written: str) -> None:
    found = release(install.VERSION).find(written)
    assert found is not None
    value = [] if found.flag.kind == "bool" else ["7"]
    parsed = parsed_by_vllm(vllm_python, "/weights", written, *value)
    assert parsed[found.flag.name.removeprefix("--").replace("-", "_")] == (False if found.negated else 7)
