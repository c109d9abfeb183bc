"""CPU of the load generator for each streamed answer of 64 tokens: `python -m benchmarks.generator`.

A mock engine in C sends an event every 5 ms. CPU is the generator's own (user and system), read by its processes, so a
busy machine changes it little; how late the requests left is told beside it, and that a busy machine does change.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.overhead.programs import mock_engine
from forebay.tune.load import Arrivals, ClientLimits, Lengths, Target, Workload, measure

_TOKENS = Lengths(tokens=64)
_PATH = "/v1/chat/completions"
_PATIENT = ClientLimits(lag_p99_ms=1000.0)
_PEERS = "beside it, measured once on a quiet machine: vllm bench 5.2 ms a stream, AIPerf 13.8, GuideLLM 22.3\n"


def main() -> int:
    """Play each load once and print a line for it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each load")
    parser.add_argument("--core", type=int, default=1, help="core of the mock engine")
    parser.add_argument("--rates", type=float, nargs="*", default=[10.0, 50.0, 100.0, 200.0], help="streams a second")
    given = parser.parse_args()
    head = f"{'streams/s':>10} {'streams':>8} {'CPU ms/stream':>14} {'CPU share':>10} {'late P99 ms':>12}\n"
    sys.stdout.write(head)
    with mock_engine(given.core) as engine:
        target = Target(url=f"http://127.0.0.1:{engine.port}", model="m", path=_PATH)
        for rate_rps in given.rates:
            come = Arrivals(shape="constant", rate_rps=rate_rps)
            load = Workload(arrivals=come, input_tokens=_TOKENS, output_tokens=_TOKENS, duration_s=given.seconds)
            seen = measure(target, load, limits=_PATIENT)
            client = seen.client
            streams = len(seen.per_request.start_s) if seen.per_request is not None else seen.sent
            cost = f"{client.cpu_s / streams * 1000:>14.3f} {client.cpu_share:>10.1%} {client.lag_p99_ms:>12.2f}"
            sys.stdout.write(f"{rate_rps:>10g} {streams:>8} {cost}\n")
    sys.stdout.write(_PEERS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
