"""A real vLLM on this machine's CPU, measured under several loads."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.engine import install

from forebay.tune.load import Arrivals, ClientLimits, Lengths, Step, Target, Workload, measure
from forebay.tune.report.measured import Measured

ENGINE_ARGS = {"max_sequences": 8, "max_batched_tokens": 2048, "cache_tokens": 45_000}
_READY_S = 600.0
_STOP_S = 30.0
# Two cores for engine and generator: it is late at times. How late is told with the figures, and allowed here.
_LIMITS = ClientLimits(lag_p99_ms=1000.0, lag_most_ms=1000.0)
_LENGTHS = {
    "input_tokens": Lengths(shape="uniform", tokens=160, least=16, most=400),
    "output_tokens": Lengths(shape="uniform", tokens=32, least=12, most=60),
}
CALIBRATE = Workload(
    arrivals=Arrivals(shape="steps", steps=tuple(Step(rate_rps=rate, duration_s=30.0) for rate in (0.3, 0.8, 1.5))),
    duration_s=None,
    **_LENGTHS,
)
CHECKS = (
    Workload(arrivals=Arrivals(rate_rps=1.0), duration_s=45.0, seed=2, **_LENGTHS),
    Workload(
        arrivals=Arrivals(shape="closed", concurrency=4), duration_s=35.0,
        input_tokens=Lengths(tokens=128), output_tokens=Lengths(tokens=32),
    ),
    Workload(
        arrivals=Arrivals(shape="closed", concurrency=8), duration_s=35.0,
        input_tokens=Lengths(tokens=64), output_tokens=Lengths(tokens=24),
    ),
)  # fmt: skip


def measured(folder: Path) -> tuple[Measured, list[Measured]]:
    """The run to learn from, and the ones to foretell."""
    install.prepare(lambda text: sys.stderr.write(f"{text}\n") and None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "vllm.log").open("wb")
    server = subprocess.Popen(
        [
            str(install.python().with_name("vllm")), "serve", str(install.weights()), "--served-model-name", "m",
            "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "1024", "--enforce-eager",
            "--max-num-seqs", str(ENGINE_ARGS["max_sequences"]),
            "--max-num-batched-tokens", str(ENGINE_ARGS["max_batched_tokens"]), "--no-enable-prefix-caching",
        ],
        stdout=log, stderr=log, env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "VLLM_CPU_KVCACHE_SPACE": "1"},
    )  # fmt: skip
    try:
        _wait(server, port, folder)
        target = Target(url=f"http://127.0.0.1:{port}", model="m")
        measure(
            target, Workload(requests=3, duration_s=None, arrivals=Arrivals(shape="closed"), **_LENGTHS), limits=_LIMITS
        )
        learned = measure(target, CALIBRATE, limits=_LIMITS)
        return learned, [measure(target, load, limits=_LIMITS) for load in CHECKS]
    finally:
        server.terminate()
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


def _wait(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"vLLM ended:\n{(folder / 'vllm.log').read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1.0)
    raise SystemExit("vLLM is not ready after ten minutes")
