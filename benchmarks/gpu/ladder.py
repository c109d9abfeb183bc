"""Ladders of an 8 B shape and of SmolLM2 on the GPUs of this machine: `python -m benchmarks.gpu.ladder --help`.

Needs vLLM, and what `forebay` imports for `tune run`: nothing of the gateway unless several engines are tried.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

EAGER = {
    "enforce-eager": True,
    "async-scheduling": False,
    "max-num-seqs": 64,
    "gpu-memory-utilization": 0.80,
    "dtype": "bfloat16",
    "kv-cache-dtype": "auto",
    "enable-prefix-caching": False,
}
"""The baseline: what the source document found in its customer-service platform, step A of the reference ladder."""
PLAIN = {"dtype": "bfloat16", "kv-cache-dtype": "auto", "max-num-seqs": 1024, "gpu-memory-utilization": 0.90}
"""A small model as vLLM serves it when nobody says anything."""


def main() -> int:
    """Run every lane on a GPU of its own, at once; returns how many parts failed."""
    asked = _arguments()
    until_s = time.monotonic() + asked.seconds
    lanes = [lane.split(",") for lane in asked.lanes.split(";")]
    with ThreadPoolExecutor(len(lanes)) as pool:
        return sum(pool.map(lambda lane: _lane(asked, lane[1], asked.gpu_list[lane[0]], until_s), enumerate(lanes)))


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of the 8 B shape: config.json and a tokenizer")
    parser.add_argument("--small", type=Path, help="folder of SmolLM2's real weights")
    parser.add_argument("--out", type=Path, default=Path("ladder"))
    parser.add_argument("--seconds", type=float, default=540.0, help="for everything")
    parser.add_argument(
        "--lanes",
        default="chat;batch",
        help="parts, of chat, batch, low-latency and through; lanes between ; run at once, each on a GPU; "
        "parts between , one after the other, each as long as PART:SECONDS says, the last as long as there is time",
    )
    parser.add_argument("--gpus", default="0,1", help="one for each lane; empty on a CPU")
    parser.add_argument("--hardware", default="h200")
    parser.add_argument("--release", default="0.25.1")
    parser.add_argument("--program", default="", help="what starts vLLM; default: `vllm serve`, or its module")
    parser.add_argument("--weights", choices=("dummy", "real"), default="dummy")
    parser.add_argument("--set", action="append", default=[], metavar="FLAG=JSON", help="a flag of every baseline")
    parser.add_argument("--tune", default="", help="more flags of `forebay tune run`")
    asked = parser.parse_args()
    asked.gpu_list = [int(each) for each in asked.gpus.split(",") if each] or [None] * 8
    asked.out = asked.out.resolve()
    return asked


def _lane(asked: Any, parts: list[str], gpu: int | None, until_s: float) -> int:
    """One part after the other on one GPU."""
    failed = 0
    for part in parts:
        name, _colon, seconds = part.partition(":")
        ends_s = min(until_s, time.monotonic() + float(seconds)) if seconds else until_s
        failed += _through(asked, gpu, ends_s) if name == "through" else _wait(_tune(asked, name, gpu, ends_s), ends_s)
    return failed


def _tune(asked: Any, part: str, gpu: int | None, until_s: float) -> subprocess.Popen[bytes]:
    """One ladder as a process of its own; a journal that lies there is gone on with."""
    folder = asked.out / part
    folder.mkdir(parents=True, exist_ok=True)
    _write_configuration(asked, part, folder / "forebay.yaml")
    budget_s = max(30.0, until_s - time.monotonic() - 5)
    argv = [sys.executable, "-m", "forebay", "tune", "run", "-c", str(folder / "forebay.yaml"), "--objective", part]
    argv += ["--budget", f"{budget_s:.0f}s", "--out", str(folder / "ladder"), "--way", "strides"]
    argv += ["--concurrency", "1000" if part == "low-latency" else "64"]
    if gpu is not None:
        argv += ["--gpu", str(gpu)]
    if (folder / "ladder" / "journal.jsonl").exists():
        argv.append("--resume")
    argv += asked.tune.split()
    return subprocess.Popen(argv, stdout=(folder / "table.txt").open("wb"), stderr=(folder / "said.txt").open("ab"))


def _wait(ladder: subprocess.Popen[bytes], until_s: float) -> int:
    """It keeps its own budget; this is for one that does not."""
    try:
        return int(ladder.wait(max(1.0, until_s - time.monotonic() + 30)) != 0)
    except subprocess.TimeoutExpired:
        ladder.terminate()
        return 1


def _write_configuration(asked: Any, part: str, path: Path) -> None:
    small = part in ("low-latency", "through")
    args: dict[str, Any] = dict(PLAIN if small else EAGER)
    if not small and asked.weights == "dummy":
        args["load-format"] = "dummy"
    args |= {name: json.loads(value) for name, _equals, value in (each.partition("=") for each in asked.set)}
    weights = asked.small if small and asked.small else asked.model or asked.small
    engine = {
        "kind": "vllm",
        "weights": str(weights.resolve()),
        "release": asked.release,
        "program": _program(asked),
        "start": "400s",
        "args": args,
        "env": {
            name: os.environ[name]
            for name in (
                "HF_HUB_OFFLINE",
                "VLLM_CPU_KVCACHE_SPACE",
                "VLLM_NO_USAGE_STATS",
                "VLLM_USE_FLASHINFER_SAMPLER",
            )
            if name in os.environ
        },
    }
    model = {"context_tokens": 1024 if small else 4096, "engines": [engine]}
    whole = {"version": 1, "hardware": asked.hardware, "models": {"small" if small else "shape-8b": model}}
    path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _program(asked: Any) -> list[str]:
    if asked.program:
        return [*asked.program.split()]
    if shutil.which("vllm"):
        return ["vllm", "serve"]
    return [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve"]


def _through(asked: Any, gpu: int | None, until_s: float) -> int:
    folder = asked.out / "through"
    folder.mkdir(parents=True, exist_ok=True)
    _write_configuration(asked, "through", folder / "forebay.yaml")
    argv = [sys.executable, "-m", "benchmarks.gpu.through", "-c", str(folder / "forebay.yaml"), "--out", str(folder)]
    argv += ["--seconds", f"{until_s - time.monotonic():.0f}"]
    if gpu is not None:
        argv += ["--gpu", str(gpu)]
    with (folder / "table.txt").open("wb") as table, (folder / "said.txt").open("ab") as said:
        return int(subprocess.run(argv, check=False, stdout=table, stderr=said).returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
