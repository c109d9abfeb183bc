"""Ladders of an 8 B shape and of SmolLM2 on the GPUs of this machine: `python -m benchmarks.gpu.ladder --help`.

Needs vLLM, and what `forebay` imports for `tune run` and its gateway. Parts: ladders under three objectives; `killers`
(what each flag that kills speed costs alone), `by-hand` (the best step of the ladder that was made by hand), `parallel`
(one engine on two GPUs, or two on one each), `crowd` (how many engines 1,000 requests at once need) and `through` (the
chat ladder's winner: runs for the simulator to learn from and to foretell, then what the gateway costs).
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
BY_HAND = {
    "quantization": "fp8",
    "kv-cache-dtype": "fp8",
    "max-num-seqs": 256,
    "max-num-batched-tokens": 8192,
    "gpu-memory-utilization": 0.92,
    "dtype": "bfloat16",
    "enable-prefix-caching": False,
}
"""Step E of the reference ladder, measured at 192 in flight there."""
PARALLEL = {
    "tensor-parallel-size": 2,
    "max-num-seqs": 512,
    "gpu-memory-utilization": 0.92,
    "max-model-len": 4096,
    "dtype": "bfloat16",
    "kv-cache-dtype": "auto",
    "enable-prefix-caching": False,
}
WITHOUT_GRAPHS_ALONE = {name: value for name, value in EAGER.items() if name != "enforce-eager"}
"""The baseline without its worst killer: the step from there is the other one's."""
NO_MULTICAST = {
    "NCCL_NVLS_ENABLE": "0",
    "TORCH_SYMM_MEM_DISABLE_MULTICAST": "1",
    "NVSHMEM_DISABLE_NVLS": "1",
    "VLLM_ALLREDUCE_USE_SYMM_MEM": "0",
}
"""Programs that use NVLink's multicast can put the GPUs of a host that others share out of service."""
_BASELINES = {
    "low-latency": PLAIN,
    "crowd": PLAIN,
    "killers": WITHOUT_GRAPHS_ALONE,
    "by-hand": BY_HAND,
    "parallel": PARALLEL,
}
_SMALL = ("low-latency", "crowd")
_PASSED = ("HF_HUB_OFFLINE", "VLLM_CPU_KVCACHE_SPACE", "VLLM_NO_USAGE_STATS", "VLLM_USE_FLASHINFER_SAMPLER")
_MEASURED = {"crowd": "benchmarks.gpu.crowd", "through": "benchmarks.gpu.through"}
_ASKED = {
    "chat": "--concurrency 64 --rungs 5",
    "batch": "--concurrency 64 --rungs 3",
    "low-latency": "--concurrency 1000",
    "killers": "--objective batch --concurrency 64 --rungs 1 --window 10s --only killers",
    "by-hand": "--objective batch --concurrency 192 --rungs 1 --only killers",
    "parallel": "--objective batch --concurrency 384 --rungs 2 --only parallelism",
}


def main() -> int:
    """Run one group of lanes after the other, its lanes at once; returns how many parts failed."""
    asked = _arguments()
    until_s = time.monotonic() + asked.seconds
    return sum(_group(asked, [lane.split(",") for lane in group.split(";")], until_s) for group in asked.groups)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of the 8 B shape: config.json and a tokenizer")
    parser.add_argument("--small", type=Path, help="folder of SmolLM2's real weights")
    parser.add_argument("--out", type=Path, default=Path("ladder"))
    parser.add_argument("--seconds", type=float, default=540.0, help="for everything")
    parser.add_argument(
        "--lanes",
        default="chat;batch",
        help="parts, of chat, batch, low-latency, killers, by-hand, crowd, through and parallel; lanes between ; run "
        "at once, each on a GPU; parts between , one after the other, each as long as PART:SECONDS says, the last "
        "until the end; what follows a / begins when everything before it has ended, and has all GPUs",
    )
    parser.add_argument("--gpus", default="0,1", help="one for each lane; empty on a CPU")
    parser.add_argument("--cores", default="", help="of each lane, such as 0-9;10-31: neighbours take no time from it")
    parser.add_argument("--hardware", default="h200")
    parser.add_argument("--release", default="0.25.1")
    parser.add_argument("--program", default="", help="what starts vLLM; default: `vllm serve`, or its module")
    parser.add_argument("--weights", choices=("dummy", "real"), default="dummy")
    parser.add_argument("--set", action="append", default=[], metavar="FLAG=JSON", help="a flag of every baseline")
    parser.add_argument("--tune", default="", help="more flags of `forebay tune run`")
    asked = parser.parse_args()
    asked.gpu_list = [int(each) for each in asked.gpus.split(",") if each] or [None] * 8
    asked.core_list = [_cores(each) for each in asked.cores.split(";") if each]
    asked.groups = asked.lanes.split("/")
    asked.out = asked.out.resolve()
    return asked


def _cores(text: str) -> set[int]:
    first, _dash, last = text.partition("-")
    return set(range(int(first), int(last or first) + 1))


def _group(asked: Any, lanes: list[list[str]], until_s: float) -> int:
    with ThreadPoolExecutor(len(lanes)) as pool:
        return sum(pool.map(lambda number: _lane(asked, lanes[number], number, until_s), range(len(lanes))))


def _lane(asked: Any, parts: list[str], number: int, until_s: float) -> int:
    """One part after the other on one GPU; one that fails leaves its time to the next."""
    gpu = asked.gpu_list[number]
    if asked.core_list and "parallel" not in parts:
        try:
            os.sched_setaffinity(0, asked.core_list[number])  # of this thread, and of what it starts
        except OSError as error:
            _say(f"lane {number} has all cores: {error}")
    failed = 0
    for part in parts:
        name, _colon, seconds = part.partition(":")
        folder = asked.out / name
        if (folder / "ended").exists():
            continue  # by a run before this one
        ends_s = min(until_s, _deadline_s(folder, float(seconds))) if seconds else until_s
        _say(f"{name}: until {ends_s - time.monotonic():.0f} s from now on GPU {gpu}")
        code = _wait(_begun(asked, name, gpu, ends_s), ends_s)
        (folder / "ended").touch()
        _say(f"{name}: {'ended' if code == 0 else f'failed, see {asked.out / name}/said.txt'}")
        failed += code
    return failed


def _deadline_s(folder: Path, seconds: float) -> float:
    """On the monotonic clock; a part that is gone on with keeps the one that it had."""
    told = folder / "until"
    if not told.exists():
        folder.mkdir(parents=True, exist_ok=True)
        told.write_text(f"{time.time() + seconds}", encoding="utf-8")
    return time.monotonic() + float(told.read_text(encoding="utf-8")) - time.time()


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def _begun(asked: Any, part: str, gpu: int | None, until_s: float) -> subprocess.Popen[bytes]:
    """A part as a process of its own."""
    folder = asked.out / part
    folder.mkdir(parents=True, exist_ok=True)
    cache = asked.out / ".vllm-cache"
    cache.mkdir(exist_ok=True)
    if not (folder / ".vllm-cache").is_symlink():
        (folder / ".vllm-cache").symlink_to(cache)  # what one part has compiled the next one need not
    _write_configuration(asked, part, folder / "forebay.yaml")
    argv = _measuring(asked, part, until_s) if part in _MEASURED else _tuning(asked, part, until_s)
    if gpu is not None and part != "parallel":
        argv += ["--gpu", str(gpu)]
    with (folder / "table.txt").open("wb") as table, (folder / "said.txt").open("ab") as said:
        return subprocess.Popen([sys.executable, "-m", *argv], stdout=table, stderr=said)


def _tuning(asked: Any, part: str, until_s: float) -> list[str]:
    """One ladder; a journal that lies there is gone on with."""
    folder = asked.out / part
    budget_s = max(30.0, until_s - time.monotonic() - 5)
    argv = ["forebay", "tune", "run", "-c", str(folder / "forebay.yaml")]
    argv += ["--budget", f"{budget_s:.0f}s", "--out", str(folder / "ladder"), "--way", "strides"]
    argv += [*([] if "--objective" in _ASKED[part] else ["--objective", part]), *_ASKED[part].split()]
    if (folder / "ladder" / "journal.jsonl").exists():
        argv.append("--resume")
    return [*argv, *asked.tune.split()]


def _measuring(asked: Any, part: str, until_s: float) -> list[str]:
    folder = asked.out / part
    argv = [_MEASURED[part], "-c", str(folder / "forebay.yaml"), "--out", str(folder)]
    argv += ["--seconds", f"{until_s - time.monotonic():.0f}"]
    if part == "through":
        argv += ["--ladder", str(asked.out / "chat" / "ladder")]
    return argv


def _wait(ladder: subprocess.Popen[bytes], until_s: float) -> int:
    """It keeps its own budget; this is for one that does not."""
    try:
        return int(ladder.wait(max(1.0, until_s - time.monotonic() + 30)) != 0)
    except subprocess.TimeoutExpired:
        ladder.terminate()
        return 1


def _write_configuration(asked: Any, part: str, path: Path) -> None:
    small = part in _SMALL
    args: dict[str, Any] = dict(_BASELINES.get(part, EAGER))
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
        "env": NO_MULTICAST | {name: os.environ[name] for name in _PASSED if name in os.environ},
    }
    if part == "parallel":
        engine["gpus"] = [each for each in asked.gpu_list if each is not None] or [0, 1]
    model = {"context_tokens": 1024 if small else 4096, "engines": [engine]}
    whole = {"version": 1, "hardware": asked.hardware, "models": {"small" if small else "shape-8b": model}}
    path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _program(asked: Any) -> list[str]:
    if asked.program:
        return [*asked.program.split()]
    if shutil.which("vllm"):
        return ["vllm", "serve"]
    return [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve"]


if __name__ == "__main__":
    sys.exit(main())
