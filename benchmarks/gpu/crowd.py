"""How many engines side by side on one GPU carry 1,000 short requests at once.

All are started once; a gateway stands before some of them in turn.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from forebay.config.load import load
from forebay.core.errors import ForebayError
from forebay.tune.engine import Running, Starter, cores
from forebay.tune.front import Front
from forebay.tune.load import ClientLimits, measure
from forebay.tune.load.target import Target
from forebay.tune.objective import Objective, objective
from forebay.tune.rung import load_of, rung_of
from forebay.tune.space import Space, space_of
from forebay.tune.stage import Situation
from forebay.tune.stages.instances import side_by_side

WARM_S, WINDOW_S = 3.0, 8.0
CLIENTS = 4
LIMITS = ClientLimits(lag_p99_ms=50.0, lag_ratio=0.25, cpu_share=0.98)
"""A client that is late makes answers look later, never earlier; how late it was stands beside them."""


def main() -> int:
    """Start the most engines, then put a gateway before so many of them, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpu", type=int)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--engines", default="8,10,6,4,8,10", help="how many, in this order")
    parser.add_argument("--workers", type=int, default=3, help="of the gateway")
    parser.add_argument("--at-once", type=int, default=1000)
    asked = parser.parse_args()
    until_s = time.monotonic() + asked.seconds
    loaded = load(asked.config)
    model = next(iter(loaded.config.models))
    space = space_of(loaded, model, scenario="low-latency", cores=cores(), gpu=asked.gpu)
    aim = msgspec.structs.replace(objective("low-latency"), concurrency=asked.at_once, most_concurrency=asked.at_once)
    counts = [int(each) for each in asked.engines.split(",")]
    setting = side_by_side(Situation(space=space, objective=aim, setting=space.baseline()), max(counts))
    starter = Starter(space, asked.out / "state", asked.out / ".vllm-cache")
    starter.sweep()
    try:
        # Each could be the only ones that are asked: they hold what the fewest of them would have to.
        fewest = {"max-num-seqs": max(16, round(1.25 * aim.concurrency / min(counts)))}
        made = setting.applied(space.baseline())
        made = msgspec.structs.replace(made, args={**made.args, **fewest})
        running = starter.start(made, "crowd", 400.0, until_s)
        sys.stderr.write(f"{len(running.urls)} engines after {running.start_s:.0f} s: {made.args}\n")
        _turns(asked, space, aim, (starter, running), until_s)
    finally:
        starter.stop()
    return 0


def _turns(asked: Any, space: Space, aim: Objective, engines: tuple[Starter, Running], until_s: float) -> None:
    starter, running = engines
    rows: list[dict[str, Any]] = []
    for turn, count in enumerate(int(each) for each in asked.engines.split(",")):
        if time.monotonic() + 2 * (WARM_S + WINDOW_S) > until_s:
            break
        front = Front(starter, space, asked.workers)
        url, key = front.start(running.urls[:count])
        metrics = tuple(f"{each}/metrics" for each in running.urls[:count])
        target = Target(url=url, model=space.model, key=key, engine_metrics_urls=metrics)
        work = load_of(aim, aim.concurrency, warm_s=WARM_S, window_s=WINDOW_S, seed=turn)
        try:
            seen = measure(target, work, processes=CLIENTS, limits=LIMITS)
        except ForebayError as error:
            sys.stderr.write(f"{count} engines: {error}\n")
            continue
        finally:
            starter.end(front.names)
        rung = rung_of(seen, aim, aim.concurrency, asked.gpu)
        rows.append({"engines": count, "workers": asked.workers, "lag_p99_ms": seen.client.lag_p99_ms, "rung": rung})
        (asked.out / "crowd.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
        sys.stdout.write(
            f"{count} engines: {rung.requests_per_s:,.0f} requests/s, P50 {rung.e2e_p50_ms:,.0f} "
            f"P95 {rung.e2e_p95_ms:,.0f} P99 {rung.e2e_p99_ms:,.0f} ms, {rung.failed} failed, "
            f"GPU {rung.gpu_percent or 0:.0f} %\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
